-- The category with the most pins in each age group; categories that share the first place are all kept.
-- Age groups: 18-24, 25-35, 36-50, +50 (51 or more); nobody is younger than 18.
-- Order: age group, the youngest first, category.
SELECT age_group, category, category_count
FROM (
  SELECT
    age_group, category, count(*) AS category_count,
    rank() OVER (PARTITION BY age_group ORDER BY count(*) DESC) AS place
  FROM (
    SELECT
      CASE WHEN age <= 24 THEN '18-24' WHEN age <= 35 THEN '25-35' WHEN age <= 50 THEN '36-50' ELSE '+50' END AS age_group,
      category
    FROM pin JOIN user USING (ind)
    WHERE age >= 18
  )
  GROUP BY age_group, category
)
WHERE place = 1
ORDER BY age_group = '+50', age_group, category;
