-- The median of the pins' follower counts of the users who joined in each year from 2015 to 2020:
-- the lower one, the ceil(n / 2)-th smallest, as Spark's percentile_approx(x, 0.5). Unknown counts do not count.
-- Order: year.
SELECT post_year, median_follower_count
FROM followers_by_join_year
WHERE post_year BETWEEN 2015 AND 2020
ORDER BY post_year;
