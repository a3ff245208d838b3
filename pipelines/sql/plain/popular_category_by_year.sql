-- The category with the most pins in each year from 2018 to 2022; categories that share the first place are all kept.
-- Order: year, category.
SELECT post_year, category, category_count
FROM (
  SELECT post_year, category, category_count, rank() OVER (PARTITION BY post_year ORDER BY category_count DESC) AS place
  FROM (
    SELECT CAST(substr(timestamp, 1, 4) AS INTEGER) AS post_year, category, count(*) AS category_count
    FROM pin JOIN geo USING (ind)
    WHERE timestamp >= '2018' AND timestamp < '2023'
    GROUP BY post_year, category
  )
)
WHERE place = 1
ORDER BY post_year, category;
