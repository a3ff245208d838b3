//! The timetable: which runs there are to be, which may begin, what becomes of those that end. It knows no clock.

use std::collections::{BTreeSet, VecDeque};

use crate::cache::StoredRuns;
use crate::commit::{Run, RunState};
use crate::config::plan::{Overlap, Schedule};
use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;

/// The most times that are made up for, and runs of a schedule that wait.
const WAITING_MAX: usize = 100;
/// The longest pause before a run is tried again.
const RETRY_DELAY_MAX: std::time::Duration = std::time::Duration::from_hours(24);
/// The most bytes of a run's log; the latest stay.
const LOG_BYTES_MAX: usize = 4 << 10;

/// All schedules of a pipeline, with their runs that have not ended.
pub(super) struct Timetable {
    entries: Vec<Entry>,
    last: u64,
}

struct Entry {
    plan: Schedule,
    /// Up to when its times have become runs.
    upto: Timestamp,
    /// The first time after that.
    next: Option<Timestamp>,
    /// Times from then on that have their run already: somebody asked for it.
    early: BTreeSet<Timestamp>,
    /// Its runs that have not ended, in the order in which they are done.
    open: VecDeque<Run>,
}

/// What is to be recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Runs as they stand now.
    pub(super) runs: Vec<Run>,
    /// Up to when the times of schedules have become runs.
    pub(super) upto: Vec<(String, Timestamp)>,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.upto.is_empty()
    }
}

impl Timetable {
    /// The schedules as they were left. Runs that were cut off begin again; times that have passed since are made up for where
    /// the schedule says so.
    pub(super) fn restore(plans: &[Schedule], stored: StoredRuns, now: Timestamp) -> (Self, Changes) {
        let mut changes = Changes::default();
        let mut timetable = Self { entries: Vec::new(), last: stored.last };
        for plan in plans {
            let upto = stored.upto.iter().find(|(name, _)| *name == plan.name).map_or(now, |(_, upto)| *upto);
            let early = stored.early.iter().filter(|(name, _)| *name == plan.name).map(|(_, time)| *time).collect();
            timetable.entries.push(Entry { plan: plan.clone(), upto, next: None, early, open: VecDeque::new() });
        }
        for mut run in stored.open {
            let entry = timetable.entries.iter_mut().find(|entry| entry.plan.name == run.schedule);
            if run.state == RunState::Runs {
                run.attempt = run.attempt.saturating_sub(1);
                (run.state, run.due) = (RunState::Waits, now);
                note(&mut run, "it was cut off by the end of the process, and begins again");
                changes.runs.push(run.clone());
            }
            match entry {
                Some(entry) => entry.open.push_back(run),
                None => {
                    (run.state, run.ended) = (RunState::Failed, Some(now));
                    note(&mut run, "its schedule is no longer declared");
                    changes.runs.retain(|other| other.id != run.id);
                    changes.runs.push(run);
                }
            }
        }
        for index in 0..timetable.entries.len() {
            let Some(entry) = timetable.entries.get_mut(index) else { continue };
            let missed = if entry.plan.catch_up { entry.times(now) } else { Vec::new() };
            let made_up = entry.move_to(now, missed);
            changes.upto.push((entry.plan.name.clone(), entry.upto));
            for time in made_up {
                changes.runs.push(timetable.add(index, time, false, now));
            }
        }
        (timetable, changes)
    }

