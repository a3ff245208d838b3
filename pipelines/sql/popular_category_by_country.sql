-- The category with the most pins in each country; categories that share the first place are all kept.
-- Order: country, category.
SELECT country, category, category_count
FROM (
  SELECT country, category, category_count, rank() OVER (PARTITION BY country ORDER BY category_count DESC) AS place
  FROM pins_by_country_and_category
)
WHERE place = 1
ORDER BY country, category;
