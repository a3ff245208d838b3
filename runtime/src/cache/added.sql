-- Tables that a file of this format gets where it does not have them yet.

-- What groups of aggregates showed before rows changed them that came when their window's time was over. `grouped` and `measures`
-- are JSON objects of the aggregate's columns, `until` is when the next revision was committed.
CREATE TABLE IF NOT EXISTS tidemill_changes (
  aggregate TEXT NOT NULL,
  window_start TEXT NOT NULL,
  grouped TEXT NOT NULL,
  revision INTEGER NOT NULL,
  window_end TEXT NOT NULL,
  measures TEXT NOT NULL,
  until INTEGER NOT NULL,
  PRIMARY KEY (aggregate, window_start, grouped, revision)
) WITHOUT ROWID;

-- Rows that came too late for a window of an aggregate, as far as they are listed. `time` is theirs, where they have one,
-- `window_start` that of the first window that they missed, where their time is in one.
CREATE TABLE IF NOT EXISTS tidemill_late (
  aggregate TEXT NOT NULL,
  partition INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  row INTEGER NOT NULL,
  time INTEGER,
  window_start INTEGER,
  committed INTEGER NOT NULL,
  PRIMARY KEY (aggregate, partition, offset, row)
) WITHOUT ROWID;
