SELECT country, sum(posts) AS posts FROM posts_per_country GROUP BY country ORDER BY country
