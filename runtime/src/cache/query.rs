//! Questions to a cache, from any thread or process: SQL that only reads, and what status and audit ask.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, InterruptHandle, Statement};

pub use super::answer::{Changes, Keyed, Table, csv_line};
use super::fault::{During, kind, message};
use super::file;
use super::layout::{is_name, quote};
use super::ledger::{self, EPOCH, EPOCH_COLUMNS};
use super::row::{self, Generation, OBJECT, OBJECT_COLUMNS, select, whole};
use crate::commit::{Epoch, Object};
use crate::error::{Error, Kind, Result};
use crate::value::Value;

/// Steps of SQLite's machine between two looks at the clock: a fraction of a millisecond.
const STEPS: i32 = 10_000;

/// A connection that reads, beside the writer or without one.
pub struct Reader {
    pub(super) connection: Connection,
    asked: Arc<Asked>,
}

/// Pragmas that look and change nothing: `SELECT * FROM pragma_integrity_check`.
const READING: [&str; 5] = ["integrity_check", "quick_check", "table_info", "table_list", "index_list"];

/// What holds while somebody's own SQL runs.
#[derive(Default)]
struct Asked {
    /// Whether one does.
    runs: AtomicBool,
    /// When it has to end.
    end: Mutex<Option<Instant>>,
}

/// A partition of a table in the ledger: sums over all its epochs, and the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Records read.
    pub records_in: u64,
    /// Records that came out as one row or more.
    pub out: u64,
    /// Records that the transform dropped on purpose.
    pub dropped: u64,
    /// Records that went to the dead letters.
    pub rejected: u64,
    /// Rows that came out.
    pub rows: u64,
    /// Its last epoch, which names the table and the partition.
    pub last: Epoch,
}

/// What lies in a cache, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Segments that are part of no object yet.
    pub segments: u64,
    /// Their bytes.
    pub segment_bytes: u64,
    /// Objects that wait to be delivered.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Objects that were delivered.
    pub delivered: u64,
    /// Dead letters by table, without those that were redriven.
    pub dead_letters: BTreeMap<String, u64>,
}

/// Ends a reader's query from another thread; the query then errors.
pub struct Interrupter(InterruptHandle);

impl Interrupter {
    /// Ends the query that runs now, if one does.
    pub fn interrupt(&self) {
        self.0.interrupt();
    }
}

