-- How many pins each category has in each year from 2018 to 2022.
-- Order: year, most pins first, category.
SELECT CAST(substr(timestamp, 1, 4) AS INTEGER) AS post_year, category, count(*) AS category_count
FROM pin JOIN geo USING (ind)
WHERE timestamp >= '2018' AND timestamp < '2023'
GROUP BY post_year, category
ORDER BY post_year, category_count DESC, category;
