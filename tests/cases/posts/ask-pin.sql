SELECT ind, category, follower_count, poster_name FROM pin ORDER BY ind
