//! What rollups are given and what they ask for: rows of several tables under one key, and a place that keeps their groups.

use crate::error::Result;
use crate::value::{Value, ValueRef};

/// How many tables may be joined with one another: a bit each.
pub const TABLES_MAX: usize = 64;

/// What the latest rows of several tables say of one key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row<'a> {
    /// The tables that have a row of the key: the bit of the table's place.
    pub tables: u64,
    /// The columns that are read, in the order of the tables, null where the table has no row. NaN is null, and both zeros are one,
    /// as where they are stored; a list that is there is `true`.
    pub values: Vec<ValueRef<'a>>,
}

/// Some of the values of a group in their order: from `first` on up to where the next stretch begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Where it begins; empty for the first of all.
    pub first: Vec<u8>,
    /// Its values, each with how often it is there.
    pub entries: Vec<u8>,
    /// Where the next one begins.
    pub next: Option<Vec<u8>>,
}

/// Where the groups of rollups are kept from one commit to the next.
///
/// A group has a number, which is its own within the rollup, its row, which is shown, and a state. What does not fit into a state lies in
/// stretches of values, which have an order, so that a change writes those alone that it falls into.
pub trait Keep {
    /// The number and the state of a group.
    fn group(&self, rollup: &str, key: &[u8]) -> Result<Option<(i64, Vec<u8>)>>;

    /// A number that no group has.
    fn number(&self, rollup: &str) -> Result<i64>;

    /// Keeps a group's state, and shows its row: of a new group `by`, the columns that it is grouped by, and `measures`.
    fn put(
        &self,
        rollup: &str,
        key: &[u8],
        number: i64,
        state: &[u8],
        by: Option<&[Value]>,
        measures: &[Value],
    ) -> Result<()>;

    /// Forgets a group with all that it has.
    fn remove(&self, rollup: &str, key: &[u8], number: i64) -> Result<()>;

    /// The stretch of a cell of a group that a value falls into: the one that begins with it or last before it.
    fn stretch(&self, rollup: &str, number: i64, cell: usize, value: &[u8]) -> Result<Option<Stretch>>;

    /// The stretch before the one that begins here.
    fn before(&self, rollup: &str, number: i64, cell: usize, first: &[u8]) -> Result<Option<Stretch>>;

    /// Puts a stretch in, or in the place of the one that begins so.
    fn put_stretch(&self, rollup: &str, number: i64, cell: usize, first: &[u8], entries: &[u8]) -> Result<()>;

    /// Takes out the stretch that begins so.
    fn remove_stretch(&self, rollup: &str, number: i64, cell: usize, first: &[u8]) -> Result<()>;
}
