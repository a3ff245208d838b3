//! What must hold of a pipeline's data folder once it has ended well, whatever happened to it before.
//!
//! Nothing acknowledged is lost, nothing is there twice, nothing is altered: in the topics, the lake, the cache, the
//! aggregates, the dead letters and the ledger. Each check gives sentences, one for each thing that is wrong.

mod aggregates;
mod files;
mod journal;
mod landed;
mod ledger;
mod objects;
mod records;
mod topics;

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Params, Row};

pub use self::journal::{Journal, Posted, Sent};
pub use self::objects::CLAIM;

/// A table as the checks see it; its topic has its name, and its transform makes one row of a record, or rejects it.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The column that tells rows of the cache apart.
    pub key: &'static str,
    /// The other column that the cache keeps.
    pub kept: &'static str,
    /// Its aggregate.
    pub aggregate: Aggregate,
    /// The landing of its topic, where there is one; its records are numbered in their field `ind`.
    pub landing: Option<&'static str>,
}

/// A tumbling aggregate over append time, with the measures `rows = "count()"` and `total = "sum(ind)"`.
#[derive(Clone, Copy, Debug)]
pub struct Aggregate {
    /// Its name.
    pub name: &'static str,
    /// The column that it is grouped by.
    pub by: &'static str,
    /// The size of its windows in microseconds.
    pub size: i64,
}

/// Where a pipeline keeps what it has.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its data folder.
    pub data: &'a Path,
    /// Its bucket on the embedded endpoint.
    pub bucket: &'a str,
    /// Partitions of every topic.
    pub partitions: u32,
    /// Its tables.
    pub tables: &'a [Table],
}

/// All that is wrong with a pipeline that was settled and has ended, given what its clients were answered.
pub fn faults(place: Place<'_>, journal: &Journal) -> Vec<String> {
    let cache = Cache::open(place.data);
    let mut faults = cache.integrity();
    faults.extend(files::faults(place.data));
    let (objects, wrong) = objects::read(place, &cache);
    faults.extend(wrong);
    for table in place.tables {
        let (stored, wrong) = records::stored(&cache, *table, &objects);
        let mut of_table = wrong;
        of_table.extend(records::faults(&cache, *table, &stored, journal));
        of_table.extend(topics::faults(place, *table, &stored, journal));
        of_table.extend(ledger::faults(&cache, *table, &stored));
        of_table.extend(aggregates::faults(&cache, *table, &stored, &objects));
        of_table.extend(table.landing.iter().flat_map(|landing| landed::faults(landing, &stored, &objects)));
        faults.extend(of_table.into_iter().map(|fault| format!("table {:?}: {fault}", table.name)));
    }
    faults
}

/// Whether something that is committed is not yet in the bucket, as where a window ended just before the pipeline did: the
/// next start brings it there.
pub fn waits(data: &Path) -> bool {
    let sql = "SELECT (SELECT count(*) FROM tidemill_segments) +
                      (SELECT count(*) FROM tidemill_objects WHERE delivered IS NULL) > 0";
    Cache::open(data).rows(sql, [], |row| row.get::<_, bool>(0)) == [true]
}

/// The SQLite file of a pipeline that does not run.
struct Cache(Connection);

impl Cache {
    fn open(data: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self(Connection::open_with_flags(data.join("cache.sqlite"), flags).expect("the cache's file"))
    }

    fn rows<T>(&self, sql: &str, values: impl Params, read: impl Fn(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let mut statement = self.0.prepare(sql).unwrap_or_else(|cause| panic!("{sql}: {cause}"));
        let rows = statement.query_map(values, read).expect("rows");
        rows.collect::<Result<_, _>>().unwrap_or_else(|cause| panic!("{sql}: {cause}"))
    }

    fn integrity(&self) -> Vec<String> {
        let said = self.rows("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
        said.into_iter().filter(|line| line != "ok").map(|line| format!("cache: integrity_check: {line}")).collect()
    }
}
