//! An open group: what it holds, how it is shown and stored, how it comes back.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use hashbrown::HashMap;

use super::cell::Cell;
use super::encode;
use super::groups::Key;
use super::plan::{By, Plan};
use super::scalar::Scalar;
use super::spec::Kind as WindowKind;
use crate::commit::{Group, Standing};
use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;
use crate::value::Value;

/// A window by its end, which is the order in which they close, and the group.
pub(super) type Id = (Timestamp, Timestamp, Key);

#[derive(Debug)]
pub(super) struct Open {
    pub(super) cells: Vec<Cell>,
    /// What it takes of memory, as far as that is known.
    pub(super) memory: usize,
    /// Its number, which it gets when it is first given to be stored; 0 until then.
    pub(super) number: i64,
    pub(super) changed: bool,
    /// Whether it has changed since its time was over.
    pub(super) revised: bool,
}

/// Open groups: windows in the order in which they close, and the groups of each found by hash.
#[derive(Debug, Default)]
pub(super) struct OpenGroups {
    windows: BTreeMap<(Timestamp, Timestamp), HashMap<Key, Open>>,
    len: usize,
}

impl OpenGroups {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get_mut(&mut self, (end, start, key): &Id) -> Option<&mut Open> {
        self.windows.get_mut(&(*end, *start))?.get_mut(key)
    }

    pub(super) fn insert(&mut self, (end, start, key): Id, open: Open) {
        let before = self.windows.entry((end, start)).or_default().insert(key, open);
        self.len += usize::from(before.is_none());
    }

    pub(super) fn remove(&mut self, (end, start, key): &Id) -> Option<Open> {
        let window = self.windows.get_mut(&(*end, *start))?;
        let open = window.remove(key)?;
        if window.is_empty() {
            self.windows.remove(&(*end, *start));
        }
        self.len -= 1;
        Some(open)
    }

    /// Takes out the first window with all its groups, where it ends at a time for which `closes` holds.
    pub(super) fn take_first<F: Fn(Timestamp) -> bool>(
        &mut self,
        closes: F,
    ) -> Option<impl Iterator<Item = (Id, Open)> + use<F>> {
        let first = self.windows.first_entry().filter(|first| closes(first.key().0))?;
        let ((end, start), groups) = first.remove_entry();
        self.len -= groups.len();
        Some(groups.into_iter().map(move |(key, open)| ((end, start, key), open)))
    }

    /// The groups of windows that end after the one time, and not after the other.
    pub(super) fn ending(&mut self, after: Timestamp, upto: Timestamp) -> impl Iterator<Item = (Id, &mut Open)> {
        let first = (after.plus(Duration::from_micros(1)), Timestamp::MIN);
        self.windows.range_mut(first..).take_while(move |((end, _), _)| *end <= upto).flat_map(
            |(&(end, start), groups)| groups.iter_mut().map(move |(key, open)| ((end, start, key.clone()), open)),
        )
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, &Open)> {
        self.windows
            .iter()
            .flat_map(|(&(end, start), groups)| groups.iter().map(move |(key, open)| ((end, start, key.clone()), open)))
    }
}

/// About what a group takes of memory, by measurement: what each does, its cells, its key in two or three places, and what the bytes of its
/// state are when they are no bytes. Values that are told apart lie in tables of hashes then.
pub(super) fn memory(plan: &Plan, key: &Key, cells: &[Cell], state: &[u8]) -> usize {
    let tells_apart = |cell: &Cell| matches!(cell, Cell::Tally(_) | Cell::Distinct(_) | Cell::Ranks { .. });
    let times = if cells.iter().any(tells_apart) { 6 } else { 2 };
    let bytes = |value: &Scalar| if let Scalar::Bytes(bytes) = value { bytes.len() } else { 0 };
    let key: usize = key.iter().flatten().map(bytes).sum();
    // Each session is a window of its own.
    let window = if plan.window.is_session() { 300 } else { 0 };
    400 + window + 48 * cells.len() + 3 * key + times * state.len()
}

/// Gives a group a number where it has none; whether it had one.
pub(super) fn number(last: &mut i64, open: &mut Open) -> bool {
    let stored = open.number > 0;
    if !stored {
        *last += 1;
        open.number = *last;
    }
    stored
}

pub(super) fn by_start(one: &Id, other: &Id) -> Ordering {
    (one.1, &one.2).cmp(&(other.1, &other.2))
}

pub(super) fn shown(plan: &Plan, (end, start, key): &Id, open: &Open) -> Group {
    let measures = open.cells.iter().zip(&plan.measures).map(|(cell, measured)| measured.value(cell));
    Group {
        window: *start,
        end: *end,
        key: values(plan, key),
        measures: measures.collect(),
        standing: Standing::Early,
        revised: open.revised,
        number: open.number,
        stored: false,
        state: Vec::new(),
    }
}

/// A key as the columns that it is grouped by.
pub(super) fn values(plan: &Plan, key: &Key) -> Vec<Value> {
    let value = |(value, by): (&Option<Scalar>, &By)| match value {
        None => Value::Null,
        Some(value) => value.value(by.kind),
    };
    key.iter().zip(&plan.by).map(value).collect()
}

pub(super) fn restored(plan: &Plan, group: &Group) -> Result<(Id, Vec<Cell>)> {
    if let WindowKind::Tumbling { size } | WindowKind::Hopping { size, .. } = plan.window.kind
        && group.end != group.window.plus(size)
    {
        let what = format!("it was opened with a size of {:?}, not {size:?}", group.end.since(group.window));
        return Err(Error::new(Kind::Conflict, what).hint("give the aggregate with the new size a new name"));
    }
    let wrong = || Error::new(Kind::Corrupt, "the key of a stored group is not of its columns' types");
    if group.key.len() != plan.by.len() {
        return Err(wrong());
    }
    let mut key: Vec<Option<Scalar>> = Vec::with_capacity(plan.by.len());
    for (value, by) in group.key.iter().zip(&plan.by) {
        key.push(Scalar::of(value, by.kind).ok_or_else(wrong)?);
    }
    Ok(((group.end, group.window, key.into()), encode::decode(plan, &group.state)?))
}