impl Asked {
    fn end(&self) -> MutexGuard<'_, Option<Instant>> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Opens a pipeline's cache to read. Errors with [`Kind::Missing`] where there is none, and with
    /// [`Kind::Conflict`] where the file is no cache or of a newer format.
    pub fn open(path: &Path) -> Result<Self> {
        let mut connection = file::open_to_read(path)?;
        let asked = Arc::new(Asked::default());
        let (looked_at, held_to) = (Arc::clone(&asked), Arc::clone(&asked));
        let late = move || looked_at.end().is_some_and(|end| Instant::now() >= end);
        let only_reading = move |about: AuthContext<'_>| match held_to.runs.load(Ordering::Relaxed) {
            true => only_reading(&about.action),
            false => Authorization::Allow,
        };
        connection.authorizer(Some(only_reading)).during("set up its connection")?;
        connection.progress_handler(STEPS, Some(late)).during("set up its connection")?;
        Ok(Self { connection, asked })
    }

    /// The same as [`run`](Self::run), with `Kind::Busy` where it takes longer than `time_max`.
    pub fn run_within(&self, name_or_sql: &str, rows_max: usize, time_max: Duration) -> Result<Table> {
        self.within(time_max, || self.run(name_or_sql, rows_max))
    }

    /// Somebody's question, which ends with `Kind::Busy` where it takes longer than `time_max`.
    pub(super) fn within<T>(&self, time_max: Duration, ask: impl FnOnce() -> Result<T>) -> Result<T> {
        let end = Instant::now().checked_add(time_max);
        *self.asked.end() = end;
        let answer = ask();
        *self.asked.end() = None;
        let late = end.is_some_and(|end| Instant::now() >= end);
        answer.map_err(|error| match error.kind() {
            Kind::Busy if late => Error::new(Kind::Busy, format!("query: it took longer than {time_max:?}")),
            _ => error,
        })
    }

    /// Runs a named query, shows a table, or runs one SELECT, WITH or VALUES; keeps at most `rows_max` rows.
    pub fn run(&self, name_or_sql: &str, rows_max: usize) -> Result<Table> {
        self.only_reading(|| collect(&mut self.prepare(name_or_sql.trim())?, rows_max))
    }

    /// What is asked in it may only read.
    pub(super) fn only_reading<T>(&self, ask: impl FnOnce() -> Result<T>) -> Result<T> {
        self.asked.runs.store(true, Ordering::Relaxed);
        let answer = ask();
        self.asked.runs.store(false, Ordering::Relaxed);
        answer
    }

    /// What ends this reader's query from another thread.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.connection.get_interrupt_handle())
    }

    /// The pipeline's name.
    pub fn pipeline(&self) -> Result<String> {
        self.single("SELECT name FROM tidemill_pipeline")
    }

    /// The text that tells this file from any other.
    pub fn instance_id(&self) -> Result<String> {
        self.single("SELECT instance FROM tidemill_pipeline")
    }

    /// The named queries, by name.
    pub fn queries(&self) -> Result<Vec<String>> {
        self.names("query")
    }

    /// The cached tables, by name.
    pub fn tables(&self) -> Result<Vec<String>> {
        self.names("table")
    }

    /// The aggregates, by name.
    pub fn aggregates(&self) -> Result<Vec<String>> {
        self.names("aggregate")
    }

    /// The rollups, by name.
    pub fn rollups(&self) -> Result<Vec<String>> {
        self.names("rollup")
    }

    /// The sums and the last epoch of each partition of each table.
    pub fn ledger(&self) -> Result<Vec<Account>> {
        let sql = format!(
            "SELECT {EPOCH}, p.records_in, p.records_out, p.dropped, p.rejected, p.rows FROM tidemill_positions p \
             JOIN tidemill_ledger l USING (table_name, partition, epoch) ORDER BY table_name, partition"
        );
        select(&self.connection, &sql, [], |row| {
            Ok(Account {
                records_in: whole(row, EPOCH_COLUMNS)?,
                out: whole(row, EPOCH_COLUMNS + 1)?,
                dropped: whole(row, EPOCH_COLUMNS + 2)?,
                rejected: whole(row, EPOCH_COLUMNS + 3)?,
                rows: whole(row, EPOCH_COLUMNS + 4)?,
                last: ledger::epoch(row)?,
            })
        })
    }

    /// The last epochs of a partition of a table, the latest first.
    pub fn epochs(&self, table: &str, partition: u32, limit: usize) -> Result<Vec<Epoch>> {
        let sql = format!(
            "SELECT {EPOCH} FROM tidemill_ledger l WHERE table_name = ? AND partition = ? ORDER BY epoch DESC LIMIT ?"
        );
        select(&self.connection, &sql, (table, partition, limit as i64), ledger::epoch)
    }

    /// The last objects, the latest first, each with whether it was delivered.
    pub fn objects(&self, limit: usize) -> Result<Vec<(Object, bool)>> {
        let sql = format!("SELECT {OBJECT}, delivered IS NOT NULL FROM tidemill_objects ORDER BY id DESC LIMIT ?");
        select(&self.connection, &sql, [limit as i64], |row| Ok((row::object(row)?, row.get(OBJECT_COLUMNS)?)))
    }

    /// The generation in service of each table.
    pub fn generations(&self) -> Result<Vec<Generation>> {
        row::generations(&self.connection)
    }

    /// What lies in the cache, counted.
    pub fn counts(&self) -> Result<Counts> {
        let letters =
            "SELECT table_name, count(*) FROM tidemill_dead_letters WHERE redriven IS NULL GROUP BY table_name";
        let sums = "SELECT (SELECT count(*) FROM tidemill_segments), (SELECT coalesce(sum(bytes), 0) FROM tidemill_segments), \
             count(*) FILTER (WHERE delivered IS NULL), coalesce(sum(bytes) FILTER (WHERE delivered IS NULL), 0), \
             count(delivered) FROM tidemill_objects";
        let dead_letters = select(&self.connection, letters, [], |row| Ok((row.get(0)?, whole(row, 1)?)))?;
        let counts = select(&self.connection, sums, [], |row| {
            Ok(Counts {
                segments: whole(row, 0)?,
                segment_bytes: whole(row, 1)?,
                waiting: whole(row, 2)?,
                waiting_bytes: whole(row, 3)?,
                delivered: whole(row, 4)?,
                dead_letters: BTreeMap::new(),
            })
        })?;
        Ok(Counts { dead_letters: dead_letters.into_iter().collect(), ..counts.into_iter().next().unwrap_or_default() })
    }

    fn prepare(&self, asked: &str) -> Result<Statement<'_>> {
        if is_name(asked) && !asked.eq_ignore_ascii_case("select") {
            let sql = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE";
            let found: Vec<String> = select(&self.connection, sql, [asked], |row| row.get(0))?;
            let Some(name) = found.first() else { return Err(self.unknown(asked)) };
            return self.connection.prepare(&format!("SELECT * FROM {}", quote(name))).map_err(|cause| refused(&cause));
        }
        if !["select", "with", "values"].contains(&first_word(asked).to_ascii_lowercase().as_str()) {
            return Err(not_a_question());
        }
        let statement = self.connection.prepare(asked).map_err(|cause| refused(&cause))?;
        if statement.readonly() { Ok(statement) } else { Err(not_a_question()) }
    }

    pub(super) fn unknown(&self, name: &str) -> Error {
        let error = Error::new(Kind::Missing, format!("query {name:?}: it does not exist"));
        match self.queries() {
            Ok(names) if !names.is_empty() => error.hint(format!("there are {}", names.join(", "))),
            _ => error,
        }
    }

    fn names(&self, kind: &str) -> Result<Vec<String>> {
        let sql = "SELECT name FROM tidemill_layout WHERE kind = ? ORDER BY name";
        select(&self.connection, sql, [kind], |row| row.get(0))
    }

    fn single(&self, sql: &str) -> Result<String> {
        self.connection.query_row(sql, [], |row| row.get(0)).during("read whose it is")
    }
}

