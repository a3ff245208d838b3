//! The committer's half of an aggregate: the open groups of all partitions, and how far time has come.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hashbrown::HashMap;

use super::accumulator::Partial;
use super::cell::Cell;
use super::encode;
use super::groups::Key;
use super::open::{Id, Open, OpenGroups, by_start, memory, number, restored, shown};
use super::plan::Plan;
use super::progress::Progress;
use super::spec::{Aggregate, Kind as WindowKind, Span, Time, Window};
use crate::commit::{Group, LateRow, Standing};
use crate::error::{Error, Kind, Result};
use crate::schema::Field;
use crate::time::Timestamp;

/// The open windows of an aggregate. Without idleness, the groups that close depend on each partition's own order of
/// records alone: not on where epochs were cut, nor on which partition was merged first.
#[derive(Debug)]
pub struct State {
    plan: Plan,
    groups: OpenGroups,
    /// The ends of each group's open sessions by their starts, where windows are sessions.
    sessions: HashMap<Key, BTreeMap<Timestamp, Timestamp>>,
    changed: Vec<Id>,
    /// Groups that have become a part of others since they were stored.
    gone: Vec<(Id, Open)>,
    /// The greatest number that was given to a group.
    last: i64,
    /// What the groups take of memory, in bytes, about.
    memory: usize,
    /// Rows that came too late since it was last asked, as far as they are told.
    late: Vec<LateRow>,
    /// The starts of the windows that rows missed since it was last asked.
    missed: BTreeSet<Timestamp>,
    progress: Progress,
}

impl State {
    /// The state of an aggregate over rows with these `fields`, from a topic of `partitions` partitions, before any row.
    ///
    /// Errors as [`super::Accumulator::new`] does.
    pub fn new(aggregate: &Aggregate, fields: &[Field], partitions: u32) -> Result<Self> {
        let plan = Plan::new(aggregate, fields)?;
        Ok(Self {
            plan,
            groups: OpenGroups::default(),
            sessions: HashMap::new(),
            changed: Vec::new(),
            gone: Vec::new(),
            last: 0,
            memory: 0,
            late: Vec::new(),
            missed: BTreeSet::new(),
            progress: Progress::new(partitions),
        })
    }

    /// The state as it was when `groups` were stored, with the `progress` stored beside them, and `last`, the greatest number of a
    /// group that is stored, open or closed. The topic may have gained partitions since.
    ///
    /// Errors with kind `Corrupt` where a group is not what was written, `Conflict` where it was written for windows of
    /// another size, and as [`State::new`].
    pub fn restore(
        aggregate: &Aggregate,
        fields: &[Field],
        partitions: u32,
        (groups, last): (&[Group], i64),
        progress: Progress,
    ) -> Result<Self> {
        let mut state = Self::new(aggregate, fields, partitions)?;
        state.last = last;
        state.progress = progress;
        state.progress.grow(partitions as usize);
        for group in groups {
            let subject = || format!("aggregate {:?}: window {}", aggregate.name, group.window);
            let (id, cells) = restored(&state.plan, group).map_err(|error| error.within(subject()))?;
            let memory = memory(&state.plan, &id.2, &cells, &group.state);
            state.memory += memory;
            state.enter(id, Open { cells, memory, number: group.number, changed: false, revised: false });
        }
        Ok(state)
    }

    /// How its time is cut.
    pub fn window(&self) -> &Window {
        &self.plan.window
    }

    /// How far it has come.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How many groups are open.
    pub fn open(&self) -> usize {
        self.groups.len()
    }

    /// What the open groups take of memory, in bytes: an estimate, of what they were when they were last given to be stored.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Adds what `partition` has gathered; returns how many of its rows are late: `partial.late`, and those whose window had
    /// closed for all while the partition was idle.
    ///
    /// Errors with kind `Conflict`, and adds nothing, where the partial's columns are of other types than the state's.
    pub fn merge(&mut self, partition: u32, partial: Partial) -> Result<u64> {
        let (watermark, rows) = (partial.watermark, partial.rows);
        let late = self.amend(partial)?;
        if let Some(progress) = self.progress.of(partition) {
            progress.watermark = progress.watermark.max(watermark);
            progress.idle &= rows == 0;
        }
        Ok(late)
    }

