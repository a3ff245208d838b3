//! What the open groups of an aggregate go on with: each commit adds a bundle of the states that it changed, the newest of a group's counting.
//!
//! An epoch changes thousands of groups all over the open windows. Had each its own row, that would write most pages of a table; a
//! bundle is as large as what has changed. Once the bundles that were added weigh more than all states did, those that still count are
//! bundled anew, so that in the long run each state is written twice.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};

use super::aggregate::Names;
use super::fault::During;
use super::row::{run, select, whole};
use crate::error::{Error, Kind, Result};
use crate::packed::{Reader, checksum, put, put_bytes};

/// What a bundle holds before another is begun, in bytes.
const BUNDLE: usize = 4 << 20;
/// What may be added before anything is bundled anew, in bytes.
const LEAST: u64 = 256 << 10;

/// The bundles of one aggregate.
pub(super) struct States {
    aggregate: String,
    /// Their table, as SQL names it.
    table: String,
    weight: Cell<Option<Weight>>,
}

/// What the bundles weigh, in bytes: those that were added, and those that were made of others. Of a commit that came to nothing it may
/// tell too.
#[derive(Clone, Copy)]
struct Weight {
    added: u64,
    whole: u64,
}

/// States to be stored, the bytes of a bundle: the number of a group and its state, one after the other, and a checksum at the end.
#[derive(Default)]
pub(super) struct Bundle(Vec<u8>);

impl Bundle {
    /// Adds the state of a group, of which it has none.
    pub(super) fn put(&mut self, number: i64, state: &[u8]) {
        put(&mut self.0, number.cast_unsigned());
        put_bytes(&mut self.0, state);
    }

    /// Its bytes, after which it is empty.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.0);
        bytes.extend(checksum(&bytes));
        bytes
    }
}

impl States {
    pub(super) fn of(aggregate: &str) -> Self {
        let table = Names::of(aggregate).states;
        Self { aggregate: aggregate.to_owned(), table, weight: Cell::new(None) }
    }

