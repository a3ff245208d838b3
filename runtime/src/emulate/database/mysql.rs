//! A connection to MySQL or MariaDB.

use mysql_async::consts::ColumnType;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error as Cause, OptsBuilder, Row, Value};

use super::address::Server;
use super::row::{Cell, Type};
use crate::access::Secret;
use crate::error::{Error, Kind, Result};

/// What a server answers that cannot serve at the moment: too many connections, shutting down, a lock that another
/// holds, a connection that it ends.
const PASSING: [u16; 7] = [1040, 1053, 1203, 1205, 1213, 1927, 4031];
/// What it says of a table, and of a database, that is not there.
const NO_TABLE: [u16; 2] = [1049, 1146];

pub(super) struct Mysql(Conn);

impl Mysql {
    pub(super) async fn open(server: &Server) -> Result<Self> {
        let options = OptsBuilder::default().ip_or_hostname(&server.host).tcp_port(server.port).prefer_socket(false);
        let options = options.user(Some(&server.user)).pass(server.password.as_ref().map(Secret::expose));
        Ok(Self(Conn::new(options.db_name(Some(&server.database))).await.map_err(failed)?))
    }

    pub(super) async fn execute(&mut self, sql: &str) -> Result<()> {
        self.0.query_drop(sql).await.map_err(failed)
    }

    /// The first row of an answer.
    pub(super) async fn row(&mut self, sql: &str) -> Result<Option<Vec<Cell>>> {
        let row: Option<Row> = self.0.query_first(sql).await.map_err(failed)?;
        Ok(row.map(|row| {
            let columns = row.columns();
            columns
                .iter()
                .zip(row.unwrap_raw())
                .map(|(column, value)| {
                    let text = value.and_then(text);
                    Cell { name: column.name_str().into_owned(), of: of(column.column_type()), text }
                })
                .collect()
        }))
    }

    pub(super) async fn insert(
        &mut self,
        table: &str,
        rows: &[serde_json::Map<String, serde_json::Value>],
    ) -> Result<()> {
        let columns: Vec<String> =
            rows.first().into_iter().flat_map(|row| row.keys()).map(|name| format!("`{name}`")).collect();
        let marks = format!("({})", vec!["?"; columns.len()].join(","));
        let sql = format!("INSERT INTO {table} ({}) VALUES {}", columns.join(","), vec![marks; rows.len()].join(","));
        let values = rows.iter().flat_map(|row| row.values()).map(|value| match value {
            serde_json::Value::Null => Value::NULL,
            serde_json::Value::String(text) => Value::from(text),
            other => Value::from(other.to_string()),
        });
        self.0.exec_drop(sql, values.collect::<Vec<Value>>()).await.map_err(failed)
    }
}

/// What a value is in the protocol of texts.
fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    }
}

fn of(column: ColumnType) -> Type {
    match column {
        ColumnType::MYSQL_TYPE_TINY
        | ColumnType::MYSQL_TYPE_SHORT
        | ColumnType::MYSQL_TYPE_INT24
        | ColumnType::MYSQL_TYPE_LONG
        | ColumnType::MYSQL_TYPE_LONGLONG
        | ColumnType::MYSQL_TYPE_YEAR
        | ColumnType::MYSQL_TYPE_DECIMAL
        | ColumnType::MYSQL_TYPE_NEWDECIMAL => Type::Number,
        ColumnType::MYSQL_TYPE_FLOAT | ColumnType::MYSQL_TYPE_DOUBLE => Type::Float,
        ColumnType::MYSQL_TYPE_DATETIME | ColumnType::MYSQL_TYPE_TIMESTAMP => Type::Time,
        _ => Type::Text,
    }
}

fn failed(cause: Cause) -> Error {
    let kind = match &cause {
        Cause::Server(said) if NO_TABLE.contains(&said.code) => Kind::Missing,
        Cause::Server(said) if !PASSING.contains(&said.code) => Kind::Input,
        Cause::Url(_) => Kind::Input,
        _ => Kind::Unavailable,
    };
    match cause {
        Cause::Server(said) => Error::new(kind, format!("{} ({})", said.message, said.code)),
        Cause::Io(cause) => Error::new(kind, super::innermost(&cause)),
        other => Error::new(kind, other.to_string()),
    }
}
