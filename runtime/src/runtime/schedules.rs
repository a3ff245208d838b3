//! Runs of schedules in a pipeline that runs: asked for, looked at.

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::{Runtime, lock};
use crate::commit::Run;
use crate::error::{Error, Kind, Result};
use crate::schedule::Ask;
use crate::time::Timestamp;

/// The task that does what is due, and how it is ended.
pub(super) struct Scheduling {
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) end: watch::Sender<bool>,
    pub(super) task: JoinHandle<()>,
}

impl Scheduling {
    /// Ends it; runs that are under way begin again after the next start.
    pub(super) async fn stop(self) {
        let _ = self.end.send(true);
        if self.task.await.is_err() {
            tracing::error!("the schedules had panicked");
        }
    }
}

impl Runtime {
    /// Starts a run of a schedule: for a time, or for now. It is recorded when this returns; a time's run is done once.
    ///
    /// Errors with `Kind::Missing` where there is no such schedule, with `Kind::Busy` where too many runs wait, with
    /// `Kind::Unavailable` where the pipeline ends.
    pub async fn start_run(&self, schedule: &str, time: Option<Timestamp>) -> Result<Run> {
        self.declared(schedule)?;
        let ending = || Error::new(Kind::Unavailable, format!("schedule {schedule:?}: the pipeline is ending"));
        let (answer, answered) = oneshot::channel();
        let asks = lock(&self.threads).as_ref().map(|threads| threads.scheduling.asks.clone());
        let ask = Ask { schedule: schedule.to_owned(), time, answer };
        asks.ok_or_else(ending)?.send(ask).await.map_err(|_| ending())?;
        answered.await.map_err(|_| ending())?
    }

    /// A run of a schedule by its number.
    pub fn schedule_run(&self, schedule: &str, id: u64) -> Result<Run> {
        self.declared(schedule)?;
        let found = self.answers.with_reader(|reader| reader.run_of(schedule, id))?;
        found.ok_or_else(|| Error::new(Kind::Missing, format!("schedule {schedule:?}: it has no run {id}")))
    }

    /// The last runs of a schedule, the latest first.
    pub fn schedule_runs(&self, schedule: &str, limit: usize) -> Result<Vec<Run>> {
        self.declared(schedule)?;
        self.answers.with_reader(|reader| reader.runs(Some(schedule), limit))
    }

    fn declared(&self, schedule: &str) -> Result<()> {
        let mut names = self.pipeline.schedules.iter().map(|plan| plan.name.as_str());
        if names.any(|name| name == schedule) {
            return Ok(());
        }
        let names: Vec<&str> = self.pipeline.schedules.iter().map(|plan| plan.name.as_str()).collect();
        let error = Error::new(Kind::Missing, format!("schedule {schedule:?}: there is none"));
        Err(if names.is_empty() { error } else { error.hint(format!("there are {}", names.join(", "))) })
    }
}
