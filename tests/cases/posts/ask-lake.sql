SELECT table_name, partition, sum(rows) AS rows, min(delivered IS NOT NULL) AS delivered FROM tidemill_objects
WHERE table_name IN ('pin', 'geo', 'user') GROUP BY table_name, partition ORDER BY table_name, partition
