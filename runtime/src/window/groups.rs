//! The groups of one epoch: a number for each window with each key, found by hash.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::column::{self, Column, Values};
use super::cut::Picked;
use super::scalar::{Scalar, ScalarRef};

/// The values of the columns that rows are grouped by; none is null.
pub(super) type Key = Box<[Option<Scalar>]>;

/// Groups by number, in the order in which they were first seen.
#[derive(Debug, Default)]
pub(super) struct Groups {
    table: HashTable<u32>,
    hasher: RandomState,
    pub(super) seen: Vec<Seen>,
}

/// One group.
#[derive(Debug)]
pub(super) struct Seen {
    hash: u64,
    pub(super) window: i64,
    pub(super) key: Key,
    pub(super) rows: u64,
}

impl Groups {
    /// Writes the number of each picked row's group to `ids`.
    pub(super) fn number(&mut self, picked: &Picked, by: &[Column<'_>], ids: &mut Vec<u32>) {
        ids.clear();
        match by {
            [Column { nulls: None, values: Values::Bytes { offsets, data } }] => {
                let (offsets, data): (&[i32], &[u8]) = (offsets, data);
                self.number_by_one(picked, ids, |row| column::bytes(offsets, data, row));
            }
            [Column { nulls: None, values: Values::Words(words) }] => {
                let words: &[i64] = words;
                self.number_by_one(picked, ids, |row| column::word(words, row));
            }
            [column] => self.number_by_one(picked, ids, |row| column.get(row)),
            columns => self.number_by_many(picked, ids, columns),
        }
    }

    /// Empties it and keeps the table's memory; returns the groups.
    pub(super) fn take(&mut self) -> Vec<Seen> {
        self.table.clear();
        std::mem::take(&mut self.seen)
    }

    fn number_by_one<'a>(
        &mut self,
        picked: &Picked,
        ids: &mut Vec<u32>,
        value: impl Fn(usize) -> Option<ScalarRef<'a>>,
    ) {
        for (row, window) in picked.iter() {
            let value = value(row);
            let mut hasher = self.hasher.build_hasher();
            hasher.write_i64(window);
            write(&mut hasher, value);
            let same = |key: &Key| matches!(&**key, [held] if held.as_ref().map(Scalar::borrowed) == value);
            let id = self.find_or_add(hasher.finish(), window, same, || [value.as_ref().map(Scalar::from)].into());
            ids.push(id);
        }
    }

    fn number_by_many(&mut self, picked: &Picked, ids: &mut Vec<u32>, columns: &[Column<'_>]) {
        for (row, window) in picked.iter() {
            let mut hasher = self.hasher.build_hasher();
            hasher.write_i64(window);
            columns.iter().for_each(|column| write(&mut hasher, column.get(row)));
            let same = |key: &Key| {
                key.iter().zip(columns).all(|(held, column)| held.as_ref().map(Scalar::borrowed) == column.get(row))
            };
            let make = || columns.iter().map(|column| column.get(row).as_ref().map(Scalar::from)).collect();
            ids.push(self.find_or_add(hasher.finish(), window, same, make));
        }
    }

    #[inline]
    fn find_or_add(&mut self, hash: u64, window: i64, same: impl Fn(&Key) -> bool, make: impl FnOnce() -> Key) -> u32 {
        let Self { table, seen, .. } = self;
        let is_it = |seen: &Seen| seen.hash == hash && seen.window == window && same(&seen.key);
        if let Some(&id) = table.find(hash, |&id| seen.get(id as usize).is_some_and(is_it)) {
            if let Some(group) = seen.get_mut(id as usize) {
                group.rows += 1;
            }
            return id;
        }
        let id = seen.len() as u32;
        seen.push(Seen { hash, window, key: make(), rows: 1 });
        table.insert_unique(hash, id, |&id| seen.get(id as usize).map_or(0, |seen| seen.hash));
        id
    }
}

#[inline]
fn write(hasher: &mut impl Hasher, value: Option<ScalarRef<'_>>) {
    match value {
        None => hasher.write_u8(0),
        Some(ScalarRef::Word(word)) => hasher.write_i64(word),
        Some(ScalarRef::Bytes(bytes)) => bytes.hash(hasher),
    }
}