    /// Adds rows that come again and move no watermark; returns how many are late, their window having closed for all.
    ///
    /// Errors as [`State::merge`] does.
    pub fn amend(&mut self, partial: Partial) -> Result<u64> {
        if !self.plan.agrees(&partial.plan) {
            let what = format!("aggregate {:?}: its columns have changed their types", self.plan.name);
            return Err(Error::new(Kind::Conflict, what).hint("give the aggregate with the new types a new name"));
        }
        let mut late = partial.late;
        self.late.extend(partial.late_rows);
        self.missed.extend(partial.missed);
        for group in partial.groups {
            if self.has_closed(group.window) {
                late += group.rows;
                self.missed.insert(group.window.start);
                continue;
            }
            match self.plan.window.kind {
                WindowKind::Session { .. } => self.merge_session(group.window, group.key, group.cells),
                _ => self.merge_group((group.window.end, group.window.start, group.key), group.cells),
            }
        }
        Ok(late)
    }

    /// Says that `partition` has shown no row for `quiet`, and that none of its records can have an append time before
    /// `settled`. By append time, its watermark moves to `settled`; by a column, it may become idle.
    pub fn advance(&mut self, partition: u32, settled: Timestamp, quiet: Duration) {
        let idle = quiet >= self.plan.window.idle;
        let by_append = self.plan.window.time == Time::Append;
        let Some(progress) = self.progress.of(partition) else { return };
        if by_append {
            progress.watermark = progress.watermark.max(settled);
        } else {
            progress.idle |= idle;
        }
    }

    /// Closes every window that no partition holds open, and returns its groups by where they land, then window, then key. They
    /// have no `state`, since nothing will be merged into them; their stored groups are to be forgotten.
    pub fn close(&mut self) -> Vec<Group> {
        let before = self.progress.closed_upto;
        self.progress.closed_upto = before.max(self.progress.least());
        let mut closed = Vec::new();
        let (window, upto) = (self.plan.window.clone(), self.progress.closed_upto);
        while let Some(groups) = self.groups.take_first(|end| window.closes(end) <= upto) {
            for (id, open) in groups {
                self.leave(&id, &open);
                closed.push((window.lands(Span { start: id.1, end: id.0 }), id, open));
            }
        }
        self.show_as_on_time(before);
        closed.sort_unstable_by(|(lands, one, _), (than, other, _)| {
            (lands, one.1, &one.2).cmp(&(than, other.1, &other.2))
        });
        let mut groups = Vec::with_capacity(closed.len());
        for (_, id, open) in &mut closed {
            let stored = number(&mut self.last, open);
            groups.push(Group { standing: Standing::Closed, stored, ..shown(&self.plan, id, open) });
        }
        groups
    }

    /// The groups whose time is over, and was not at `before`, are shown anew.
    fn show_as_on_time(&mut self, before: Timestamp) {
        let upto = self.progress.closed_upto;
        for (id, open) in self.groups.ending(before, upto).filter(|(_, open)| !open.changed) {
            open.changed = true;
            self.changed.push(id);
        }
    }

    /// Rows that came too late since it was last asked: not all of them, but how many they are was told.
    pub fn late_rows(&mut self) -> Vec<LateRow> {
        std::mem::take(&mut self.late)
    }

    /// The starts of the windows that rows missed since it was last asked, whether these rows are told or not.
    pub fn missed(&mut self) -> Vec<Timestamp> {
        std::mem::take(&mut self.missed).into_iter().collect()
    }

    /// The stored groups that have become a part of others since it was last asked, with nothing but what names them: what is
    /// stored of them is to be forgotten before anything else is stored.
    pub fn gone(&mut self) -> Vec<Group> {
        let mut gone = std::mem::take(&mut self.gone);
        gone.sort_unstable_by(|(one, _), (other, _)| by_start(one, other));
        gone.iter().map(|(id, open)| Group { measures: Vec::new(), stored: true, ..self.shown(id, open) }).collect()
    }

