-- The median of the pins' follower counts in each age group:
-- the lower one, the ceil(n / 2)-th smallest, as Spark's percentile_approx(x, 0.5). Unknown counts do not count.
-- Pins are counted by value first, so that only the values are ordered.
-- Age groups: 18-24, 25-35, 36-50, +50 (51 or more); nobody is younger than 18.
-- Order: age group, the youngest first.
WITH
  counts AS (
    SELECT
      CASE WHEN age <= 24 THEN '18-24' WHEN age <= 35 THEN '25-35' WHEN age <= 50 THEN '36-50' ELSE '+50' END AS age_group,
      follower_count, count(follower_count) AS pins
    FROM pin JOIN user USING (ind)
    WHERE age >= 18
    GROUP BY age_group, follower_count
  ),
  ranks AS (
    SELECT
      age_group, follower_count, pins,
      sum(pins) OVER (PARTITION BY age_group ORDER BY follower_count) AS upto,
      sum(pins) OVER (PARTITION BY age_group) AS total
    FROM counts
  )
SELECT age_group, min(follower_count) AS median_follower_count
FROM ranks
WHERE upto >= (total + 1) / 2
GROUP BY age_group
ORDER BY age_group = '+50', age_group;
