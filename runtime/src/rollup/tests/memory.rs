//! A place in memory that keeps groups.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::error::Result;
use crate::rolled::{Keep, Stretch};
use crate::value::Value;

type Place = (String, i64, usize, Vec<u8>);
type Groups = BTreeMap<(String, Vec<u8>), (i64, Vec<u8>)>;

#[derive(Default)]
pub(super) struct Memory {
    groups: RefCell<Groups>,
    rows: RefCell<BTreeMap<(String, i64), Vec<Value>>>,
    stretches: RefCell<BTreeMap<Place, Vec<u8>>>,
    last: Cell<i64>,
    by: RefCell<BTreeMap<(String, i64), Vec<Value>>>,
    /// Bytes that were written to stretches.
    pub(super) written: Cell<usize>,
}

impl Memory {
    /// The rows that a rollup shows, in order.
    pub(super) fn shown(&self, rollup: &str) -> Vec<Vec<Value>> {
        let rows = self.rows.borrow();
        let mut rows: Vec<_> = rows.iter().filter(|((of, _), _)| of == rollup).map(|(_, row)| row.clone()).collect();
        rows.sort();
        rows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.borrow().is_empty() && self.rows.borrow().is_empty() && self.stretches.borrow().is_empty()
    }

    pub(super) fn stretches(&self) -> usize {
        self.stretches.borrow().len()
    }

    fn found(&self, place: &Place, entries: &[u8]) -> Stretch {
        let stretches = self.stretches.borrow();
        let after = (std::ops::Bound::Excluded(place.clone()), std::ops::Bound::Unbounded);
        let next = stretches.range(after).next().filter(|(next, _)| of(next) == of(place));
        Stretch { first: place.3.clone(), entries: entries.to_vec(), next: next.map(|(next, _)| next.3.clone()) }
    }
}

fn of(place: &Place) -> (&str, i64, usize) {
    (&place.0, place.1, place.2)
}

impl Keep for Memory {
    fn group(&self, rollup: &str, key: &[u8]) -> Result<Option<(i64, Vec<u8>)>> {
        Ok(self.groups.borrow().get(&(rollup.to_owned(), key.to_vec())).cloned())
    }

    fn number(&self, _: &str) -> Result<i64> {
        self.last.set(self.last.get() + 1);
        Ok(self.last.get())
    }

    fn put(
        &self,
        rollup: &str,
        key: &[u8],
        number: i64,
        state: &[u8],
        by: Option<&[Value]>,
        measures: &[Value],
    ) -> Result<()> {
        let place = (rollup.to_owned(), number);
        let before = self.groups.borrow_mut().insert((rollup.to_owned(), key.to_vec()), (number, state.to_vec()));
        assert_eq!(before.is_none(), by.is_some(), "a new group has what it is grouped by");
        if let Some(by) = by {
            self.by.borrow_mut().insert(place.clone(), by.to_vec());
        }
        let by = self.by.borrow()[&place].clone();
        self.rows.borrow_mut().insert(place, [&by, measures].concat());
        Ok(())
    }

    fn remove(&self, rollup: &str, key: &[u8], number: i64) -> Result<()> {
        assert!(self.groups.borrow_mut().remove(&(rollup.to_owned(), key.to_vec())).is_some());
        self.rows.borrow_mut().remove(&(rollup.to_owned(), number));
        self.stretches.borrow_mut().retain(|(of, group, ..), _| of != rollup || *group != number);
        Ok(())
    }

    fn stretch(&self, rollup: &str, number: i64, cell: usize, value: &[u8]) -> Result<Option<Stretch>> {
        let place = (rollup.to_owned(), number, cell, value.to_vec());
        let found = self.stretches.borrow().range(..=&place).next_back().map(|(k, v)| (k.clone(), v.clone()));
        Ok(found.filter(|(found, _)| of(found) == of(&place)).map(|(found, entries)| self.found(&found, &entries)))
    }

    fn before(&self, rollup: &str, number: i64, cell: usize, first: &[u8]) -> Result<Option<Stretch>> {
        let place = (rollup.to_owned(), number, cell, first.to_vec());
        let found = self.stretches.borrow().range(..&place).next_back().map(|(k, v)| (k.clone(), v.clone()));
        Ok(found.filter(|(found, _)| of(found) == of(&place)).map(|(found, entries)| self.found(&found, &entries)))
    }

    fn put_stretch(&self, rollup: &str, number: i64, cell: usize, first: &[u8], entries: &[u8]) -> Result<()> {
        self.written.set(self.written.get() + entries.len());
        self.stretches.borrow_mut().insert((rollup.to_owned(), number, cell, first.to_vec()), entries.to_vec());
        Ok(())
    }

    fn remove_stretch(&self, rollup: &str, number: i64, cell: usize, first: &[u8]) -> Result<()> {
        let removed = self.stretches.borrow_mut().remove(&(rollup.to_owned(), number, cell, first.to_vec()));
        assert!(removed.is_some());
        Ok(())
    }
}
