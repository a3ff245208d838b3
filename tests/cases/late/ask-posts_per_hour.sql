SELECT window_start, window_end, country, posts, first, last, least FROM posts_per_hour ORDER BY window_start, country
