//! The database that the original emulators read, on a connection that is kept and made again.

mod address;
mod load;
mod mysql;
mod postgres;
mod row;
mod sqlite;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::Mutex;

pub use self::address::Address;
pub use self::load::load;
use self::mysql::Mysql;
use self::postgres::Postgres;
use self::row::Cell;
pub use self::row::Dates;
use self::sqlite::Sqlite;
use super::client::jitter;
use super::rows::TABLES;
use crate::error::{Error, Kind, Result};

/// How long a connection with its answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// The first wait before a database that is away is asked again; each is twice the one before.
const BACKOFF: Duration = Duration::from_millis(100);
/// The longest of these waits.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// The three tables of a database: pin, geo, user.
///
/// While the database is away it is asked again and again: that it is away is said once, and that it is back.
pub struct Database {
    address: Address,
    tables: [Table; TABLES],
    rows: u64,
    /// The connection, while there is one.
    kept: Mutex<Option<Link>>,
}

/// A table's name as its database's language has it.
#[derive(Clone, Debug)]
struct Table(String);

/// A connection.
enum Link {
    Mysql(Mysql),
    Postgres(Postgres),
    Sqlite(Sqlite),
}

impl Database {
    /// The database at this address, which is waited for; `tables` names those of pin, geo and user, each perhaps with its
    /// schema in front: `public.pin`.
    ///
    /// Errors: `Missing` where a table is, `Input` where the database does not let this user in or no table has a row.
    pub async fn open(address: Address, tables: &[String]) -> Result<Self> {
        let tables = named(&address, tables)?;
        let mut database = Self { address, tables, rows: 0, kept: Mutex::new(None) };
        for nth in 0..TABLES {
            let counted = database.patiently(async |link, tables: &[Table; TABLES]| {
                let Some(table) = tables.get(nth) else { return Ok(0) };
                link.count(table).await
            });
            let counted = counted.await?;
            database.rows = database.rows.max(counted);
        }
        if database.rows == 0 {
            let error = Error::new(Kind::Input, format!("database {}: its tables have no rows", database.address));
            return Err(error.hint("fill them with `tidemill emulate --load`"));
        }
        Ok(database)
    }

    /// How many rows the longest of the tables has.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends the row at this place of table 0 pin, 1 geo, 2 user, if there is one; as the original did, it takes the
    /// rows in the order in which the database gives them.
    pub(super) async fn row(&self, table: usize, nth: u64, dates: Dates, into: &mut Vec<u8>) -> Result<()> {
        let row = self.patiently(async |link, tables: &[Table; TABLES]| match tables.get(table) {
            Some(table) => link.row(table, nth).await,
            None => Ok(None),
        });
        if let Some(row) = row.await? {
            dates.write(row, into);
        }
        Ok(())
    }

    /// Asks until there is an answer, if that is an error that stays.
    async fn patiently<T>(&self, ask: impl AsyncFn(&mut Link, &[Table; TABLES]) -> Result<T>) -> Result<T> {
        let (mut kept, mut pause, mut away) = (self.kept.lock().await, BACKOFF, false);
        loop {
            let answered = async {
                let link = match &mut *kept {
                    Some(link) => link,
                    none => none.insert(Link::open(&self.address, false).await?),
                };
                ask(link, &self.tables).await
            };
            match tokio::time::timeout(ANSWER_TIME_MAX, answered).await.unwrap_or_else(|_| Err(late())) {
                Err(error) if error.kind() == Kind::Unavailable => {
                    *kept = None;
                    if !away {
                        tracing::warn!(database = %self.address, %error, "it is away, and asked again until it is back");
                    }
                    away = true;
                    tokio::time::sleep(jitter(pause)).await;
                    pause = BACKOFF_MAX.min(pause * 2);
                }
                answered => {
                    if away {
                        tracing::warn!(database = %self.address, "it is back");
                    }
                    return answered.map_err(|error| error.within(format_args!("database {}", self.address)));
                }
            }
        }
    }
}

impl Table {
    fn name(&self) -> &str {
        &self.0
    }
}

impl Link {
    async fn open(address: &Address, write: bool) -> Result<Self> {
        Ok(match address {
            Address::Mysql(server) => Self::Mysql(Mysql::open(server).await?),
            Address::Postgres(server) => Self::Postgres(Postgres::open(server).await?),
            Address::Sqlite(file) => Self::Sqlite(Sqlite::open(file, write)?),
        })
    }

    /// The row at this place of a table.
    async fn row(&mut self, table: &Table, nth: u64) -> Result<Option<Vec<Cell>>> {
        let all = format!("SELECT * FROM {}", table.name());
        match self {
            Self::Mysql(link) => link.row(&format!("{all} LIMIT {nth}, 1")).await,
            Self::Postgres(link) => link.row(&all, &format!(" LIMIT 1 OFFSET {nth}")).await,
            Self::Sqlite(link) => link.row(&format!("{all} LIMIT 1 OFFSET {nth}")),
        }
    }

    async fn count(&mut self, table: &Table) -> Result<u64> {
        let sql = format!("SELECT COUNT(*) FROM {}", table.name());
        let row = match self {
            Self::Mysql(link) => link.row(&sql).await?,
            Self::Postgres(link) => link.row(&sql, "").await?,
            Self::Sqlite(link) => link.row(&sql)?,
        };
        let count = row.and_then(|row| row.into_iter().next()?.text?.parse().ok());
        count.ok_or_else(|| Error::new(Kind::Internal, format!("table {}: its rows are not counted", table.name())))
    }

    async fn execute(&mut self, sql: &str) -> Result<()> {
        match self {
            Self::Mysql(link) => link.execute(sql).await,
            Self::Postgres(link) => link.execute(sql).await,
            Self::Sqlite(link) => link.execute(sql),
        }
    }

    /// Adds rows, all of the same columns.
    async fn insert(&mut self, table: &Table, rows: &[Map<String, Value>]) -> Result<()> {
        match self {
            Self::Mysql(link) => link.insert(table.name(), rows).await,
            Self::Postgres(link) => link.insert(table.name(), rows).await,
            Self::Sqlite(link) => link.insert(table.name(), rows),
        }
    }
}

/// The names of three tables, with the quotes of the database's language.
fn named(address: &Address, tables: &[String]) -> Result<[Table; TABLES]> {
    let quote = if matches!(address, Address::Mysql(_)) { '`' } else { '"' };
    let quoted = |name: &String| {
        let parts =
            name.split('.').map(|part| format!("{quote}{}{quote}", part.replace(quote, &format!("{quote}{quote}"))));
        Table(parts.collect::<Vec<_>>().join("."))
    };
    let tables: Vec<Table> = tables.iter().map(quoted).collect();
    let count = tables.len();
    tables
        .try_into()
        .map_err(|_| Error::new(Kind::Input, format!("tables: {count} are named, not those of pin, geo and user")))
}

fn late() -> Error {
    Error::new(Kind::Unavailable, format!("it did not answer within {} s", ANSWER_TIME_MAX.as_secs()))
}

/// What the cause at the bottom says.
fn innermost(cause: &dyn std::error::Error) -> String {
    let mut inner = cause;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
