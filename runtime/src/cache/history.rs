//! What each generation of a table did, by the ledger.

use std::time::Duration;

use rusqlite::Row;

use super::query::Reader;
use super::row::{self, Generation, int, select, whole};
use super::store::Store;
use crate::error::Result;

/// What a generation did in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The partition.
    pub partition: u32,
    /// The first offset that it looked at.
    pub from: u64,
    /// The offset after the last.
    pub next: u64,
    /// Records that it got.
    pub records: u64,
    /// Those among them that went to the dead letters.
    pub rejected: u64,
    /// The time that workers spent on them.
    pub spent: Duration,
}

const WORK: &str = "SELECT generation, partition, min(from_offset), max(next_offset), sum(records_in), sum(rejected), \
     sum(spent_ns) FROM tidemill_ledger WHERE table_name = ?1";

impl Reader {
    /// The generations of a table, oldest first, each with what it did in each partition.
    pub fn history(&self, table: &str) -> Result<Vec<(Generation, Vec<Work>)>> {
        let sql = "SELECT * FROM tidemill_generations WHERE table_name = ? ORDER BY number";
        let generations = select(&self.connection, sql, [table], row::generation)?;
        let works = select(&self.connection, &format!("{WORK} GROUP BY 1, 2 ORDER BY 1, 2"), [table], work)?;
        let with_works = |generation: Generation| {
            let works = works.iter().filter(|(number, _)| *number == generation.number);
            let works = works.map(|(_, work)| work.clone()).collect();
            (generation, works)
        };
        Ok(generations.into_iter().map(with_works).collect())
    }
}

impl Store {
    /// What a generation of a table has done so far, by rising partition.
    pub fn works(&self, table: &str, number: u64) -> Result<Vec<Work>> {
        let sql = format!("{WORK} AND generation = ?2 GROUP BY 1, 2 ORDER BY 2");
        let works = select(&self.connection, &sql, (table, int(number)), work)?;
        Ok(works.into_iter().map(|(_, work)| work).collect())
    }
}

fn work(row: &Row<'_>) -> rusqlite::Result<(u64, Work)> {
    let work = Work {
        partition: row.get(1)?,
        from: whole(row, 2)?,
        next: whole(row, 3)?,
        records: whole(row, 4)?,
        rejected: whole(row, 5)?,
        spent: Duration::from_nanos(whole(row, 6)?),
    };
    Ok((whole(row, 0)?, work))
}
