SELECT window_start, window_end, age, posts FROM joined_per_month ORDER BY window_start, age
