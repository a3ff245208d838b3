-- The median of the pins' follower counts of the users who joined in each year from 2015 to 2020:
-- the lower one, the ceil(n / 2)-th smallest, as Spark's percentile_approx(x, 0.5). Unknown counts do not count.
-- Pins are counted by value first, so that only the values are ordered.
-- Order: year.
WITH
  counts AS (
    SELECT
      CAST(substr(date_joined, 1, 4) AS INTEGER) AS post_year,
      follower_count, count(follower_count) AS pins
    FROM pin JOIN user USING (ind)
    WHERE date_joined >= '2015' AND date_joined < '2021'
    GROUP BY post_year, follower_count
  ),
  ranks AS (
    SELECT
      post_year, follower_count, pins,
      sum(pins) OVER (PARTITION BY post_year ORDER BY follower_count) AS upto,
      sum(pins) OVER (PARTITION BY post_year) AS total
    FROM counts
  )
SELECT post_year, min(follower_count) AS median_follower_count
FROM ranks
WHERE upto >= (total + 1) / 2
GROUP BY post_year
ORDER BY post_year;
