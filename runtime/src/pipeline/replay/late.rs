//! Rows that came too late for their windows, put into them: what is to be made anew for that, and what notes it.

use std::collections::BTreeSet;

use super::{Found, Replay, Report};
use crate::cache::query::Reader;
use crate::commit::Revision;
use crate::config::plan;
use crate::error::{Error, Kind, Result};
use crate::pipeline::layout::layout;
use crate::pipeline::table::Table;
use crate::time::Timestamp;
use crate::window::spec::Aggregate;

/// The most windows that are made anew at a time: all their groups are in memory then.
const WINDOWS_MAX: usize = 1000;
/// The most times of rows of which sessions are made anew at a time.
const TIMES_MAX: usize = 100_000;

/// The windows of an aggregate that are made anew with the rows that were late for them.
pub struct Late {
    /// The aggregate.
    pub aggregate: String,
    /// The starts of its windows; of sessions, the times of the rows.
    pub windows: Vec<Timestamp>,
    /// The line beside one of the ledger's which says that there is such a revision: it changes no count.
    pub line: Revision,
}

/// Windows that rows missed and wait for.
struct Missed {
    /// The oldest of those that can be made anew.
    now: Vec<Timestamp>,
    /// How many are not in the cache any more.
    pruned: usize,
    /// How many are for another time.
    later: usize,
}

impl Replay<'_> {
    /// The windows of an aggregate that rows missed and wait for, to be made anew of all their rows. No record is run again: the rows
    /// are in the lake.
    pub(super) fn late(&self, reader: &Reader, plan: &plan::Table, table: Table, aggregate: &str) -> Result<Found> {
        let at = plan.aggregates.iter().position(|of| of.name == aggregate);
        let names = || plan.aggregates.iter().map(|of| of.name.as_str()).collect::<Vec<_>>().join(", ");
        let unknown = || {
            Error::new(Kind::Missing, format!("table {:?}: it has no aggregate {aggregate:?}", plan.name))
                .hint(format!("its aggregates are: {}", names()))
        };
        let (at, plan_of) = at.and_then(|at| Some((at, plan.aggregates.get(at)?))).ok_or_else(unknown)?;
        let layout = layout(self.pipeline, [&table])?;
        let layout = layout.aggregates.iter().find(|of| of.name == aggregate).ok_or_else(unknown)?;
        if !reader.has_aggregate(layout)? {
            let what = format!("aggregate {aggregate:?}: it is declared otherwise than when the pipeline last ran");
            return Err(Error::new(Kind::Conflict, what).hint("start the pipeline: the aggregate begins anew then"));
        }
        let Missed { now, pruned, later } = missed(reader, plan_of)?;
        let mut windows = vec![BTreeSet::new(); plan.aggregates.len()];
        windows.get_mut(at).into_iter().for_each(|windows| windows.extend(now.iter().map(|window| window.0)));
        let mut left_out = Vec::new();
        if pruned > 0 {
            left_out.push(format!("aggregate {aggregate:?}: {pruned} windows that rows missed were pruned"));
        }
        if later > 0 {
            left_out.push(format!("aggregate {aggregate:?}: {later} windows more, for when these are done: ask again"));
        }
        let (name, late_windows) = (plan.name.clone(), now.len() as u64);
        let report = Report { table: name, same: true, proven: true, late_windows, left_out, ..Report::default() };
        Ok(Found { report, table, epochs: Vec::new(), windows })
    }

    /// What notes that late rows were put into their windows; none where none were asked for, or none wait.
    pub fn late_revision(&self, reader: &Reader, revision: u64, now: Timestamp) -> Result<Option<Late>> {
        let table = &self.asked.table;
        let Some(aggregate) = self.asked.late.clone() else { return Ok(None) };
        let Some(plan) = self.plan()?.aggregates.iter().find(|of| of.name == aggregate) else { return Ok(None) };
        let windows = missed(reader, plan)?.now;
        if windows.is_empty() {
            return Ok(None);
        }
        // Any epoch does: it is one line for the whole revision.
        let first = reader.partitions()?.into_iter().filter(|(name, _)| name == table);
        let mut lines = first.filter_map(|(name, partition)| reader.lines(&name, partition).next());
        let Some(epoch) = lines.next().transpose()? else { return Ok(None) };
        let line = Revision {
            table: table.clone(),
            partition: epoch.partition,
            epoch: epoch.epoch,
            revision,
            committed: now,
            digest: epoch.digest,
            ..Revision::default()
        };
        Ok(Some(Late { aggregate, windows, line }))
    }

    /// The windows of an aggregate for which no row is late: those that were made anew so before, and those that are now.
    pub(super) fn whole(&self, reader: &Reader, aggregate: &Aggregate, asked: &BTreeSet<i64>) -> Result<BTreeSet<i64>> {
        let mut whole: BTreeSet<i64> = reader.made_whole(&aggregate.name)?.iter().map(|window| window.0).collect();
        if self.asked.late.as_ref() == Some(&aggregate.name) {
            whole.extend(asked);
        }
        Ok(whole)
    }
}

fn missed(reader: &Reader, aggregate: &Aggregate) -> Result<Missed> {
    let before = reader.pruned(&aggregate.name)?;
    let is_there = |window: &Timestamp| {
        // A row that missed a session was one by itself.
        let missed = aggregate.window.starting(*window).or_else(|| aggregate.window.spans(*window).next());
        before.is_none_or(|before| missed.is_some_and(|missed| missed.end > before))
    };
    let (mut now, pruned): (Vec<_>, Vec<_>) = reader.missed(&aggregate.name)?.into_iter().partition(is_there);
    let most = if aggregate.window.is_session() { TIMES_MAX } else { WINDOWS_MAX };
    let later = now.split_off(now.len().min(most)).len();
    Ok(Missed { now, pruned: pruned.len(), later })
}