    /// Makes their table, unless it is there.
    pub(super) fn make(&self, connection: &Connection) -> Result<()> {
        let table = &self.table;
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {table} (bundle INTEGER PRIMARY KEY, whole INTEGER NOT NULL, states BLOB NOT NULL)"
        );
        connection.execute(&sql, []).during("create its tables").map(drop)
    }

    /// Drops their table.
    pub(super) fn forget(&self, connection: &Connection) -> Result<()> {
        connection.execute(&format!("DROP TABLE IF EXISTS {}", self.table), []).during("forget an aggregate").map(drop)
    }

    /// The newest state of each group by its number; of those that have closed too, as far as they have not been left out yet.
    pub(super) fn read(&self, connection: &Connection) -> Result<HashMap<i64, Vec<u8>>> {
        let mut states = HashMap::new();
        for bundle in self.bundles(connection, "ASC")? {
            self.each(connection, bundle, |number, state| drop(states.insert(number, state.to_vec())))?;
        }
        Ok(states)
    }

    /// Adds the bundle, if there is anything in it, once it is full or in any case.
    pub(super) fn add(&self, connection: &Connection, bundle: &mut Bundle, full: bool) -> Result<()> {
        if bundle.0.is_empty() || full && bundle.0.len() < BUNDLE {
            return Ok(());
        }
        let mut weight = self.weight(connection)?;
        weight.added += self.write(connection, bundle, false)?;
        self.weight.set(Some(weight));
        Ok(())
    }

    /// Bundles the states of open groups anew, where what was added since the last time weighs more than they did then.
    pub(super) fn settle(&self, connection: &Connection) -> Result<()> {
        let Weight { added, whole } = self.weight(connection)?;
        if added < whole + LEAST {
            return Ok(());
        }
        let sql = "SELECT number FROM tidemill_groups WHERE aggregate = ?";
        let mut open: HashSet<i64> =
            select(connection, sql, [&self.aggregate], |row| row.get(0))?.into_iter().collect();
        let bundles = self.bundles(connection, "DESC")?;
        let (mut anew, mut whole) = (Bundle::default(), 0);
        for bundle in &bundles {
            if open.is_empty() {
                break;
            }
            self.each(connection, *bundle, |number, state| {
                if open.remove(&number) {
                    anew.put(number, state);
                }
            })?;
            if anew.0.len() >= BUNDLE {
                whole += self.write(connection, &mut anew, true)?;
            }
        }
        if !open.is_empty() {
            return Err(stateless(&self.aggregate));
        }
        if !anew.0.is_empty() {
            whole += self.write(connection, &mut anew, true)?;
        }
        let last = bundles.first().copied();
        run(connection, "forget old states", &format!("DELETE FROM {} WHERE bundle <= ?", self.table), [last])?;
        self.weight.set(Some(Weight { added: 0, whole }));
        Ok(())
    }

    fn weight(&self, connection: &Connection) -> Result<Weight> {
        if let Some(weight) = self.weight.get() {
            return Ok(weight);
        }
        let sql = format!("SELECT whole, sum(length(states)) FROM {} GROUP BY 1", self.table);
        let mut weight = Weight { added: 0, whole: 0 };
        for (whole, bytes) in select(connection, &sql, [], |row| Ok((row.get::<_, bool>(0)?, whole(row, 1)?)))? {
            *(if whole { &mut weight.whole } else { &mut weight.added }) = bytes;
        }
        Ok(weight)
    }

    fn bundles(&self, connection: &Connection, order: &str) -> Result<Vec<i64>> {
        select(connection, &format!("SELECT bundle FROM {} ORDER BY bundle {order}", self.table), [], |row| row.get(0))
    }

    fn write(&self, connection: &Connection, bundle: &mut Bundle, whole: bool) -> Result<u64> {
        let bytes = bundle.take();
        let sql = format!("INSERT INTO {} VALUES (NULL, ?, ?)", self.table);
        run(connection, "keep the states of groups", &sql, params![whole, bytes])?;
        Ok(bytes.len() as u64)
    }

    /// Each state of a bundle with the number of its group.
    fn each(&self, connection: &Connection, bundle: i64, mut take: impl FnMut(i64, &[u8])) -> Result<()> {
        let sql = format!("SELECT states FROM {} WHERE bundle = ?", self.table);
        let bytes: Vec<Vec<u8>> = select(connection, &sql, [bundle], |row| row.get(0))?;
        let broken = || {
            let what = format!(
                "cache: bundle {bundle} of the states of aggregate {:?} is not what was written",
                self.aggregate
            );
            Error::new(Kind::Corrupt, what).hint("restore a copy, or give the aggregate a new name")
        };
        bytes
            .first()
            .and_then(|bytes| states(bytes))
            .ok_or_else(broken)?
            .for_each(|(number, state)| take(number, state));
        Ok(())
    }
}

/// The states of a bundle, each with the number of its group; none where it is not what was written.
pub(super) fn states(bundle: &[u8]) -> Option<impl Iterator<Item = (i64, &[u8])>> {
    let (body, sum) = bundle.split_last_chunk()?;
    if checksum(body) != *sum {
        return None;
    }
    let (mut from, mut states) = (Reader(body), Vec::new());
    while !from.0.is_empty() {
        states.push((from.number()?.cast_signed(), from.bytes()?));
    }
    Some(states.into_iter())
}

/// An open group whose state is in no bundle.
pub(super) fn stateless(aggregate: &str) -> Error {
    Error::new(Kind::Corrupt, format!("cache: a group of aggregate {aggregate:?} has lost its state"))
        .hint("restore a copy, or give the aggregate a new name")
}

/// An open group whose row is missing.
pub(super) fn lost() -> Error {
    Error::new(Kind::Corrupt, "cache: an open group's row is gone from its aggregate's table")
        .hint("another program changed the file; replay the table, or restore a copy")
}
