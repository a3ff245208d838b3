//! How the plain values of a commit lie in the file's rows: each written here, and read back here.

use rusqlite::{Connection, Params, Row, params};
use serde::de::DeserializeOwned;

use super::fault::{During, internal};
use crate::commit::{DeadLetter, Object, Segment};
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

/// The columns that [`dead_letter`] reads.
pub(super) const DEAD_LETTER: &str = "table_name, partition, offset, time, reason, digest, key, value, headers";

pub(super) fn dead_letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        table: row.get(0)?,
        partition: row.get(1)?,
        offset: whole(row, 2)?,
        time: time(row, 3)?,
        reason: row.get(4)?,
        digest: row.get(5)?,
        key: row.get(6)?,
        value: row.get(7)?,
        headers: row.get(8)?,
    })
}

pub(super) fn write_dead_letter(connection: &Connection, letter: &DeadLetter) -> Result<()> {
    let DeadLetter { table, partition, offset, time, reason, digest, key, value, headers } = letter;
    let values = params![table, partition, int(*offset), time.0, reason, digest, key, value, headers];
    let sql = "INSERT INTO tidemill_dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)";
    run(connection, "keep a dead letter", sql, values).map(drop)
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
        sha256: None,
    })
}

pub(super) fn write_segment(connection: &Connection, segment: &Segment) -> Result<()> {
    let Segment { file, table, partition, epoch, window, first_offset, next_offset, rows, bytes, digest, .. } = segment;
    let (first, next) = (int(*first_offset), int(*next_offset));
    let values = params![file, table, partition, int(*epoch), window.0, first, next, int(*rows), int(*bytes), digest];
    let sql = "INSERT INTO tidemill_segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    run(connection, "list a segment", sql, values).map(drop)
}

/// The columns that [`object`] reads.
pub(super) const OBJECT: &str =
    "key, file, table_name, partition, window_start, first_offset, next_offset, rows, bytes, sha256, digests";

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
    })
}

pub(super) fn write_object(connection: &Connection, object: &Object) -> Result<()> {
    let Object { key, file, table, partition, window, first_offset, next_offset, rows, bytes, sha256, digests } =
        object;
    let digests = serde_json::to_string(digests).or_fail(Kind::Internal, || "digests of an object")?;
    let (first, next, rows, bytes) = (int(*first_offset), int(*next_offset), int(*rows), int(*bytes));
    let values = params![key, file, table, partition, window.0, first, next, rows, bytes, sha256, digests];
    let sql = "INSERT INTO tidemill_objects VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)";
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

/// A column that holds JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let not_json =
        |cause| rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(cause));
    serde_json::from_str(row.get_ref(index)?.as_str()?).map_err(not_json)
}
