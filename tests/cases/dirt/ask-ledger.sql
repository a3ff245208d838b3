SELECT table_name, partition, min(from_offset) AS first, max(next_offset) AS next, sum(records_in) AS records_in,
  sum(records_out) AS records_out, sum(dropped) AS dropped, sum(rejected) AS rejected, sum(rows) AS rows
FROM tidemill_ledger GROUP BY table_name, partition ORDER BY table_name, partition
