//! Retention of the cache: looks for what is too old or too much, and has the committer remove it in small steps.

use std::cell::Cell;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

use super::committer::Message;
use super::rollups::Rollups;
use crate::cache::Commit;
use crate::cache::query::Reader;
use crate::config::plan::Table;
use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;
use crate::value::Value;

/// Rows or groups that one transaction removes, which takes some milliseconds.
const STEP: usize = 1_000;

/// A step of pruning, as the committer is told it.
pub struct Prune {
    what: What,
    /// What is older goes.
    before: Timestamp,
    /// How many there were.
    count: Cell<u64>,
    done: SyncSender<u64>,
}

enum What {
    Rows { table: String, key: Vec<String>, keys: Vec<Vec<Value>> },
    Groups { aggregate: String, groups: Vec<i64> },
}

impl Prune {
    /// Removes what it names, as a part of a commit; from `rollups` too.
    pub(super) fn write(&self, commit: &mut Commit<'_>, rollups: &mut Rollups) -> Result<()> {
        if let What::Rows { table, keys, .. } = &self.what {
            rollups.remove(&commit.rolled(), (table, keys, self.before))?;
        }
        self.count.set(match &self.what {
            What::Rows { table, key, keys } => commit.prune_rows(table, key, self.before, keys)?,
            What::Groups { aggregate, groups } => commit.prune_groups(aggregate, self.before, groups)?,
        });
        Ok(())
    }

    /// Tells that it is lasting.
    pub(super) fn told(&self) {
        // Who waited may have gone.
        let _ = self.done.send(self.count.get());
    }
}

/// Who prunes: what is looked at, and who removes.
pub struct Pruner<'a> {
    /// The cache's file.
    pub cache: &'a Path,
    /// Who writes it.
    pub committer: &'a SyncSender<Message>,
    /// The time.
    pub now: Timestamp,
    /// Whether the pipeline is ending, and waits for whoever could still send something.
    pub ends: &'a dyn Fn() -> bool,
}

impl Pruner<'_> {
    /// Prunes what a table keeps no longer, and its aggregates; what and how much it was. This blocks.
    ///
    /// Errors with `Kind::Unavailable` where the pipeline ends meanwhile.
    pub fn prune(&self, plan: &Table) -> Result<Vec<(String, u64)>> {
        let mut pruned = Vec::new();
        let reader = Reader::open(self.cache)?;
        let rows = self.rows(&reader, plan)?;
        pruned.extend((rows > 0).then(|| (plan.name.clone(), rows)));
        for (aggregate, age) in &plan.retention.aggregates {
            let Some(upto) = reader.closed_upto(aggregate)?.filter(|upto| *upto > Timestamp::MIN) else { continue };
            // By the aggregate's own time: what it is over may have happened long ago.
            let window = plan.aggregates.iter().find(|of| of.name == *aggregate).map(|of| &of.window);
            // A session lands some time after its end.
            let ends_after =
                |lands: Timestamp| window.and_then(|kind| Some(kind.landing_ends(lands)?.start)).unwrap_or(lands);
            let before = held_back(upto.minus(*age), reader.waits_from(aggregate)?.map(ends_after));
            let groups = self.groups(&reader, aggregate, before)?;
            pruned.extend((groups > 0).then(|| (aggregate.clone(), groups)));
        }
        for (name, count) in &pruned {
            tracing::info!(name, count, "pruned");
        }
        Ok(pruned)
    }

    fn rows(&self, reader: &Reader, plan: &Table) -> Result<u64> {
        let by_age = plan.retention.age.map(|age| self.now.minus(age));
        let by_rows = match plan.retention.rows {
            Some(rows) if !plan.key.is_empty() => reader.oldest_of_latest(&plan.name, rows)?,
            _ => None,
        };
        let Some(before) = by_age.max(by_rows).filter(|_| !plan.key.is_empty()) else { return Ok(0) };
        // What is not in the bucket yet is kept, whatever its age: it could not be made anew.
        let before = held_back(before, reader.waits_from(&plan.name)?);
        let (mut after, mut count): (Option<Vec<Value>>, u64) = (None, 0);
        loop {
            let keys = reader.older(&plan.name, &plan.key, before, after.as_deref(), STEP)?;
            let Some(last) = keys.last().cloned() else { return Ok(count) };
            after = Some(last);
            let what = What::Rows { table: plan.name.clone(), key: plan.key.clone(), keys };
            count += self.step(what, before)?;
        }
    }

    fn groups(&self, reader: &Reader, aggregate: &str, before: Timestamp) -> Result<u64> {
        let (mut after, mut count) = (i64::MIN, 0);
        loop {
            let groups = reader.older_groups(aggregate, before, after, STEP)?;
            let Some(last) = groups.last().copied() else { return Ok(count) };
            after = last;
            count += self.step(What::Groups { aggregate: aggregate.to_owned(), groups }, before)?;
        }
    }

    /// Has the committer take a step, and waits for it.
    fn step(&self, what: What, before: Timestamp) -> Result<u64> {
        let (done, told) = sync_channel(1);
        let ending = || Error::new(Kind::Unavailable, "retention: the pipeline is ending");
        if (self.ends)() {
            return Err(ending());
        }
        let prune = Prune { what, before, count: Cell::new(0), done };
        self.committer.send(Message::Prune(Box::new(prune))).map_err(|_| ending())?;
        told.recv().map_err(|_| ending())
    }
}

/// A time, or an earlier one from which on something waits.
fn held_back(before: Timestamp, waits_from: Option<Timestamp>) -> Timestamp {
    waits_from.map_or(before, |from| before.min(from))
}
