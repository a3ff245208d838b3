//! The only writer: opens the file, brings it to the layout, gives what a start needs, begins commits.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::adopt;
use super::commit::Commit;
use super::fault::During;
use super::file::{self, Found};
use super::group::{self, Marks};
use super::layout::{Layout, TableLayout};
use super::ledger::{self, EPOCH};
use super::prune;
use super::rolled;
use super::row::{self, Generation, OBJECT, run, select};
use super::show::Statements;
use crate::commit::{Epoch, Group, Object, Segment};
use crate::error::{Error, Kind, OrFail, Result};
use crate::sync;
use crate::time::Timestamp;

/// A pipeline's cache, open to write. One at a time: the data folder's lock sees to it.
pub struct Store {
    pub(super) connection: Connection,
    /// The cached tables, each with the statement that writes a row.
    pub(super) tables: HashMap<String, (TableLayout, String)>,
    pub(super) aggregates: HashMap<String, Statements>,
    pub(super) rollups: rolled::Statements,
    path: PathBuf,
    identity: (u64, u64),
    instance_id: String,
    notes: Vec<String>,
}

impl Store {
    /// Opens a pipeline's file, makes it where there is none, and brings it to the layout.
    ///
    /// A cached table or aggregate whose columns changed begins anew, and a note says so. Errors with [`Kind::Input`]
    /// that names every fault of the layout, with [`Kind::Conflict`] where the file is another pipeline's, another
    /// program's, or of a newer format.
    pub fn open(path: &Path, layout: &Layout) -> Result<Self> {
        let faults = layout.faults();
        if !faults.is_empty() {
            return Err(Error::all(&faults));
        }
        let (connection, found) = file::open_to_write(path)?;
        // A statement that may stop in the middle, as one that keeps what a group showed, notes each page that it changes: not on a disk.
        connection.pragma_update(None, "temp_store", "memory").during("set it up")?;
        let transaction = Rollback::begin(&connection)?;
        if found == Found::Empty {
            create(&connection, &layout.pipeline)?;
        }
        let instance_id = owner(&connection, path, &layout.pipeline)?;
        let notes = adopt::adopt(&connection, layout).map_err(|faults| Error::all(&faults))?;
        transaction.commit()?;
        // SQLite has made its log by now. It syncs the folder too, when it first writes there, and does not heed what comes of that.
        sync::parent(path).or_fail(Kind::Storage, || format!("cache {path:?}: its folder"))?;
        Ok(Self {
            connection,
            tables: layout.tables.iter().map(|t| (t.name.clone(), (t.clone(), t.upsert()))).collect(),
            aggregates: layout.aggregates.iter().map(|a| (a.name.clone(), Statements::of(a))).collect(),
            rollups: rolled::Statements::of(&layout.rollups, &layout.tables, "main"),
            path: path.to_owned(),
            identity: file::identity(path)?,
            instance_id,
            notes,
        })
    }

    /// The generation in service of each table, before a layout can be made for them; none where a start was cut off before it made
    /// the file a cache.
    pub fn in_service(path: &Path) -> Result<Vec<Generation>> {
        Self::before(path, row::generations)
    }

    /// What a file has before it is opened to go on; nothing where there is none, or a start was cut off before it made it a cache.
    fn before<T>(path: &Path, read: impl FnOnce(&Connection) -> Result<Vec<T>>) -> Result<Vec<T>> {
        if !path.exists() {
            return Ok(Vec::new());
        }
        match file::open_to_write(path)? {
            (_, Found::Empty) => Ok(Vec::new()),
            (connection, Found::Cache) => read(&connection),
        }
    }

    /// Which topic each table or landing has read, before the file is opened to go on.
    pub fn sources(path: &Path) -> Result<Vec<(String, String)>> {
        Self::before(path, row::sources)
    }

    /// Notes which topic a table or landing reads.
    pub fn note_source(&self, table: &str, source: &str) -> Result<()> {
        let sql = "INSERT INTO tidemill_sources VALUES (?, ?) ON CONFLICT DO UPDATE SET source = excluded.source";
        run(&self.connection, "note a table's topic", sql, [table, source]).map(drop)
    }

    /// The generation in service of each table.
    pub fn generations(&self) -> Result<Vec<Generation>> {
        row::generations(&self.connection)
    }

