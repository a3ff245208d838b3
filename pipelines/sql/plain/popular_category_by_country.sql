-- The category with the most pins in each country; categories that share the first place are all kept.
-- Order: country, category.
SELECT country, category, category_count
FROM (
  SELECT country, category, count(*) AS category_count, rank() OVER (PARTITION BY country ORDER BY count(*) DESC) AS place
  FROM pin JOIN geo USING (ind)
  GROUP BY country, category
)
WHERE place = 1
ORDER BY country, category;
