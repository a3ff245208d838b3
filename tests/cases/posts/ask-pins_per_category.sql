-- The windows are cut by append time, which differs from run to run: here they are put together.
SELECT category, sum(pins) AS pins, sum(followers) AS followers FROM pins_per_category GROUP BY category ORDER BY category