    /// The open groups that have changed since it was last asked, by window, then key, each with its `state` to store. Ask
    /// after [`State::close`], so that a group which opened and closed within a commit is not stored.
    pub fn changed(&mut self) -> Vec<Group> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable_by(by_start);
        let mut groups = Vec::with_capacity(changed.len());
        for id in changed {
            let standing = self.standing(&id);
            let Some(open) = self.groups.get_mut(&id) else { continue };
            open.changed = false;
            let stored = number(&mut self.last, open);
            let state = encode::encode(&open.cells);
            self.memory -= std::mem::replace(&mut open.memory, memory(&self.plan, &id.2, &open.cells, &state));
            self.memory += open.memory;
            groups.push(Group { state, stored, standing, ..shown(&self.plan, &id, open) });
            open.revised = false;
        }
        groups
    }

    /// The open groups as they are shown, by window, then key.
    pub fn open_groups(&self) -> Vec<Group> {
        let mut open: Vec<_> = self.groups.iter().collect();
        open.sort_unstable_by(|(one, _), (other, _)| by_start(one, other));
        open.into_iter().map(|(id, open)| Group { revised: false, ..self.shown(&id, open) }).collect()
    }

    fn shown(&self, id: &Id, open: &Open) -> Group {
        Group { standing: self.standing(id), ..shown(&self.plan, id, open) }
    }

    fn standing(&self, id: &Id) -> Standing {
        if self.is_over(id) { Standing::OnTime } else { Standing::Early }
    }

    /// Whether the time of an open window is over.
    fn is_over(&self, (end, ..): &Id) -> bool {
        *end <= self.progress.closed_upto
    }

    /// Whether rows of this window come too late, it having closed for all. Rows of a session that begin before one of their group has
    /// closed could have been its.
    fn has_closed(&self, window: Span) -> bool {
        let closes = match self.plan.window.kind {
            WindowKind::Session { gap } => {
                self.plan.window.late_from(Span { start: window.start, end: window.start.plus(gap) })
            }
            _ => self.plan.window.closes(window.end),
        };
        closes <= self.progress.closed_upto
    }

    fn merge_group(&mut self, id: Id, cells: Vec<Cell>) {
        let revised = self.is_over(&id);
        let Some(open) = self.groups.get_mut(&id) else {
            self.changed.push(id.clone());
            self.enter(id, Open { cells, memory: 0, number: 0, changed: true, revised });
            return;
        };
        open.revised |= revised;
        open.cells.iter_mut().zip(cells).for_each(|(cell, more)| cell.merge(more));
        if !open.changed {
            open.changed = true;
            self.changed.push(id);
        }
    }

    /// Merges a session with all those of its group that it touches.
    fn merge_session(&mut self, mut window: Span, key: Key, mut cells: Vec<Cell>) {
        let mut same = None;
        while let Some((start, end)) = self.touching(window, &key) {
            let whole = Span { start, end };
            if start <= window.start && window.end <= end {
                same = Some(whole);
                break;
            }
            window.grow(whole);
            let id = (end, start, key.clone());
            let Some(mut open) = self.groups.remove(&id) else { break };
            self.leave(&id, &open);
            // What was there is the greater part, as a rule.
            let mut whole = std::mem::take(&mut open.cells);
            whole.iter_mut().zip(cells).for_each(|(cell, more)| cell.merge(more));
            cells = whole;
            if open.number > 0 {
                open.revised = self.is_over(&id);
                self.gone.push((id, open));
            }
        }
        let Span { start, end } = same.unwrap_or(window);
        self.merge_group((end, start, key), cells);
    }

    /// An open session of a group that shares time with a window.
    fn touching(&self, window: Span, key: &Key) -> Option<(Timestamp, Timestamp)> {
        let (start, end) = self.sessions.get(key)?.range(..window.end).next_back()?;
        (*end > window.start).then_some((*start, *end))
    }

    fn enter(&mut self, id: Id, open: Open) {
        if self.plan.window.is_session() {
            self.sessions.entry(id.2.clone()).or_default().insert(id.1, id.0);
        }
        self.groups.insert(id, open);
    }

    fn leave(&mut self, id: &Id, open: &Open) {
        self.memory -= open.memory;
        if let Some(sessions) = self.sessions.get_mut(&id.2) {
            sessions.remove(&id.1);
            if sessions.is_empty() {
                self.sessions.remove(&id.2);
            }
        }
    }
}
