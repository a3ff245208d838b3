//! How the plain values of a commit lie in the file's rows: each written here, and read back here.

use rusqlite::{Connection, Params, Row, params};
use serde::de::DeserializeOwned;

use super::fault::{During, internal};
use crate::commit::{Cut, Object, Revision, Segment};
use crate::error::{Kind, OrFail, Result};
use crate::time::Timestamp;

/// A component in service of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// The table.
    pub table: String,
    /// Counted from 1 in each table; a component that returns is a new generation.
    pub number: u64,
    /// The sha256 of the component, in hexadecimal.
    pub digest: String,
    /// The transform's name and version, as it gives them.
    pub version: String,
    /// When it took over.
    pub since: Timestamp,
    /// Whether a person chose it, so that a file that differs does not replace it.
    pub pinned: bool,
    /// Whether it failed its trial in a partition after others had taken it.
    pub withdrawn: bool,
    /// The parameters of each of its components, as JSON objects.
    pub parameters: Vec<String>,
}

/// The rows that a SELECT finds, each made into a value.
pub(super) fn select<T, P: Params>(
    connection: &Connection,
    sql: &str,
    params: P,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let found = || connection.prepare_cached(sql)?.query_map(params, read)?.collect::<rusqlite::Result<Vec<T>>>();
    found().during("read what it holds")
}

/// Runs a statement that is kept prepared, and says how many rows it changed.
pub(super) fn run(connection: &Connection, what: &str, sql: &str, params: impl Params) -> Result<usize> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).during(what)
}

pub(super) fn revision(row: &Row<'_>) -> rusqlite::Result<Revision> {
    Ok(Revision {
        table: row.get(0)?,
        partition: row.get(1)?,
        epoch: whole(row, 2)?,
        revision: whole(row, 3)?,
        out: row.get(4)?,
        dropped: row.get(5)?,
        rejected: row.get(6)?,
        rows: row.get(7)?,
        committed: time(row, 8)?,
        digest: row.get(9)?,
        late: json(row, 10)?,
        replaces: row.get(11)?,
        cuts: cuts(row, 12)?,
    })
}

/// Writes a line beside one of the ledger's, and adds it to the partition's sums.
pub(super) fn write_revision(connection: &Connection, line: &Revision) -> Result<()> {
    let Revision { table, partition, epoch, revision, out, dropped, rejected, rows, late, committed, digest, .. } =
        line;
    let late = serde_json::to_string(late).or_fail(Kind::Internal, || "revision")?;
    let sql = "INSERT INTO tidemill_revisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let (epoch, revision, replaces, cuts) = (int(*epoch), int(*revision), line.replaces, cuts_text(&line.cuts)?);
    let values = params![
        table,
        partition,
        epoch,
        revision,
        out,
        dropped,
        rejected,
        rows,
        committed.0,
        digest,
        late,
        replaces,
        cuts
    ];
    run(connection, "write a revision", sql, values)?;
    let sql = "UPDATE tidemill_positions SET records_out = records_out + ?3, dropped = dropped + ?4, \
         rejected = rejected + ?5, rows = rows + ?6 WHERE table_name = ?1 AND partition = ?2";
    match run(connection, "write a revision", sql, params![table, partition, out, dropped, rejected, rows])? {
        1 => Ok(()),
        _ => Err(internal(format!("ledger of {table:?}/{partition}: it has no line to revise"))),
    }
}

pub(super) fn segment(row: &Row<'_>) -> rusqlite::Result<Segment> {
    Ok(Segment {
        file: row.get(0)?,
        table: row.get(1)?,
        partition: row.get(2)?,
        epoch: whole(row, 3)?,
        window: time(row, 4)?,
        first_offset: whole(row, 5)?,
        next_offset: whole(row, 6)?,
        rows: whole(row, 7)?,
        bytes: whole(row, 8)?,
        digest: row.get(9)?,
        revision: whole(row, 10)?,
        replaces: row.get(11)?,
        sha256: row.get(12)?,
        restored: true,
    })
}

pub(super) fn write_segment(connection: &Connection, segment: &Segment) -> Result<()> {
    let Segment {
        file,
        table,
        partition,
        epoch,
        revision,
        window,
        first_offset,
        next_offset,
        rows,
        bytes,
        digest,
        replaces,
        sha256,
        restored: _,
    } = segment;
    let (epoch, revision, first, next) = (int(*epoch), int(*revision), int(*first_offset), int(*next_offset));
    let (rows, bytes) = (int(*rows), int(*bytes));
    let of =
        params![file, table, partition, epoch, window.0, first, next, rows, bytes, digest, revision, replaces, sha256];
    let sql = "INSERT INTO tidemill_segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    run(connection, "list a segment", sql, of).map(drop)
}

/// The columns that [`object`] reads.
pub(super) const OBJECT: &str = "key, file, table_name, partition, window_start, first_offset, next_offset, rows, bytes, sha256, digests, \
     revision, start";