    /// Begins a commit. Errors with [`Kind::Busy`] where another program holds the file, and with
    /// [`Kind::Conflict`] where the file was replaced since it was opened: what is written would be lost.
    pub fn begin(&mut self) -> Result<Commit<'_>> {
        if !file::identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            return Err(Error::new(Kind::Conflict, format!("cache {:?}: the file was deleted or replaced", self.path))
                .hint("stop the pipeline, put the file back, start again"));
        }
        Commit::begin(self)
    }

    /// Closes the file, its log folded back; what could not be is for the next start.
    pub fn close(self) -> Result<()> {
        file::fold_back(&self.connection).inspect_err(|_| self.leave_log())
    }

    /// Closes the file as it is: the disk has failed, and is not asked to sync again.
    pub fn abandon(self) {
        self.leave_log();
    }

    fn leave_log(&self) {
        // Should it not be heeded, the next start finds the log folded back.
        let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    }

    /// What opening changed in the cache proper, as sentences.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The text that tells this file from any other, made when it was created.
    pub fn instance_id(&self) -> &str {
        &self.instance_id
    }

    /// The last line of the ledger for each table and partition.
    pub fn positions(&self) -> Result<Vec<Epoch>> {
        let sql = format!(
            "SELECT {EPOCH} FROM tidemill_positions p \
             JOIN tidemill_ledger l USING (table_name, partition, epoch) ORDER BY table_name, partition"
        );
        select(&self.connection, &sql, [], ledger::epoch)
    }

    /// The open groups of an aggregate, by rising window, without measures.
    pub fn groups(&self, aggregate: &str) -> Result<Vec<Group>> {
        group::read(&self.connection, aggregate)
    }

    /// The greatest number that a group of an aggregate has; 0 where there is none.
    pub fn last_group(&self, aggregate: &str) -> Result<i64> {
        group::last_number(&self.connection, aggregate)
    }

    /// The time before which a table's rows were pruned; none where none were.
    pub fn pruned(&self, table: &str) -> Result<Option<Timestamp>> {
        prune::mark(&self.connection, table)
    }

    /// How often an aggregate has begun anew.
    pub fn renewals(&self, aggregate: &str) -> Result<u32> {
        group::renewals(&self.connection, aggregate)
    }

    /// How far an aggregate has come; `None` before its first commit.
    pub fn marks(&self, aggregate: &str) -> Result<Option<Marks>> {
        group::read_marks(&self.connection, aggregate)
    }

    /// The segments that are part of no object yet, in the order of their offsets.
    pub fn segments(&self) -> Result<Vec<Segment>> {
        let sql = "SELECT * FROM tidemill_segments ORDER BY table_name, partition, first_offset, window_start, file";
        select(&self.connection, sql, [], row::segment)
    }

    /// The key of the newest object of a table or aggregate; none where there is none.
    pub fn newest_key(&self, name: &str) -> Result<Option<String>> {
        // The greatest number is in the index; to order by it would read each object.
        let sql =
            "SELECT key FROM tidemill_objects WHERE id = (SELECT max(id) FROM tidemill_objects WHERE table_name = ?)";
        Ok(select(&self.connection, sql, [name], |row| row.get(0))?.pop())
    }

    /// Whether an object of this key has ever been put into the outbox.
    pub fn has_object(&self, key: &str) -> Result<bool> {
        let sql = "SELECT 1 FROM tidemill_objects WHERE key = ?";
        Ok(!select(&self.connection, sql, [key], |_| Ok(()))?.is_empty())
    }

    /// Another table, aggregate or landing that has had an object in a folder of the lake; none where none had.
    pub fn other_in(&self, folder: &str, name: &str) -> Result<Option<String>> {
        // A slash is followed by a zero.
        let sql = "SELECT table_name FROM tidemill_objects WHERE key > ?1 || '/' AND key < ?1 || '0' AND table_name <> ?2 LIMIT 1";
        Ok(select(&self.connection, sql, [folder, name], |row| row.get(0))?.pop())
    }

    /// The objects that are not yet delivered, oldest first.
    pub fn outbox(&self) -> Result<Vec<Object>> {
        let sql = format!("SELECT {OBJECT} FROM tidemill_objects WHERE delivered IS NULL ORDER BY id");
        select(&self.connection, &sql, [], row::object)
    }

    /// The generation in service of a table.
    pub fn generation(&self, table: &str) -> Result<Option<Generation>> {
        let sql = "SELECT * FROM tidemill_generations WHERE table_name = ? ORDER BY number DESC LIMIT 1";
        Ok(select(&self.connection, sql, [table], row::generation)?.pop())
    }
}

/// A transaction that is rolled back where it is left early.
struct Rollback<'a>(&'a Connection);

impl<'a> Rollback<'a> {
    fn begin(connection: &'a Connection) -> Result<Self> {
        connection.execute_batch("BEGIN IMMEDIATE").during("begin to set up")?;
        Ok(Self(connection))
    }

    fn commit(self) -> Result<()> {
        self.0.execute_batch("COMMIT").during("set up")
    }
}

impl Drop for Rollback<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // The connection is dropped with it, which rolls back too.
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

/// Makes the tables of an empty file, and names its pipeline.
pub(super) fn create(connection: &Connection, pipeline: &str) -> Result<()> {
    connection.execute_batch(include_str!("format.sql")).during("create its tables")?;
    // A random UUID, version 4.
    let sql = "WITH made AS (SELECT lower(hex(randomblob(16))) AS r) INSERT INTO tidemill_pipeline SELECT ?, \
         substr(r, 1, 8) || '-' || substr(r, 9, 4) || '-4' || substr(r, 14, 3) || '-' \
         || substr('89ab', 1 + (unicode(substr(r, 17, 1)) & 3), 1) || substr(r, 18, 3) || '-' || substr(r, 21) FROM made";
    run(connection, "name its pipeline", sql, [pipeline])?;
    file::stamp(connection)
}

pub(super) fn owner(connection: &Connection, path: &Path, pipeline: &str) -> Result<String> {
    let sql = "SELECT name, instance FROM tidemill_pipeline";
    let rows = select(connection, sql, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    match rows.as_slice() {
        [(name, instance)] if name == pipeline => Ok(instance.clone()),
        [(name, _)] => {
            Err(Error::new(Kind::Conflict, format!("cache {path:?}: it is pipeline {name:?}'s, not {pipeline:?}'s"))
                .hint("give each pipeline a data folder of its own"))
        }
        _ => Err(Error::new(Kind::Corrupt, format!("cache {path:?}: it does not say whose it is"))),
    }
}
