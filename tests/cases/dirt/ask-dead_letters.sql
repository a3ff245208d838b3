SELECT table_name, partition, offset, reason, CAST(key AS TEXT) AS key, hex(value) AS bytes, value IS NULL AS tombstone
FROM tidemill_dead_letters ORDER BY 1, 2, 3
