//! A SQLite file.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter};
use serde_json::Value;

use super::row::{Cell, Type};
use crate::error::{Error, Kind, Result};

pub(super) struct Sqlite(Connection);

impl Sqlite {
    /// Opens a file; one that is not there is made where it is to be written.
    pub(super) fn open(file: &Path, write: bool) -> Result<Self> {
        let flags = if write {
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
        } else {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        };
        Ok(Self(Connection::open_with_flags(file, flags).map_err(|cause| failed(&cause))?))
    }

    pub(super) fn execute(&mut self, sql: &str) -> Result<()> {
        self.0.execute_batch(sql).map_err(|cause| failed(&cause))
    }

    /// The first row of an answer. SQLite has no type for times: texts in a column that was declared to have them are.
    pub(super) fn row(&mut self, sql: &str) -> Result<Option<Vec<Cell>>> {
        self.first(sql).map_err(|cause| failed(&cause))
    }

    fn first(&self, sql: &str) -> rusqlite::Result<Option<Vec<Cell>>> {
        let mut statement = self.0.prepare_cached(sql)?;
        let columns: Vec<(String, bool)> = statement
            .columns()
            .map(|column| (column.name().to_owned(), column.decl_type().is_some_and(is_time)))
            .collect();
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let cell = |(nth, (name, timed)): (usize, &(String, bool))| {
            let (of, text) = match row.get_ref(nth)? {
                ValueRef::Null => (Type::Text, None),
                ValueRef::Integer(number) => (Type::Number, Some(number.to_string())),
                ValueRef::Real(number) => (Type::Float, Some(format!("{number:?}"))),
                ValueRef::Text(text) | ValueRef::Blob(text) => {
                    (if *timed { Type::Time } else { Type::Text }, Some(String::from_utf8_lossy(text).into_owned()))
                }
            };
            Ok(Cell { name: name.clone(), of, text })
        };
        columns.iter().enumerate().map(cell).collect::<rusqlite::Result<_>>().map(Some)
    }

    pub(super) fn insert(&mut self, table: &str, rows: &[serde_json::Map<String, Value>]) -> Result<()> {
        let Some(first) = rows.first() else { return Ok(()) };
        let columns: Vec<String> = first.keys().map(|name| format!("\"{name}\"")).collect();
        let marks = vec!["?"; columns.len()].join(",");
        let sql = format!("INSERT INTO {table} ({}) VALUES ({marks})", columns.join(","));
        let mut statement = self.0.prepare_cached(&sql).map_err(|cause| failed(&cause))?;
        for row in rows {
            statement.execute(params_from_iter(row.values().map(value))).map_err(|cause| failed(&cause))?;
        }
        Ok(())
    }
}

/// Whether a declared type is one of times.
fn is_time(declared: &str) -> bool {
    let declared = declared.to_ascii_uppercase();
    declared.contains("DATETIME") || declared.contains("TIMESTAMP")
}

fn value(value: &Value) -> ToSqlOutput<'_> {
    match value {
        Value::String(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        _ => ToSqlOutput::Borrowed(ValueRef::Null),
    }
}

fn failed(cause: &rusqlite::Error) -> Error {
    let kind = match cause.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Kind::Unavailable,
        Some(ErrorCode::CannotOpen) => Kind::Missing,
        _ if cause.to_string().contains("no such table") => Kind::Missing,
        _ => Kind::Input,
    };
    Error::new(kind, cause.to_string())
}
