-- What is wrong in the ledger, a sentence a row.
WITH
  lines AS (
    SELECT
      *,
      lag(epoch, 1, 0) OVER partitions AS epoch_before,
      lag(next_offset, 1, from_offset) OVER partitions AS next_before
    FROM tidemill_ledger
    WINDOW partitions AS (PARTITION BY table_name, partition ORDER BY epoch)
  ),
  sums AS (
    SELECT
      table_name, partition, max(epoch) AS epoch, max(next_offset) AS next_offset, sum(records_in) AS records_in,
      sum(records_out) AS records_out, sum(dropped) AS dropped, sum(rejected) AS rejected, sum(rows) AS rows
    FROM tidemill_ledger
    GROUP BY table_name, partition
  )
SELECT
  printf('ledger of "%s"/%d: epoch %d from %d follows epoch %d to %d',
    table_name, partition, epoch, from_offset, epoch_before, next_before)
FROM lines
WHERE epoch <> epoch_before + 1 OR from_offset <> next_before
UNION ALL
SELECT
  printf('ledger of "%s"/%d: epoch %d has %d records in, but %d out, %d dropped, %d rejected',
    table_name, partition, epoch, records_in, records_out, dropped, rejected)
FROM tidemill_ledger
WHERE records_in <> records_out + dropped + rejected
UNION ALL
SELECT printf('ledger of "%s"/%d: its position is not the sum of its lines', table_name, partition)
FROM (
  SELECT * FROM (SELECT * FROM sums EXCEPT SELECT * FROM tidemill_positions)
  UNION
  SELECT * FROM (SELECT * FROM tidemill_positions EXCEPT SELECT * FROM sums)
)
GROUP BY table_name, partition;
