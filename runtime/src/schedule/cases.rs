//! Test cases of a pipeline's schedules: time passes by a file, and what becomes of their runs is held against what is expected.
//!
//! A case is a folder: `input.jsonl` has what happens, a line each; `expected.jsonl` what becomes of runs, a line each. No job is done:
//! each run ends well at once, unless the case says otherwise.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::json;

use super::timetable::Timetable;
use crate::cache::StoredRuns;
use crate::commit::{Run, RunState};
use crate::config::plan::{Pipeline, Schedule};
use crate::error::{Error, Kind, OrFail, Result};
use crate::pipeline::cases::{Difference, compared};
use crate::time::Timestamp;

/// What happens, a line each.
const INPUT: &str = "input.jsonl";
/// What becomes of runs, a line each.
const EXPECTED: &str = "expected.jsonl";
/// More is a case that goes on for ever: a schedule of every minute for months.
const EVENTS_MAX: usize = 100_000;

/// What happens next in a case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
enum Step {
    /// Time passes up to then; the first says when the pipeline starts.
    #[serde(rename = "@now")]
    Now(String),
    /// From now on the runs of this schedule are under way until the case ends them.
    #[serde(rename = "@holds")]
    Holds(String),
    /// The run of this schedule that is under way ends well.
    #[serde(rename = "@ends")]
    Ends(String),
    /// The same, and it fails.
    #[serde(rename = "@fails")]
    Fails(String),
    /// Somebody asks for a run of this schedule.
    #[serde(rename = "@asks")]
    Asks(String),
    /// The process ends; the next time is that of a new start.
    #[serde(rename = "@stops")]
    Stops(bool),
}

/// A case that was played.
#[derive(Debug)]
pub struct Played {
    folder: PathBuf,
    /// What became of runs, a line each.
    lines: String,
}

/// The folder that has a pipeline's cases of schedules.
pub fn folder(pipeline: &Pipeline) -> PathBuf {
    pipeline.file.with_file_name("cases").join("schedules")
}

/// Plays a case.
///
/// Errors where its input cannot be read, names a schedule that is not declared, or goes back in time.
pub fn play(schedules: &[Schedule], folder: &Path) -> Result<Played> {
    let text = read(folder, INPUT)?;
    let mut player = Player {
        schedules,
        held: BTreeSet::new(),
        timetable: None,
        stored: StoredRuns::default(),
        now: None,
        times: BTreeSet::new(),
        lines: Vec::new(),
    };
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let step = serde_json::from_str(line).map_err(|cause| {
            let what = format!("{INPUT}: line {number}: {cause}");
            Error::new(Kind::Input, what).hint(
                "lines are {\"@now\": \"TIME\"}, {\"@holds\": \"NAME\"}, @ends, @fails, @asks, {\"@stops\": true}",
            )
        })?;
        player.step(step).map_err(|error| error.within(format!("{INPUT}: line {number}")))?;
    }
    let lines = player.lines.iter().map(|line| format!("{line}\n")).collect();
    Ok(Played { folder: folder.to_owned(), lines })
}

impl Played {
    /// Where it is not what the case expects.
    pub fn differences(&self) -> Result<Vec<Difference>> {
        compared(EXPECTED, &read(&self.folder, EXPECTED)?, &self.lines)
    }

    /// Makes it what the case expects; the file that was written, where it differed.
    pub fn update(&self) -> Result<Vec<PathBuf>> {
        let path = self.folder.join(EXPECTED);
        if path.exists() && self.differences()?.is_empty() {
            return Ok(Vec::new());
        }
        fs::write(&path, &self.lines).or_fail(Kind::Storage, || path.display().to_string())?;
        Ok(vec![path])
    }
}

struct Player<'a> {
    schedules: &'a [Schedule],
    held: BTreeSet<String>,
    /// None while the process does not run.
    timetable: Option<Timetable>,
    /// What is recorded.
    stored: StoredRuns,
    now: Option<Timestamp>,
    /// The times of each schedule that have a run.
    times: BTreeSet<(String, Timestamp)>,
    lines: Vec<serde_json::Value>,
}