/// The same of a segment, which has no key or start yet.
pub(super) const SEGMENT_AS_OBJECT: &str = "'', file, table_name, partition, window_start, first_offset, next_offset, rows, bytes, \
     sha256, json_array(digest), revision, 0";

/// How many columns those are.
pub(super) const OBJECT_COLUMNS: usize = 13;

pub(super) fn object(row: &Row<'_>) -> rusqlite::Result<Object> {
    Ok(Object {
        key: row.get(0)?,
        file: row.get(1)?,
        table: row.get(2)?,
        partition: row.get(3)?,
        window: time(row, 4)?,
        first_offset: whole(row, 5)?,
        next_offset: whole(row, 6)?,
        rows: whole(row, 7)?,
        bytes: whole(row, 8)?,
        sha256: row.get(9)?,
        digests: json(row, 10)?,
        revision: whole(row, 11)?,
        start: whole(row, 12)?,
    })
}

pub(super) fn write_object(connection: &Connection, object: &Object) -> Result<()> {
    let Object { key, file, table, partition, revision, window, first_offset, next_offset, rows, bytes, .. } = object;
    let Object { sha256, digests, start, .. } = object;
    let digests = serde_json::to_string(digests).or_fail(Kind::Internal, || "digests of an object")?;
    let (first, next, rows, bytes) = (int(*first_offset), int(*next_offset), int(*rows), int(*bytes));
    let (revision, start) = (int(*revision), int(*start));
    let values =
        params![key, file, start, table, partition, window.0, first, next, rows, bytes, sha256, digests, revision];
    let sql = "INSERT INTO tidemill_objects VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)";
    run(connection, "put an object in the outbox", sql, values).map(drop)
}

pub(super) fn generation(row: &Row<'_>) -> rusqlite::Result<Generation> {
    Ok(Generation {
        table: row.get(0)?,
        number: whole(row, 1)?,
        digest: row.get(2)?,
        version: row.get(3)?,
        since: time(row, 4)?,
        pinned: row.get(5)?,
        withdrawn: row.get(6)?,
        parameters: json(row, 7)?,
    })
}

/// Which topic each table or landing has read, of those that have read any.
pub(super) fn sources(connection: &Connection) -> Result<Vec<(String, String)>> {
    let sql = "SELECT table_name, source FROM tidemill_sources WHERE table_name IN \
         (SELECT table_name FROM tidemill_positions WHERE next_offset > 0)";
    select(connection, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// The generation in service of each table.
pub(super) fn generations(connection: &Connection) -> Result<Vec<Generation>> {
    let sql = "SELECT * FROM tidemill_generations g WHERE number = \
         (SELECT max(number) FROM tidemill_generations WHERE table_name = g.table_name) ORDER BY table_name";
    select(connection, sql, [], generation)
}

pub(super) fn write_generation(connection: &Connection, generation: &Generation) -> Result<()> {
    let Generation { table, number, digest, version, since, pinned, withdrawn, parameters } = generation;
    let parameters = serde_json::to_string(parameters).or_fail(Kind::Internal, || "parameters of a generation")?;
    let values = params![table, int(*number), digest, version, since.0, pinned, withdrawn, parameters];
    // The same number again is the same generation, pinned, let go or withdrawn.
    let sql = "INSERT INTO tidemill_generations VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT DO UPDATE SET pinned = excluded.pinned, withdrawn = excluded.withdrawn \
         WHERE digest = excluded.digest AND parameters = excluded.parameters";
    match run(connection, "record a generation", sql, values)? {
        1 => Ok(()),
        _ => Err(internal(format!("generation {number} of {table:?}: it is another component's"))),
    }
}

/// Whole numbers lie in SQLite's signed ones bit for bit.
pub(super) fn int(number: u64) -> i64 {
    number.cast_signed()
}

pub(super) fn whole(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    row.get(index).map(i64::cast_unsigned)
}

pub(super) fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    row.get(index).map(Timestamp)
}

/// Cuts, as a column of JSON has them: a list of [window start, first offset, next offset, rows].
pub(super) fn cuts(row: &Row<'_>, index: usize) -> rusqlite::Result<Vec<Cut>> {
    let cuts: Vec<(i64, u64, u64, u64)> = json(row, index)?;
    let cut =
        |(window, first_offset, next_offset, rows)| Cut { window: Timestamp(window), first_offset, next_offset, rows };
    Ok(cuts.into_iter().map(cut).collect())
}

/// The same, to be written.
pub(super) fn cuts_text(cuts: &[Cut]) -> Result<String> {
    let cuts: Vec<_> = cuts.iter().map(|cut| (cut.window.0, cut.first_offset, cut.next_offset, cut.rows)).collect();
    serde_json::to_string(&cuts).or_fail(Kind::Internal, || "cuts")
}

/// A column that holds JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let not_json =
        |cause| rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(cause));
    serde_json::from_str(row.get_ref(index)?.as_str()?).map_err(not_json)
}
