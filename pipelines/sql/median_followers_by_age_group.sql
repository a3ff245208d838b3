-- The median of the pins' follower counts in each age group:
-- the lower one, the ceil(n / 2)-th smallest, as Spark's percentile_approx(x, 0.5). Unknown counts do not count.
-- Age groups: 18-24, 25-35, 36-50, +50 (51 or more); whoever is younger is in none.
-- Order: age group, the youngest first.
SELECT age_group, median_follower_count
FROM followers_by_age_group
WHERE age_group IS NOT NULL
ORDER BY age_group = '+50', age_group;