    /// Lets time pass: what has come due becomes runs.
    pub(super) fn pass(&mut self, now: Timestamp) -> Changes {
        let mut changes = Changes::default();
        for index in 0..self.entries.len() {
            let Some(entry) = self.entries.get_mut(index) else { continue };
            if entry.next.is_none_or(|next| next > now) {
                continue;
            }
            let mut times = entry.times(now);
            let several = times.len() > 1 && entry.plan.catch_up;
            if !several {
                // The machine slept, or its clock was put forward: the last of what it missed is enough.
                times.drain(..times.len().saturating_sub(1));
            }
            let skips = entry.plan.overlap == Overlap::Skip && !entry.open.is_empty() && !several;
            let times = entry.move_to(now, times);
            changes.upto.push((entry.plan.name.clone(), entry.upto));
            let full = entry.open.len() >= WAITING_MAX;
            for time in times {
                let run = match skips || full {
                    true => self.passed_over(index, time, now),
                    false => self.add(index, time, false, now),
                };
                changes.runs.push(run);
            }
        }
        changes
    }

    /// A run that somebody asks for: for a time, or for now. `known` is the run for that time, where there is one: it is done again
    /// unless it has done its work, or is under way.
    ///
    /// Errors with `Kind::Missing` where there is no such schedule, with `Kind::Busy` where too many wait.
    pub(super) fn ask(
        &mut self,
        name: &str,
        time: Timestamp,
        known: Option<Run>,
        now: Timestamp,
    ) -> Result<(Run, bool)> {
        let index = self.entries.iter().position(|entry| entry.plan.name == name).ok_or_else(|| self.unknown(name))?;
        let open = |entry: &Entry| entry.open.iter().find(|run| run.time == time).cloned();
        if let Some(run) = self.entries.get(index).and_then(open) {
            return Ok((run, false));
        }
        if self.entries.get(index).is_some_and(|entry| entry.open.len() >= WAITING_MAX) {
            return Err(Error::new(Kind::Busy, format!("schedule {name:?}: {WAITING_MAX} runs wait")));
        }
        match known {
            Some(run) if run.state == RunState::Done => Ok((run, false)),
            Some(mut run) => {
                (run.state, run.attempt, run.due, run.ended) = (RunState::Waits, 0, now, None);
                note(&mut run, "it was asked for again");
                self.wait(index, run.clone());
                Ok((run, true))
            }
            None => {
                if let Some(entry) = self.entries.get_mut(index) {
                    entry.note_early(time);
                }
                Ok((self.add(index, time, true, now), true))
            }
        }
    }

    /// The runs that begin now, at most so many: of each schedule one at a time.
    pub(super) fn begin(&mut self, room: usize, now: Timestamp) -> Vec<Run> {
        let firsts = self.entries.iter_mut().filter_map(|entry| entry.open.front_mut());
        let due = firsts.filter(|run| run.state == RunState::Waits && run.due <= now);
        let begin = |run: &mut Run| {
            (run.state, run.started) = (RunState::Runs, Some(now));
            run.attempt += 1;
            run.clone()
        };
        due.take(room).map(begin).collect()
    }

    /// What becomes of a run that has come to an end.
    pub(super) fn end(&mut self, mut run: Run, came: Result<String>, now: Timestamp) -> Run {
        let entry = self.entries.iter_mut().find(|entry| entry.plan.name == run.schedule);
        let plan = entry.as_ref().map(|entry| &entry.plan);
        let again = plan.filter(|plan| run.attempt <= plan.retries).map(|plan| plan.retry_delay);
        match (came, again) {
            (Ok(said), _) => {
                (run.state, run.ended) = (RunState::Done, Some(now));
                note(&mut run, &said);
            }
            (Err(error), Some(delay)) => {
                let doubled =
                    delay.saturating_mul(1_u32.checked_shl(run.attempt.saturating_sub(1)).unwrap_or(u32::MAX));
                (run.state, run.due) = (RunState::Waits, now.plus(doubled.min(RETRY_DELAY_MAX)));
                let attempt = run.attempt;
                note(&mut run, &format!("attempt {attempt}: {}", error.line()));
            }
            (Err(error), None) => {
                (run.state, run.ended) = (RunState::Failed, Some(now));
                let attempt = run.attempt;
                note(&mut run, &format!("attempt {attempt}: {}", error.line()));
            }
        }
        if let Some(entry) = entry {
            match entry.open.iter_mut().find(|open| open.id == run.id) {
                Some(open) if run.state.is_open() => open.clone_from(&run),
                _ => entry.open.retain(|open| open.id != run.id),
            }
        }
        run
    }

