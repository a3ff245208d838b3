-- What a pipeline alone knows. Times are microseconds since 1970 in UTC.

-- Whose file this is; `instance` is made once and never changes.
CREATE TABLE tidemill_pipeline (
  name TEXT NOT NULL,
  instance TEXT NOT NULL
);

-- What the cache proper holds, as it was declared: tables, aggregates, rollups, queries. A rollup without a
-- definition is still to be computed.
CREATE TABLE tidemill_layout (
  name TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('table', 'aggregate', 'rollup', 'query')),
  definition TEXT NOT NULL
) WITHOUT ROWID;

-- From which offset on a table or aggregate of the cache has what came of a partition, where that is not its beginning: it
-- was declared later, or began anew when its definition changed.
CREATE TABLE tidemill_begun (
  name TEXT NOT NULL,
  partition INTEGER NOT NULL,
  from_offset INTEGER NOT NULL,
  PRIMARY KEY (name, partition)
) WITHOUT ROWID;

-- How often an aggregate has begun anew: the partition that its segments and objects have, so that they are told from those before.
-- `revision` is the last that its table had then.
CREATE TABLE tidemill_renewals (
  aggregate TEXT NOT NULL PRIMARY KEY,
  count INTEGER NOT NULL,
  revision INTEGER NOT NULL
) WITHOUT ROWID;

-- Of which topic the positions of a table or landing are.
CREATE TABLE tidemill_sources (
  table_name TEXT NOT NULL PRIMARY KEY,
  source TEXT NOT NULL
) WITHOUT ROWID;

-- One line for each epoch of each partition of each table. `cuts` is a JSON list of [window start, first offset, next offset,
-- rows], `shares` one of [aggregate, late rows, watermark].
CREATE TABLE tidemill_ledger (
  table_name TEXT NOT NULL,
  partition INTEGER NOT NULL,
  epoch INTEGER NOT NULL CHECK (epoch >= 1),
  from_offset INTEGER NOT NULL,
  next_offset INTEGER NOT NULL CHECK (next_offset >= from_offset),
  records_in INTEGER NOT NULL CHECK (records_in = records_out + dropped + rejected),
  records_out INTEGER NOT NULL,
  dropped INTEGER NOT NULL,
  rejected INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  watermark INTEGER NOT NULL,
  committed INTEGER NOT NULL,
  digest TEXT NOT NULL,
  generation INTEGER NOT NULL,
  spent_ns INTEGER NOT NULL,
  superseded INTEGER NOT NULL,
  unkeyed INTEGER NOT NULL,
  cuts TEXT NOT NULL,
  shares TEXT NOT NULL,
  PRIMARY KEY (table_name, partition, epoch)
) WITHOUT ROWID;

-- Lines beside those of the ledger, to be added to them: what a redrive of dead letters or a replay has changed of an epoch.
-- `late` is a JSON list of [aggregate, rows], of the whole revision, in the first of its lines. A replay's line `replaces`: its
-- rows, in `cuts` as the ledger has them, stand in the place of all that the epoch's records had before.
CREATE TABLE tidemill_revisions (
  table_name TEXT NOT NULL,
  partition INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  revision INTEGER NOT NULL CHECK (revision >= 1),
  records_out INTEGER NOT NULL,
  dropped INTEGER NOT NULL,
  rejected INTEGER NOT NULL CHECK (records_out + dropped + rejected = 0),
  rows INTEGER NOT NULL,
  committed INTEGER NOT NULL,
  digest TEXT NOT NULL,
  late TEXT NOT NULL,
  replaces INTEGER NOT NULL,
  cuts TEXT NOT NULL,
  PRIMARY KEY (table_name, partition, epoch, revision)
) WITHOUT ROWID;

-- Where each partition stands, and its sums over the ledger and its revisions.
CREATE TABLE tidemill_positions (
  table_name TEXT NOT NULL,
  partition INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  records_in INTEGER NOT NULL,
  records_out INTEGER NOT NULL,
  dropped INTEGER NOT NULL,
  rejected INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  PRIMARY KEY (table_name, partition)
) WITHOUT ROWID;

-- Records that could not become rows. One that a redrive or a replay has healed stays: `redriven` is when, `became` is what came
-- of it, `revision` the number of the lines that say so. `rejected_by` is the revision that made it one; 0 where the epoch did.
CREATE TABLE tidemill_dead_letters (
  table_name TEXT NOT NULL,
  partition INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  time INTEGER NOT NULL,
  reason TEXT NOT NULL,
  digest TEXT NOT NULL,
  key BLOB,
  value BLOB,
  headers BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  redriven INTEGER,
  became TEXT CHECK (became IN ('rows', 'dropped')),
  revision INTEGER,
  rejected_by INTEGER NOT NULL,
  PRIMARY KEY (table_name, partition, offset)
);

-- Files of the spool that are not yet part of an object.
CREATE TABLE tidemill_segments (
  file TEXT NOT NULL PRIMARY KEY,
  table_name TEXT NOT NULL,
  partition INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  window_start INTEGER NOT NULL,
  first_offset INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  digest TEXT NOT NULL,
  revision INTEGER NOT NULL,
  replaces INTEGER NOT NULL,
  sha256 TEXT NOT NULL
);

