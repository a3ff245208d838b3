-- The category with the most pins in each age group; categories that share the first place are all kept.
-- Age groups: 18-24, 25-35, 36-50, +50 (51 or more); whoever is younger is in none.
-- Order: age group, the youngest first, category.
SELECT age_group, category, category_count
FROM (
  SELECT age_group, category, category_count, rank() OVER (PARTITION BY age_group ORDER BY category_count DESC) AS place
  FROM pins_by_age_group_and_category
  WHERE age_group IS NOT NULL
)
WHERE place = 1
ORDER BY age_group = '+50', age_group, category;
