-- The category with the most pins in each year from 2018 to 2022; categories that share the first place are all kept.
-- Order: year, category.
SELECT post_year, category, category_count
FROM (
  SELECT post_year, category, category_count, rank() OVER (PARTITION BY post_year ORDER BY category_count DESC) AS place
  FROM pins_by_year_and_category
  WHERE post_year BETWEEN 2018 AND 2022
)
WHERE place = 1
ORDER BY post_year, category;
