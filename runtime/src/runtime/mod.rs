//! The runtime: a pipeline started, watched, and stopped without losing what was taken.

mod ahead;
mod answers;
mod back;
mod claim;
mod feeds;
mod first;
mod landings;
mod offers;
#[cfg(test)]
mod panics;
mod rebuild;
mod redrive;
mod replay;
mod schedules;
mod shadow;
#[cfg(test)]
mod simulation;
mod sources;
mod spawn;
mod start;
mod status;
mod tap;
mod threads;
mod topics;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::component::Host;
use crate::config::plan::{self, Job, Pipeline};
use crate::error::{Error, Kind};
use crate::lake;
use crate::log::groups::Groups;
use crate::log::lock::DataLock;
use crate::metrics::Metrics;
use crate::pipeline::committer::{Health, Message};
use crate::pipeline::generation::Generation;
use crate::pipeline::prune::Pruner;
use crate::pipeline::shelf::Shelf;
use crate::pipeline::trial::Verdict;
use crate::pipeline::worker::{Command, Shown};
use crate::sync;
use crate::time::{Clock, Timestamp};

use self::answers::Answers;
use self::feeds::Feeds;
use self::landings::Landing;
use self::schedules::Scheduling;
use self::shadow::Shadowed;
use self::topics::Topics;

pub use self::answers::ROWS_MAX;
pub use self::feeds::{Follower, News, What};
pub use self::offers::{By, Offer, Offered};
pub use self::rebuild::{Rebuilt, rebuild};
pub use self::redrive::Letters;
pub use self::replay::{Replayed, apply, place, replay};
pub use self::shadow::{Gate, SHARE};
pub use self::start::Options;
pub use self::status::Status;
pub use self::tap::TAP_RECORDS_MAX;

/// How long an end waits for the outbox to empty; what is left is uploaded after the next start.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// A pipeline that runs.
pub struct Runtime {
    pipeline: Pipeline,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    host: Host,
    topics: Topics,
    groups: Groups,
    tables: Vec<Running>,
    landings: Vec<Landing>,
    answers: Arc<Answers>,
    feeds: Feeds,
    shelf: Arc<Shelf>,
    components: PathBuf,
    lake: Option<SocketAddr>,
    started: Timestamp,
    /// Where workers say that a generation which is in service has failed its trial.
    failures: Sender<Verdict>,
    threads: Mutex<Option<Threads>>,
    /// Held while retention is at work, for which an end waits before it gives the data folder up.
    retaining: tokio::sync::Mutex<()>,
}

/// A table at work.
struct Running {
    plan: plan::Table,
    workers: Vec<Worker>,
    generation: Mutex<InService>,
    /// Held while a component is offered, or a generation withdrawn.
    offers: Mutex<()>,
    shadow: Mutex<Option<Arc<Shadowed>>>,
    /// Held while a shadow begins or ends.
    shadowing: Mutex<()>,
    /// Held while dead letters are redriven.
    redrives: Mutex<()>,
}

/// The generation of a table, and what became of the last one that was offered.
struct InService {
    generation: Arc<Generation>,
    since: Timestamp,
    /// The one before it, in this process.
    before: Option<Arc<Generation>>,
    last_offer: Option<Offer>,
}

struct Worker {
    partition: u32,
    commands: Sender<Command>,
    thread: std::thread::Thread,
    shown: Shown,
}

/// What has to end in its order.
struct Threads {
    workers: Vec<JoinHandle<()>>,
    lander: JoinHandle<()>,
    uploaders: JoinSet<()>,
    uploads_end: watch::Sender<bool>,
    scheduling: Scheduling,
    committer: JoinHandle<()>,
    messages: SyncSender<Message>,
    server: Option<lake::Server>,
    _lock: DataLock,
}

impl Runtime {
    /// The pipeline as planned.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The figures.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The figures, for who outlives a borrow.
    pub fn shared_metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// What consumer groups have committed.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Where the embedded S3 endpoint listens, where there is one.
    pub fn lake_addr(&self) -> Option<SocketAddr> {
        self.lake
    }