/// The bytes of a cache's write-ahead log, which grows while somebody reads what was there before.
pub fn log_bytes(cache: &Path) -> u64 {
    std::fs::metadata(file::log_of(cache)).map_or(0, |log| log.len())
}

/// What a statement may do, asked while it is prepared: read, and call functions, but none that brings in foreign code.
fn only_reading(action: &AuthAction<'_>) -> Authorization {
    match action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } if !function_name.eq_ignore_ascii_case("load_extension") => {
            Authorization::Allow
        }
        AuthAction::Pragma { pragma_name, .. } if READING.contains(pragma_name) => Authorization::Allow,
        _ => Authorization::Deny,
    }
}

/// The first word of a statement, after blanks and comments.
fn first_word(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start();
        let rest = match (sql.strip_prefix("--"), sql.strip_prefix("/*")) {
            (Some(comment), _) => comment.split_once('\n'),
            (_, Some(comment)) => comment.split_once("*/"),
            _ => return sql.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default(),
        };
        sql = rest.map_or("", |(_, rest)| rest);
    }
}

/// Runs a statement and keeps at most so many of its rows.
pub(super) fn collect(statement: &mut Statement<'_>, rows_max: usize) -> Result<Table> {
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut table = Table { columns, ..Table::default() };
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(|cause| refused(&cause))? {
        if table.rows.len() == rows_max {
            table.more = true;
            break;
        }
        let values = (0..table.columns.len()).map(|index| row.get_ref(index).map(value));
        table.rows.push(values.collect::<rusqlite::Result<_>>().map_err(|cause| refused(&cause))?);
    }
    Ok(table)
}

pub(super) fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int64(value),
        ValueRef::Real(value) => Value::Float64(value),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

fn not_a_question() -> Error {
    Error::new(Kind::Input, "query: only one SELECT, WITH or VALUES is answered")
}

/// What SQLite did not answer: the question's fault, unless the machine is at fault.
pub(super) fn refused(cause: &rusqlite::Error) -> Error {
    if matches!(cause, rusqlite::Error::MultipleStatement) || message(cause) == "not authorized" {
        return not_a_question();
    }
    let kind = Some(kind(cause)).filter(|kind| *kind != Kind::Internal).unwrap_or(Kind::Input);
    Error::new(kind, format!("query: {}", message(cause)))
}
