-- The poster with the most followers in each country; posters that share the first place are all kept, each once.
-- A country where no count is known has no row.
-- Order: country, poster.
SELECT DISTINCT country, poster_name, follower_count
FROM (
  SELECT country, max(follower_count) AS follower_count
  FROM pin JOIN geo USING (ind)
  GROUP BY country
)
JOIN (SELECT country, poster_name, follower_count FROM pin JOIN geo USING (ind)) USING (country, follower_count)
ORDER BY country, poster_name;