-- The outbox; `delivered` is when the bucket had the object, null until then. `digests` is a JSON list. `revision` is 0 where
-- the rows are those of epochs. `start` is where its bytes begin in the file, which others may share.
CREATE TABLE tidemill_objects (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  file TEXT NOT NULL,
  start INTEGER NOT NULL,
  table_name TEXT NOT NULL,
  partition INTEGER NOT NULL,
  window_start INTEGER NOT NULL,
  first_offset INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  digests TEXT NOT NULL,
  delivered INTEGER,
  revision INTEGER NOT NULL
);
CREATE INDEX tidemill_places ON tidemill_objects (table_name, partition, first_offset, window_start);
CREATE INDEX tidemill_outbox ON tidemill_objects (id) WHERE delivered IS NULL;

-- The components that were in service, the last of a table being the one that is. `parameters` is a JSON list, one for each
-- of them.
CREATE TABLE tidemill_generations (
  table_name TEXT NOT NULL,
  number INTEGER NOT NULL,
  digest TEXT NOT NULL,
  version TEXT NOT NULL,
  since INTEGER NOT NULL,
  pinned INTEGER NOT NULL,
  withdrawn INTEGER NOT NULL,
  parameters TEXT NOT NULL,
  PRIMARY KEY (table_name, number)
) WITHOUT ROWID;

-- The groups of windows that are still open; `number` is the group's in the aggregate's own tables; `tidemill_states_...` has
-- its state, in the last bundle where its number is.
CREATE TABLE tidemill_groups (
  aggregate TEXT NOT NULL,
  number INTEGER NOT NULL,
  window_start INTEGER NOT NULL,
  size INTEGER NOT NULL,
  key BLOB NOT NULL,
  PRIMARY KEY (aggregate, number)
) WITHOUT ROWID;

-- How far each aggregate has come, and each partition in it.
CREATE TABLE tidemill_aggregates (
  aggregate TEXT NOT NULL PRIMARY KEY,
  closed_upto INTEGER NOT NULL,
  late INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE tidemill_marks (
  aggregate TEXT NOT NULL,
  partition INTEGER NOT NULL,
  watermark INTEGER NOT NULL,
  idle INTEGER NOT NULL,
  PRIMARY KEY (aggregate, partition)
) WITHOUT ROWID;

-- What groups of aggregates showed before rows changed them that came when their window's time was over. `grouped` and `measures`
-- are JSON objects of the aggregate's columns, `until` is when the next revision was committed.
CREATE TABLE tidemill_changes (
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
CREATE TABLE tidemill_late (
  aggregate TEXT NOT NULL,
  partition INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  row INTEGER NOT NULL,
  time INTEGER,
  window_start INTEGER,
  committed INTEGER NOT NULL,
  PRIMARY KEY (aggregate, partition, offset, row)
) WITHOUT ROWID;

-- Windows that rows missed: whether some of these rows wait, and whether the window was made anew of all that had come until then.
CREATE TABLE tidemill_missed (
  aggregate TEXT NOT NULL,
  window_start INTEGER NOT NULL,
  waits INTEGER NOT NULL,
  whole INTEGER NOT NULL,
  PRIMARY KEY (aggregate, window_start)
) WITHOUT ROWID;

-- The groups of rollups; `number` is the group's row in the rollup's own table, `state` what its measures are computed from.
CREATE TABLE tidemill_rolled (
  rollup TEXT NOT NULL,
  key BLOB NOT NULL,
  number INTEGER NOT NULL,
  state BLOB NOT NULL,
  PRIMARY KEY (rollup, key)
) WITHOUT ROWID;

-- What of a group does not fit into its state: values in their order, in stretches from `first` on up to the next.
CREATE TABLE tidemill_stretches (
  rollup TEXT NOT NULL,
  number INTEGER NOT NULL,
  cell INTEGER NOT NULL,
  first BLOB NOT NULL,
  entries BLOB NOT NULL,
  PRIMARY KEY (rollup, number, cell, first)
) WITHOUT ROWID;

-- Runs of schedules: each time of a schedule has one. `asked` is 1 where somebody asked for it, `due` when it may begin. `object` is what an
-- export puts into the lake, as JSON, once that is fixed; `log` what is to be said of it.
CREATE TABLE tidemill_runs (
  id INTEGER PRIMARY KEY,
  schedule TEXT NOT NULL,
  time INTEGER NOT NULL,
  asked INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waits', 'runs', 'done', 'failed', 'skipped')),
  attempt INTEGER NOT NULL,
  due INTEGER NOT NULL,
  started INTEGER,
  ended INTEGER,
  object TEXT,
  log TEXT NOT NULL,
  UNIQUE (schedule, time)
);

-- Up to when the times of each schedule have become runs, or were passed over.
CREATE TABLE tidemill_schedules (
  schedule TEXT NOT NULL PRIMARY KEY,
  upto INTEGER NOT NULL
) WITHOUT ROWID;

-- Up to where the cache proper was pruned: a table lacks rows of records before that time, an aggregate closed windows that ended by it.
CREATE TABLE tidemill_pruned (
  name TEXT NOT NULL PRIMARY KEY,
  before INTEGER NOT NULL,
  count INTEGER NOT NULL
) WITHOUT ROWID;
