-- How many users joined in each year from 2015 to 2020.
-- Order: year.
SELECT post_year, number_users_joined
FROM users_by_join_year
WHERE post_year BETWEEN 2015 AND 2020
ORDER BY post_year;
