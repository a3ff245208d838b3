-- How many pins each category has in each year from 2018 to 2022.
-- Order: year, most pins first, category.
SELECT post_year, category, category_count
FROM pins_by_year_and_category
WHERE post_year BETWEEN 2018 AND 2022
ORDER BY post_year, category_count DESC, category;
