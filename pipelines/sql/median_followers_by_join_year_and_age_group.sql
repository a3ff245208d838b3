-- The median of the pins' follower counts by age group and by the year of joining, 2015 to 2020:
-- the lower one, the ceil(n / 2)-th smallest, as Spark's percentile_approx(x, 0.5). Unknown counts do not count.
-- Age groups: 18-24, 25-35, 36-50, +50 (51 or more); whoever is younger is in none.
-- Order: age group, the youngest first, year.
SELECT age_group, post_year, median_follower_count
FROM followers_by_join_year_and_age_group
WHERE age_group IS NOT NULL AND post_year BETWEEN 2015 AND 2020
ORDER BY age_group = '+50', age_group, post_year;
