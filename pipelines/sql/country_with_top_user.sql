-- The country of the poster with the most followers of all: one row, the first by name where countries share the place.
-- Order: one row.
SELECT country, follower_count
FROM top_posters_by_country
WHERE follower_count IS NOT NULL
ORDER BY follower_count DESC, country
LIMIT 1;
