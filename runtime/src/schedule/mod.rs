//! Schedules: jobs by the calendar and the clock. Each run is recorded before it begins, and again when it has ended.

pub mod cases;
mod jobs;
mod timetable;

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use self::timetable::{Changes, Timetable};
use crate::cache::StoredRuns;
use crate::cache::query::Reader;
use crate::commit::Run;
use crate::component::Host;
use crate::config::plan::Pipeline;
use crate::disk;
use crate::error::{Error, Kind, OrFail, Result, panic_text};
use crate::lake::Bucket;
use crate::pipeline::committer::{Message, Recorded};
use crate::pipeline::places::Places;
use crate::time::{Clock, Timestamp};

/// Questions that wait for the schedules; more make who asks wait.
pub const ASKS_MAX: usize = 16;
/// Runs that are under way at one time.
const RUNS_MAX: usize = 4;
/// How often it is looked whether something is due.
const LOOK_TIME: Duration = Duration::from_millis(500);

/// What schedules work with.
#[derive(Clone)]
pub struct Setup {
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// Where its things lie.
    pub places: Places,
    /// What components are looked at with.
    pub host: Host,
    /// Where exports go.
    pub bucket: Arc<Bucket>,
    /// Who writes the cache's file.
    pub committer: SyncSender<Message>,
    /// The time.
    pub clock: Arc<Clock>,
    /// Turns true when nothing more is to be begun.
    pub stop: watch::Receiver<bool>,
}

/// Somebody asks for a run.
pub struct Ask {
    /// The schedule.
    pub schedule: String,
    /// The time that the run is for; now where it is absent.
    pub time: Option<Timestamp>,
    /// Told of the run once it is recorded.
    pub answer: oneshot::Sender<Result<Run>>,
}

/// Does what is due, and what is asked for, until it has to stop or nothing can be recorded any more.
pub async fn run(setup: Setup, stored: StoredRuns, mut asks: mpsc::Receiver<Ask>) {
    let (mut timetable, changes) = Timetable::restore(&setup.pipeline.schedules, stored, setup.clock.now());
    setup.sweep(&timetable);
    let (mut stop, mut jobs, mut changes) = (setup.stop.clone(), JoinSet::new(), changes);
    let mut look = tokio::time::interval(LOOK_TIME);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let now = setup.clock.now();
        let passed = timetable.pass(now);
        changes.runs.extend(passed.runs);
        changes.upto.extend(passed.upto);
        let begun = timetable.begin(RUNS_MAX.saturating_sub(jobs.len()), now);
        changes.runs.extend(begun.iter().cloned());
        if !changes.is_empty() && !setup.record(std::mem::take(&mut changes)).await {
            return;
        }
        for run in begun {
            if let Some(plan) = timetable.plan(&run.schedule).cloned() {
                jobs.spawn(caught(setup.clone(), plan, run));
            }
        }
        tokio::select! {
            biased;
            // What an end cuts off has not failed: it begins again.
            () = stopped(&mut stop) => return,
            _ = look.tick() => {}
            Some(ended) = jobs.join_next(), if !jobs.is_empty() => {
                let Ok((run, came)) = ended else { continue };
                let ended = timetable.end(run, came, setup.clock.now());
                setup.tell(&ended);
                if !setup.record(Changes { runs: vec![ended], ..Changes::default() }).await {
                    return;
                }
                setup.sweep(&timetable);
            }
            Some(ask) = asks.recv() => setup.answer(&mut timetable, ask).await,
        }
    }
}

/// Returns when it has to stop, or nobody is left who could say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A run's job; a panic in it is the run's failure.
async fn caught(setup: Setup, plan: crate::config::plan::Schedule, run: Run) -> (Run, Result<String>) {
    let mut worked = run.clone();
    let job = AssertUnwindSafe(jobs::work(&setup, &plan, &mut worked)).catch_unwind();
    match job.await {
        Ok(came) => (worked, came),
        Err(panic) => (run, Err(Error::new(Kind::Internal, format!("it panicked: {}", panic_text(panic.as_ref()))))),
    }
}

impl Setup {
    /// Records changes; false where nobody records any more.
    async fn record(&self, changes: Changes) -> bool {
        let Changes { runs, upto } = changes;
        let (done, recorded) = oneshot::channel();
        let (committer, message) = (self.committer.clone(), Message::Runs(Recorded { runs, upto, done }));
        let sent = tokio::task::spawn_blocking(move || committer.send(message).is_ok());
        sent.await.unwrap_or(false) && recorded.await.is_ok()
    }

    async fn answer(&self, timetable: &mut Timetable, ask: Ask) {
        let now = self.clock.now();
        let Ask { schedule, time, answer } = ask;
        let (cache, name) = (self.places.cache.clone(), schedule.clone());
        let asked_for = time;
        let found = tokio::task::spawn_blocking(move || {
            let reader = Reader::open(&cache)?;
            match asked_for {
                Some(time) => Ok((time, reader.run_at(&name, time)?)),
                None => free(now, |time| Ok(reader.run_at(&name, time)?.is_some())).map(|time| (time, None)),
            }
        });
        let found = found.await.or_fail(Kind::Internal, || "schedule").flatten();
        let asked = found.and_then(|(time, known)| timetable.ask(&schedule, time, known, now));
        let told = match asked {
            Ok((run, true)) => match self.record(Changes { runs: vec![run.clone()], ..Changes::default() }).await {
                true => Ok(run),
                false => Err(Error::new(Kind::Unavailable, format!("schedule {schedule:?}: the pipeline is ending"))),
            },
            Ok((run, false)) => Ok(run),
            Err(error) => Err(error),
        };
        // Who asked may have gone.
        let _ = answer.send(told);
    }

    /// Removes what no run needs any more from the folder of exports.
    fn sweep(&self, timetable: &Timetable) {
        for file in disk::list(self.exports()).unwrap_or_default() {
            let id = file.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok());
            if !id.is_some_and(|id| timetable.is_open(id))
                && let Err(error) = disk::remove_file(&file)
            {
                tracing::warn!(?file, %error, "file of an export not removed");
            }
        }
    }

    fn exports(&self) -> PathBuf {
        self.places.exports.clone()
    }

    fn tell(&self, run: &Run) {
        let (schedule, id, state) = (&run.schedule, run.id, run.state.word());
        let said = run.log.lines().last().unwrap_or_default();
        tracing::info!(schedule, id, state, attempt = run.attempt, said, "run of a schedule");
    }
}

/// The first whole second from now on for which the schedule has no run yet.
fn free(now: Timestamp, has_run: impl Fn(Timestamp) -> Result<bool>) -> Result<Timestamp> {
    let mut time = now.floor(Duration::from_secs(1));
    while has_run(time)? {
        time = time.plus(Duration::from_secs(1));
    }
    Ok(time)
}