    /// Why the process has to end and be started again; none while it can go on.
    pub fn fatal(&self) -> Option<Error> {
        if let Some(unsynced) = self.unsynced() {
            return Some(unsynced);
        }
        if self.health.dead() {
            let why = self.health.trouble().map(|trouble| trouble.why).unwrap_or_default();
            return Some(Error::new(Kind::Internal, format!("commit: {why}")));
        }
        let poisoned = self.topics.all().into_iter().find(|topic| topic.poisoned())?;
        let what = format!("topic {:?}: what its disk holds is not known", poisoned.name());
        Some(Error::new(Kind::Storage, what))
    }

    /// The sync that failed, if one has: what the disk holds is not known.
    pub fn unsynced(&self) -> Option<Error> {
        let cause = sync::failed()?;
        let what = format!("data folder {:?}: a sync to the disk has failed: {cause}", self.pipeline.data);
        Some(Error::new(Kind::Storage, what).hint("check the disk and start again: what was acknowledged is kept"))
    }

    /// Removes from topics and cache what retention no longer keeps and nothing still needs.
    pub fn retain(&self) {
        static TOLD: Once = Once::new();
        let (now, aged) = (self.clock.now(), self.clock.aged());
        if now > aged {
            TOLD.call_once(|| {
                tracing::warn!(%now, by_then = %aged, "the clock has jumped ahead: until the next start retention goes by the time that has passed");
            });
        }
        let _at_work = self.retaining.blocking_lock();
        self.prune();
        for topic in self.topics.all().into_iter().take_while(|_| lock(&self.threads).is_some()) {
            let name = topic.name();
            let needed = |partition| {
                let readers = self.pipeline.readers(name);
                readers.map(|reader| self.health.committed(reader, partition)).min().unwrap_or(u64::MAX)
            };
            let needed: Vec<u64> = (0..topic.partitions()).map(needed).collect();
            if let Err(error) = topic.retain(aged, &needed) {
                tracing::warn!(topic = name, error = error.message(), "retention failed");
            }
        }
    }

    /// Removes from the cache what retention no longer keeps, unless a schedule is there for it.
    fn prune(&self) {
        let plans = || self.pipeline.tables.iter().filter(|plan| plan.retention.is_bounded());
        let scheduled = self.pipeline.schedules.iter().any(|schedule| schedule.job == Job::Prune);
        let messages = lock(&self.threads).as_ref().map(|threads| threads.messages.clone());
        let Some(committer) = messages.filter(|_| !scheduled) else { return };
        let ends = || lock(&self.threads).is_none();
        let pruner = Pruner { cache: &self.answers.cache, committer: &committer, now: self.clock.aged(), ends: &ends };
        for plan in plans() {
            if let Err(error) = pruner.prune(plan) {
                tracing::warn!(table = plan.name, error = error.message(), "retention failed");
            }
        }
    }

    /// Ends it: workers hand over what they have, all of that is committed, what can be uploaded is.
    pub async fn stop(&self) {
        let Some(threads) = lock(&self.threads).take() else { return };
        self.health.end();
        for worker in self.tables.iter().flat_map(|running| &running.workers) {
            let _ = worker.commands.send(Command::Stop);
            worker.thread.unpark();
        }
        self.landings.iter().for_each(Landing::stop);
        let Threads { workers, lander, mut uploaders, uploads_end, scheduling, committer, messages, server, _lock } =
            threads;
        scheduling.stop().await;
        join(workers).await;
        self.shelf.end();
        join(vec![lander]).await;
        if sync::failed().is_some() {
            // Nothing can be promised any more, so nothing is to be waited for.
            let _ = uploads_end.send(true);
        }
        let drain = async { while uploaders.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_TIME_MAX, drain).await.is_err() {
            tracing::warn!(
                objects = self.shelf.stock().objects,
                "outbox not empty, the rest is uploaded after the next start"
            );
            let _ = uploads_end.send(true);
            while uploaders.join_next().await.is_some() {}
        }
        drop(messages);
        join(vec![committer]).await;
        drop(self.retaining.lock().await);
        for topic in self.topics.all() {
            if let Err(error) = topic.close() {
                tracing::error!(topic = topic.name(), error = error.message(), "topic not closed");
            }
        }
        if let Some(mut server) = server {
            server.stop().await;
        }
    }
}

/// Waits for threads without holding one of tokio's.
async fn join(threads: Vec<JoinHandle<()>>) {
    let joined =
        tokio::task::spawn_blocking(move || threads.into_iter().map(JoinHandle::join).all(|ended| ended.is_ok()));
    if !joined.await.unwrap_or(false) {
        tracing::error!("a thread of the pipeline had panicked");
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
