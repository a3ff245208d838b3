//! The groups of one epoch: a number for each window with each key, found by hash.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::column::{self, Column, Values};
use super::cut::Picked;
use super::scalar::{Scalar, ScalarRef};
use super::spec::Span;

/// The values of the columns that rows are grouped by; none is null.
pub(super) type Key = Box<[Option<Scalar>]>;

/// Groups by number, in the order in which they were first seen.
#[derive(Debug, Default)]
pub(super) struct Groups {
    table: HashTable<u32>,
    hasher: RandomState,
    /// Whether windows are sessions, and how they grow.
    sessions: Sessions,
    pub(super) seen: Vec<Seen>,
}

/// How the windows of sessions come about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sessions {
    /// They are no sessions.
    #[default]
    None,
    /// A row joins the last session of its key where it can.
    Grow,
    /// Each row is a session by itself.
    Alone,
}

/// One group.
#[derive(Debug)]
pub(super) struct Seen {
    hash: u64,
    pub(super) window: Span,
    pub(super) key: Key,
    pub(super) rows: u64,
}

impl Groups {
    pub(super) fn new(sessions: Sessions) -> Self {
        Self { sessions, ..Self::default() }
    }

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
            let mut hasher = self.begin(window);
            write(&mut hasher, value);
            let same = |key: &Key| matches!(&**key, [held] if held.as_ref().map(Scalar::borrowed) == value);
            let id = self.find_or_add(hasher.finish(), window, same, || [value.as_ref().map(Scalar::from)].into());
            ids.push(id);
        }
    }

    fn number_by_many(&mut self, picked: &Picked, ids: &mut Vec<u32>, columns: &[Column<'_>]) {
        for (row, window) in picked.iter() {
            let mut hasher = self.begin(window);
            columns.iter().for_each(|column| write(&mut hasher, column.get(row)));
            let same = |key: &Key| {
                key.iter().zip(columns).all(|(held, column)| held.as_ref().map(Scalar::borrowed) == column.get(row))
            };
            let make = || columns.iter().map(|column| column.get(row).as_ref().map(Scalar::from)).collect();
            ids.push(self.find_or_add(hasher.finish(), window, same, make));
        }
    }

    #[inline]
    fn begin(&self, window: Span) -> impl Hasher + use<> {
        let mut hasher = self.hasher.build_hasher();
        if self.sessions == Sessions::None {
            hasher.write_i64(window.start.0);
        }
        hasher
    }

    #[inline]
    fn find_or_add(&mut self, hash: u64, window: Span, same: impl Fn(&Key) -> bool, make: impl FnOnce() -> Key) -> u32 {
        let Self { table, seen, sessions, .. } = self;
        let fixed = *sessions == Sessions::None;
        let is_it = |seen: &Seen| seen.hash == hash && (!fixed || seen.window.start == window.start) && same(&seen.key);
        let hash_of = |id: &u32| seen.get(*id as usize).map_or(0, |seen| seen.hash);
        let next = seen.len() as u32;
        match table.entry(hash, |&id| seen.get(id as usize).is_some_and(is_it), hash_of) {
            Entry::Occupied(mut found) => {
                let id = *found.get();
                if let Some(group) = seen.get_mut(id as usize)
                    && (fixed || *sessions == Sessions::Grow && group.window.grow(window))
                {
                    group.rows += 1;
                    return id;
                }
                // Of a key's sessions the last is looked at. What lies apart here is joined where all partitions come together.
                *found.get_mut() = next;
            }
            Entry::Vacant(free) => {
                free.insert(next);
            }
        }
        seen.push(Seen { hash, window, key: make(), rows: 1 });
        next
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
