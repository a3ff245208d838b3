//! The SQLite file itself: how it is opened, whose it is, and how it is known again.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, MAIN_DB, OpenFlags};

use super::fault::During;
use super::percentile;
use crate::error::{Error, Kind, Result, io_kind};
use crate::sabotage::{self, Fault};
use crate::sync;

/// Stands in the file's header, so that no other program's file is taken for a cache: "Tide".
const APPLICATION: i32 = 0x5469_6465;
/// The format that this program writes; it reads no newer one.
const FORMAT: i32 = 7;
/// Keys come in any order, so that an epoch touches most pages of a table: larger pages are fewer to read, sum and write.
const PAGE_BYTES: u32 = 16 << 10;
/// Pages that the writer keeps in memory. Rows come in key order, and more would bring little.
const PAGES_KIB: i64 = 64 << 10;
/// The write-ahead log is folded back at 256 MiB, so that a page that several epochs touched is written back once.
const LOG_PAGES: u32 = (LOG_BYTES / PAGE_BYTES as u64) as u32;
/// How large the write-ahead log becomes where nobody's reading keeps it.
pub const LOG_BYTES: u64 = 256 << 20;
/// How long to wait for another program's lock.
const BUSY: Duration = Duration::from_secs(5);
/// Statements that stay prepared.
const STATEMENTS: usize = 128;

/// What is found where a cache should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing yet.
    Empty,
    /// A cache that this program can use.
    Cache,
}

/// The only connection that writes; makes the file where there is none.
pub(super) fn open_to_write(path: &Path) -> Result<(Connection, Found)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).during("open its file")?;
    // SQLite opens what it may not write to read it, and says so with every commit.
    if connection.is_readonly(MAIN_DB).during("open its file")? {
        return Err(Error::new(Kind::Storage, format!("cache {path:?}: its file cannot be opened to write"))
            .hint("see to its permissions and to the space on its disk"));
    }
    let found = look(&connection, path)?;
    if found == Found::Empty {
        connection.pragma_update(None, "page_size", PAGE_BYTES).during("set its page size")?;
    }
    prepare(&connection)?;
    // A commit that returned must outlive a power cut: topics are trimmed and objects are sent on its word.
    let mode = use_log(&connection).during("use a write-ahead log")?;
    if mode != "wal" {
        return Err(Error::new(
            Kind::Storage,
            format!("cache: its file system has no write-ahead log (mode {mode:?})"),
        )
        .hint("put the data folder on a local disk"));
    }
    let settings: [(&str, i64); 4] = [
        ("synchronous", if sabotage::is(Fault::SynchronousNormal) { 1 } else { 2 }),
        ("cache_size", -PAGES_KIB),
        ("wal_autocheckpoint", i64::from(LOG_PAGES)),
        ("journal_size_limit", i64::from(LOG_PAGES) * i64::from(PAGE_BYTES)),
    ];
    for (name, value) in settings {
        connection.pragma_update(None, name, value).during("set it up")?;
    }
    settle_log(&connection, path)?;
    Ok((connection, found))
}

/// Has the file written through a log; the mode that it is in now.
fn use_log(connection: &Connection) -> rusqlite::Result<String> {
    let mut statement = connection.prepare("PRAGMA journal_mode = wal")?;
    let mut rows = statement.query([])?;
    let mode = rows.next()?.map_or(Ok(String::new()), |row| row.get(0))?;
    // The change is committed behind the row that says so: whether that went well is known then.
    while rows.next()?.is_some() {}
    Ok(mode)
}

/// Writes what the log has where it belongs, as far as nobody reads what was there before.
pub(super) fn fold_back(connection: &Connection) -> Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).during("fold back its log")
}

/// Makes what an earlier process left in the log lasting before anything is done on its word: the log may be in memory alone, and
/// after a failed sync the kernel calls its pages clean. So they are synced, and written once more where they belong.
fn settle_log(connection: &Connection, path: &Path) -> Result<()> {
    let synced = match File::open(log_of(path)) {
        Ok(log) => sync::file(&log),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(cause),
    };
    synced
        .and_then(|()| sync::parent(path))
        .map_err(|cause| Error::new(io_kind(&cause), format!("cache {path:?}: its log: {cause}")))?;
    fold_back(connection)
}

/// A connection that cannot write, beside the writer or alone.
pub(super) fn open_to_read(path: &Path) -> Result<Connection> {
    if let Err(cause) = fs::metadata(path) {
        return Err(Error::new(io_kind(&cause), format!("cache {path:?}: {cause}"))
            .hint("a pipeline makes it when it first runs"));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let mut connection = Connection::open_with_flags(uri(path, ""), flags).during("open its file")?;
    let readable = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    if readable.is_err() && !log_of(path).exists() {
        // In a folder where nothing may be written, the log's index cannot be made. With no log there is nothing
        // in it, and the file can be read as one that does not change.
        connection = Connection::open_with_flags(uri(path, "?immutable=1"), flags).during("open its file")?;
    }
    if look(&connection, path)? == Found::Empty {
        return Err(not_ours(path));
    }
    prepare(&connection)?;
    Ok(connection)
}

/// Marks a new file as a cache in this program's format.
pub(super) fn stamp(connection: &Connection) -> Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION).during("stamp its file")?;
    connection.pragma_update(None, "user_version", FORMAT).during("stamp its file")
}

/// Which file a path leads to, by device and number: it changes when the file is replaced.
pub(super) fn identity(path: &Path) -> Result<(u64, u64)> {
    let found = fs::metadata(path).map_err(|cause| Error::new(io_kind(&cause), format!("cache {path:?}: {cause}")));
    found.map(|found| (found.dev(), found.ino()))
}

/// What every connection has, before it runs any of the file's SQL.
pub(super) fn prepare(connection: &Connection) -> Result<()> {
    let set = || {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // A misspelt column in double quotes is then an error, and not a text.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        percentile::register(connection)
    };
    set().during("set up its connection")
}

fn look(connection: &Connection, path: &Path) -> Result<Found> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let objects = || connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let application = match number("application_id") {
        Err(cause) if cause.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            return Err(not_ours(path));
        }
        read => read.during("read its header")?,
    };
    if application == 0 && objects().during("read its header")? == 0 {
        return Ok(Found::Empty);
    }
    if application != APPLICATION {
        return Err(not_ours(path));
    }
    match number("user_version").during("read its header")? {
        FORMAT => Ok(Found::Cache),
        other => Err(Error::new(
            Kind::Conflict,
            format!("cache {path:?}: its format is {other}, and this program reads {FORMAT}"),
        )
        .hint("run the version of tidemill that wrote it, or a newer one")),
    }
}

fn not_ours(path: &Path) -> Error {
    Error::new(Kind::Conflict, format!("cache {path:?}: the file is not a cache of tidemill"))
        .hint("move it away, or name another data folder")
}

pub(super) fn log_of(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// A path as SQLite's URI has it; every byte that could mean something is escaped.
fn uri(path: &Path, query: &str) -> String {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri + query
}
