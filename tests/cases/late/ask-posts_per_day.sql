SELECT window_start, window_end, posts, countries FROM posts_per_day ORDER BY window_start
