//! The generated population in a database's tables, as the original's had their rows.

use serde_json::{Map, Value};

use super::{Address, Link, Table, named};
use crate::emulate::population::Population;
use crate::emulate::rows::TABLES;
use crate::error::{Error, Kind, OrFail as _, Result};

/// Rows of a statement.
const ROWS_MAX: u64 = 500;

/// The columns of pin, geo and user, in their order.
const COLUMNS: [&[(&str, Of)]; TABLES] = [
    &[
        ("index", Of::Key),
        ("unique_id", Of::Text),
        ("title", Of::Text),
        ("description", Of::Text),
        ("poster_name", Of::Text),
        ("follower_count", Of::Text),
        ("tag_list", Of::Text),
        ("is_image_or_video", Of::Text),
        ("image_src", Of::Text),
        ("downloaded", Of::Whole),
        ("save_location", Of::Text),
        ("category", Of::Text),
    ],
    &[
        ("ind", Of::Key),
        ("timestamp", Of::Time),
        ("latitude", Of::Float),
        ("longitude", Of::Float),
        ("country", Of::Text),
    ],
    &[
        ("ind", Of::Key),
        ("first_name", Of::Text),
        ("last_name", Of::Text),
        ("age", Of::Whole),
        ("date_joined", Of::Time),
    ],
];

/// A column's type.
#[derive(Clone, Copy)]
enum Of {
    Key,
    Whole,
    Float,
    Time,
    Text,
}

/// Fills the tables of pin, geo and user, which it makes where they are not there, and calls `progress` with the rows so
/// far; gives how many there are. What fails leaves no row behind.
///
/// Errors: `Conflict` where a table has rows, unless it is told to `replace` the tables; `Unavailable` at the first outage.
pub async fn load(
    address: &Address,
    tables: &[String],
    replace: bool,
    population: &Population,
    progress: impl Fn(u64),
) -> Result<u64> {
    let loaded = Load { address, tables: named(address, tables)? };
    let filled = loaded.fill(replace, population, progress).await;
    filled.map_err(|error| error.within(format_args!("database {address}")))
}

struct Load<'a> {
    address: &'a Address,
    tables: [Table; TABLES],
}

impl Load<'_> {
    async fn fill(&self, replace: bool, population: &Population, progress: impl Fn(u64)) -> Result<u64> {
        let mut link = Link::open(self.address, true).await?;
        if !replace {
            self.are_empty(&mut link).await?;
        }
        // MySQL ends a transaction before it makes a table; the others make tables in one.
        let ends = matches!(self.address, Address::Mysql(_));
        if !ends {
            link.execute("BEGIN").await?;
        }
        for (table, columns) in self.tables.iter().zip(COLUMNS) {
            if replace {
                link.execute(&format!("DROP TABLE IF EXISTS {}", table.name())).await?;
            }
            link.execute(&self.definition(table, columns)).await?;
        }
        if ends {
            link.execute("BEGIN").await?;
        }
        let mut done = 0;
        for (nth, table) in self.tables.iter().enumerate() {
            for first in (0..population.rows()).step_by(ROWS_MAX as usize) {
                let indexes = first..population.rows().min(first + ROWS_MAX);
                let rows = indexes.map(|index| row(population, nth, index)).collect::<Result<Vec<_>>>()?;
                link.insert(table, &rows).await?;
                done += rows.len() as u64;
                progress(done);
            }
        }
        link.execute("COMMIT").await?;
        Ok(done)
    }

    async fn are_empty(&self, link: &mut Link) -> Result<()> {
        let mut full = Vec::new();
        for table in &self.tables {
            match link.count(table).await {
                Ok(0) => {}
                Ok(rows) => full.push(format!("table {} has {rows} rows", table.name())),
                Err(error) if error.kind() == Kind::Missing => {}
                Err(error) => return Err(error),
            }
        }
        if full.is_empty() {
            return Ok(());
        }
        Err(Error::new(Kind::Conflict, full.join(", ")).hint("say --replace, and they are dropped and made anew"))
    }

    /// What makes a table that is not there.
    fn definition(&self, table: &Table, columns: &[(&str, Of)]) -> String {
        let mysql = matches!(self.address, Address::Mysql(_));
        let quote = if mysql { '`' } else { '"' };
        let columns = columns.iter().map(|(name, of)| {
            let of = match of {
                Of::Key => "INTEGER NOT NULL PRIMARY KEY",
                Of::Whole => "INTEGER",
                // Single precision, which SQLite does not have.
                Of::Float if mysql => "FLOAT",
                Of::Float => "REAL",
                Of::Time if matches!(self.address, Address::Postgres(_)) => "TIMESTAMP",
                Of::Time => "DATETIME",
                Of::Text => "TEXT",
            };
            format!("{quote}{name}{quote} {of}")
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        let charset = if mysql { " CHARACTER SET utf8mb4" } else { "" };
        format!("CREATE TABLE IF NOT EXISTS {} ({columns}){charset}", table.name())
    }
}

/// A row of table 0 pin, 1 geo, 2 user.
fn row(population: &Population, table: usize, index: u64) -> Result<Map<String, Value>> {
    let mut text = Vec::new();
    population.row(table, index, &mut text);
    serde_json::from_slice(&text).or_fail(Kind::Internal, || format!("row {index} of the population"))
}
