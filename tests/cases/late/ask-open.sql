-- The windows that are still open, and of those that have closed how many rows the lake got.
SELECT 'open ' || aggregate AS what, count(DISTINCT window_start) AS count FROM tidemill_groups GROUP BY aggregate
UNION ALL SELECT 'landed ' || table_name, sum(rows) FROM tidemill_objects GROUP BY table_name ORDER BY 1
