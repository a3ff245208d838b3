SELECT table_name, partition, offset, reason, CAST(value AS TEXT) AS value FROM tidemill_dead_letters ORDER BY 1, 2, 3
