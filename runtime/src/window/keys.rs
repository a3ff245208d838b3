//! Keys of groups that are looked for, whatever their windows.

use std::collections::{BTreeSet, HashSet};

use super::accumulator::Partial;
use super::groups::Key;
use super::open::values;
use crate::value::Value;

/// Keys of one aggregate's groups.
#[derive(Debug, Default)]
pub struct Keys {
    keys: HashSet<Key>,
    values: BTreeSet<Vec<Value>>,
}

impl Keys {
    /// Takes those of a partial.
    pub fn take(&mut self, partial: Partial) {
        for group in partial.groups {
            if !self.keys.contains(&group.key) {
                self.values.insert(values(&partial.plan, &group.key));
                self.keys.insert(group.key);
            }
        }
    }

    /// Whether a group has one of them, by the columns that it is grouped by.
    pub fn contains(&self, key: &[Value]) -> bool {
        self.values.contains(key)
    }

    pub(super) fn has(&self, key: &Key) -> bool {
        self.keys.contains(key)
    }
}