    /// When, after a time, something happens next without anybody's doing: a time comes, or a run that waits may begin.
    pub(super) fn due(&self, after: Timestamp) -> Option<Timestamp> {
        let waits = |entry: &Entry| entry.open.front().filter(|run| run.state == RunState::Waits).map(|run| run.due);
        self.entries.iter().flat_map(|entry| [entry.next, waits(entry)]).flatten().filter(|due| *due > after).min()
    }

    /// The plan of a schedule.
    pub(super) fn plan(&self, name: &str) -> Option<&Schedule> {
        self.entries.iter().map(|entry| &entry.plan).find(|plan| plan.name == name)
    }

    /// Whether a run has not ended.
    pub(super) fn is_open(&self, id: u64) -> bool {
        self.entries.iter().flat_map(|entry| &entry.open).any(|run| run.id == id)
    }

    /// A run that waits.
    fn add(&mut self, index: usize, time: Timestamp, asked: bool, now: Timestamp) -> Run {
        let run = self.new_run(index, time, asked, now);
        self.wait(index, run.clone());
        run
    }

    fn wait(&mut self, index: usize, run: Run) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.open.push_back(run);
        }
    }

    fn passed_over(&mut self, index: usize, time: Timestamp, now: Timestamp) -> Run {
        let mut run = self.new_run(index, time, false, now);
        (run.state, run.ended) = (RunState::Skipped, Some(now));
        note(&mut run, "it was passed over: the run before it has not ended");
        run
    }

    fn new_run(&mut self, index: usize, time: Timestamp, asked: bool, now: Timestamp) -> Run {
        self.last += 1;
        let schedule = self.entries.get(index).map(|entry| entry.plan.name.clone()).unwrap_or_default();
        Run {
            id: self.last,
            schedule,
            time,
            asked,
            state: RunState::Waits,
            attempt: 0,
            due: now,
            started: None,
            ended: None,
            object: None,
            log: String::new(),
        }
    }

    fn unknown(&self, name: &str) -> Error {
        let error = Error::new(Kind::Missing, format!("schedule {name:?}: there is none"));
        let names: Vec<&str> = self.entries.iter().map(|entry| entry.plan.name.as_str()).collect();
        if names.is_empty() { error } else { error.hint(format!("there are {}", names.join(", "))) }
    }
}

impl Entry {
    /// Its times that have passed since, the latest of them.
    fn times(&self, now: Timestamp) -> Vec<Timestamp> {
        self.plan.cron.latest(self.upto, now, &self.plan.zone, WAITING_MAX)
    }

    /// Moves on to a time; of those times that have passed, the ones that have no run yet.
    fn move_to(&mut self, now: Timestamp, mut passed: Vec<Timestamp>) -> Vec<Timestamp> {
        // A clock that was put back makes no time come twice.
        self.upto = self.upto.max(now);
        self.next = self.plan.cron.after(self.upto, &self.plan.zone);
        passed.retain(|time| !self.early.contains(time));
        let upto = self.upto;
        self.early.retain(|time| *time > upto);
        passed
    }

    /// Notes that a time has its run, in case it has yet to come.
    fn note_early(&mut self, time: Timestamp) {
        if self.next.is_some_and(|next| time >= next) {
            self.early.insert(time);
        }
    }
}

/// Adds a line to a run's log.
fn note(run: &mut Run, line: &str) {
    run.log.push_str(line.trim_end());
    run.log.push('\n');
    if run.log.len() > LOG_BYTES_MAX {
        let from = (run.log.len() - LOG_BYTES_MAX..run.log.len()).find(|at| run.log.is_char_boundary(*at));
        run.log.drain(..from.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests;
