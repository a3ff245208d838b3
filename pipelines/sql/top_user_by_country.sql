-- The poster with the most followers in each country; posters that share the first place are all kept, each once.
-- A country where no count is known has no row.
-- Order: country, poster.
SELECT country, poster.value AS poster_name, follower_count
FROM top_posters_by_country, json_each(poster_names) AS poster
WHERE country IS NOT NULL
ORDER BY country, poster_name;