impl Player<'_> {
    fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Now(time) => self.go_on(Timestamp::parse(&time)?),
            Step::Stops(stops) => {
                self.timetable = self.timetable.take().filter(|_| !stops);
                Ok(())
            }
            Step::Holds(name) => {
                self.known(&name)?;
                self.held.insert(name);
                Ok(())
            }
            Step::Asks(name) => {
                let now = self.running()?;
                let time = super::free(now, |time| Ok(self.times.contains(&(name.clone(), time))))?;
                let Some(timetable) = &mut self.timetable else { return Ok(()) };
                let (run, new) = timetable.ask(&name, time, None, now)?;
                if new {
                    self.record(&run);
                }
                self.work(now)
            }
            Step::Ends(name) => self.end(&name, Ok("it ended well".to_owned())),
            Step::Fails(name) => self.end(&name, Err(Error::new(Kind::Unavailable, "it failed"))),
        }
    }

    /// Lets time pass, from one thing that is due to the next.
    fn go_on(&mut self, upto: Timestamp) -> Result<()> {
        if let Some(now) = self.now.filter(|now| *now > upto) {
            return Err(Error::new(Kind::Input, format!("time goes back, from {now} to {upto}")));
        }
        let mut done = self.now.replace(upto).unwrap_or(Timestamp::MIN);
        if self.timetable.is_none() {
            let stored = StoredRuns { early: self.times.iter().cloned().collect(), ..self.stored.clone() };
            let (timetable, changes) = Timetable::restore(self.schedules, stored, upto);
            self.timetable = Some(timetable);
            self.take(changes.runs, changes.upto)?;
            return self.work(upto);
        }
        // A run for which there is no room waits on, though it is due.
        while let Some(due) =
            self.timetable.as_ref().and_then(|timetable| timetable.due(done)).filter(|due| *due <= upto)
        {
            done = due;
            let passed = self.timetable.as_mut().map(|timetable| timetable.pass(due)).unwrap_or_default();
            self.take(passed.runs, passed.upto)?;
            self.work(due)?;
        }
        Ok(())
    }

    /// Begins what may begin; what is not held ends well at once.
    fn work(&mut self, now: Timestamp) -> Result<()> {
        while let Some(timetable) = &mut self.timetable {
            let under_way = self.stored.open.iter().filter(|run| run.state == RunState::Runs).count();
            let begun = timetable.begin(super::RUNS_MAX.saturating_sub(under_way), now);
            if begun.is_empty() {
                break;
            }
            for run in begun {
                self.record(&run);
                if self.held.contains(&run.schedule) {
                    self.tell(&run, now)?;
                } else {
                    self.ended(run, Ok("it ended well".to_owned()), now)?;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, name: &str, came: Result<String>) -> Result<()> {
        self.known(name)?;
        let now = self.running()?;
        let under_way =
            self.stored.open.iter().find(|run| run.schedule == name && run.state == RunState::Runs).cloned();
        let run = under_way.ok_or_else(|| {
            let error = Error::new(Kind::Input, format!("schedule {name:?}: no run of it is under way"));
            error.hint("a line {\"@holds\": \"NAME\"} before keeps its runs under way")
        })?;
        self.ended(run, came, now)?;
        self.work(now)
    }

    fn ended(&mut self, run: Run, came: Result<String>, now: Timestamp) -> Result<()> {
        let Some(timetable) = &mut self.timetable else { return Ok(()) };
        let run = timetable.end(run, came, now);
        self.record(&run);
        self.tell(&run, now)
    }

    fn take(&mut self, runs: Vec<Run>, upto: Vec<(String, Timestamp)>) -> Result<()> {
        for (name, upto) in upto {
            self.stored.upto.retain(|(of, _)| *of != name);
            self.stored.upto.push((name, upto));
        }
        for run in runs {
            self.record(&run);
            if run.state == RunState::Skipped {
                self.tell(&run, run.ended.unwrap_or(run.time))?;
            }
        }
        Ok(())
    }

    /// Notes a run as the cache would.
    fn record(&mut self, run: &Run) {
        self.stored.last = self.stored.last.max(run.id);
        self.times.insert((run.schedule.clone(), run.time));
        match self.stored.open.iter_mut().find(|open| open.id == run.id) {
            Some(open) => open.clone_from(run),
            None => self.stored.open.push(run.clone()),
        }
        self.stored.open.retain(|open| open.state.is_open());
    }

    fn tell(&mut self, run: &Run, at: Timestamp) -> Result<()> {
        if self.lines.len() >= EVENTS_MAX {
            return Err(Error::new(Kind::Input, format!("more than {EVENTS_MAX} runs come of it")));
        }
        let (at, time, due) = (at.to_string(), run.time.to_string(), run.due.to_string());
        let mut line = json!({ "at": at, "schedule": run.schedule, "time": time, "state": run.state.word(), "attempt": run.attempt });
        if let (RunState::Waits, Some(fields)) = (run.state, line.as_object_mut()) {
            fields.insert("due".to_owned(), due.into());
        }
        self.lines.push(line);
        Ok(())
    }

    fn running(&self) -> Result<Timestamp> {
        let now = self.now.filter(|_| self.timetable.is_some());
        now.ok_or_else(|| {
            Error::new(Kind::Input, "the pipeline does not run").hint("a line {\"@now\": \"TIME\"} starts it")
        })
    }

    fn known(&self, name: &str) -> Result<()> {
        if self.schedules.iter().any(|schedule| schedule.name == name) {
            return Ok(());
        }
        let names: Vec<&str> = self.schedules.iter().map(|schedule| schedule.name.as_str()).collect();
        let error = Error::new(Kind::Missing, format!("schedule {name:?}: there is none"));
        Err(error.hint(format!("the schedules are {}", names.join(", "))))
    }
}

fn read(folder: &Path, file: &str) -> Result<String> {
    let path = folder.join(file);
    let error = |cause: std::io::Error| {
        let error = Error::new(crate::error::io_kind(&cause), format!("{file}: {cause}"));
        match file {
            EXPECTED => {
                error.hint("`tidemill test PIPELINE --update` writes what comes now; read it before you trust it")
            }
            _ => error.hint(format!("write {}, with {{\"@now\": \"TIME\"}} a line", path.display())),
        }
    };
    fs::read_to_string(&path).map_err(error)
}
