-- How many users joined in each year from 2015 to 2020.
-- Order: year.
SELECT CAST(substr(date_joined, 1, 4) AS INTEGER) AS post_year, count(*) AS number_users_joined
FROM user
WHERE date_joined >= '2015' AND date_joined < '2021'
GROUP BY post_year
ORDER BY post_year;
