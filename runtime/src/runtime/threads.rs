//! The threads and tasks of a pipeline, each set going with what it needs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Sender, SyncSender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::spawn::{self, Vital};
use super::start::{Tables, partitions};
use super::{InService, Running, Worker};
use crate::cache::{Store, Work};
use crate::commit::Epoch;
use crate::config::plan::Pipeline;
use crate::error::Result;
use crate::lake::{Backoff, Bucket, Profile};
use crate::log::Topic;
use crate::metrics::Metrics;
use crate::pipeline::aggregates::Aggregates;
use crate::pipeline::committer::Message;
use crate::pipeline::generation::Generation;
use crate::pipeline::shelf::Shelf;
use crate::pipeline::trial::Fared;
use crate::pipeline::{lander, source, uploader, worker};
use crate::time::{Clock, Timestamp};

/// Where what the workers make goes: by the committer to the shelf.
#[derive(Clone, Copy)]
pub(super) struct Onward<'a> {
    pub(super) shelf: &'a Arc<Shelf>,
    pub(super) messages: &'a SyncSender<Message>,
}

/// What workers begin with.
pub(super) struct Beginning<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) topics: &'a BTreeMap<String, Arc<Topic>>,
    pub(super) store: &'a Store,
    pub(super) aggregates: &'a Aggregates,
    pub(super) spool: &'a Path,
    pub(super) onward: Onward<'a>,
    pub(super) clock: &'a Arc<Clock>,
}

impl Beginning<'_> {
    /// A worker for each partition of each table, each going on where its last commit left it.
    pub(super) fn workers(&self, tables: &Tables) -> Result<(Vec<Running>, Vec<JoinHandle<()>>)> {
        let (mut running, mut threads) = (Vec::new(), Vec::new());
        for generation in tables {
            let plan = &generation.table.plan;
            let mut workers = Vec::new();
            for (setup, commands) in self.setups(generation)? {
                let (partition, shown) = (setup.position.partition, Arc::clone(&setup.shown));
                let thread = spawn::worker(setup)?;
                workers.push(Worker { partition, commands, thread: thread.thread().clone(), shown });
                threads.push(thread);
            }
            let generation = Arc::clone(generation);
            let in_service = InService { generation, since: self.clock.now(), before: None, last_offer: None };
            let generation = Mutex::new(in_service);
            let (offers, shadow, shadowing, redrives) =
                (Mutex::default(), Mutex::default(), Mutex::default(), Mutex::default());
            running.push(Running { plan: plan.clone(), workers, generation, offers, shadow, shadowing, redrives });
        }
        Ok((running, threads))
    }

    /// What the worker of each partition of a table needs, and who tells it what to do.
    pub(super) fn setups(&self, generation: &Arc<Generation>) -> Result<Vec<(worker::Setup, Sender<worker::Command>)>> {
        let plan = &generation.table.plan;
        let name = &plan.name;
        let (positions, works) = (self.store.positions()?, self.store.works(name, generation.number)?);
        let mut setups = Vec::new();
        for partition in 0..partitions(self.pipeline, self.topics, &plan.topic) {
            let first = Epoch { table: name.clone(), partition, watermark: Timestamp::MIN, ..Epoch::default() };
            let line = positions.iter().find(|line| line.table == *name && line.partition == partition);
            let position = line.cloned().unwrap_or(first);
            let (commands, told) = channel();
            let setup = worker::Setup {
                name: Arc::from(name.as_str()),
                source: source::open(self.pipeline, self.topics, &plan.topic, partition, position.next)?,
                position,
                generation: Arc::clone(generation),
                trial: None,
                fared: fared(&works, partition),
                fared_before: Fared::default(),
                shadow: None,
                swap_began: None,
                commands: told,
                bounds: self.pipeline.epoch.clone(),
                profile: Profile::default(),
                settled: Timestamp::MIN,
                watermarks: self.aggregates.watermarks(name, partition),
                shelf: Arc::clone(self.onward.shelf),
                committer: self.onward.messages.clone(),
                shown: worker::Shown::default(),
                clock: Arc::clone(self.clock),
            };
            if let Some(topic) = self.topics.get(&plan.topic).filter(|topic| topic.refusal(partition).is_none()) {
                topic.resume(partition, setup.position.next, setup.floor())?;
            }
            setups.push((setup, commands));
        }
        Ok(setups)
    }
}

fn fared(works: &[Work], partition: u32) -> Fared {
    let work = works.iter().find(|work| work.partition == partition);
    work.map_or_else(Fared::default, |work| Fared {
        records: work.records,
        rejected: work.rejected,
        ..Fared::default()
    })
}

/// The lander, which takes segments from the shelf.
pub(super) fn lander(
    pipeline: &Pipeline,
    spool: &Path,
    shelf: &Arc<Shelf>,
    messages: &SyncSender<Message>,
    vital: &Vital,
) -> Result<JoinHandle<()>> {
    let setup = lander::Setup {
        shelf: Arc::clone(shelf),
        spool: spool.to_owned(),
        lake: pipeline.lake.clone(),
        topics: pipeline.tables.iter().map(|table| (table.name.clone(), table.topic.clone())).collect(),
        committer: messages.clone(),
    };
    vital.thread("lander", move || lander::run(&setup))
}

/// The uploaders, each taking the objects of one table from the shelf, and what makes them stop.
pub(super) fn uploaders(
    pipeline: &Pipeline,
    spool: &Path,
    onward: Onward<'_>,
    bucket: &Arc<Bucket>,
    metrics: &Arc<Metrics>,
    vital: &Vital,
) -> (JoinSet<()>, watch::Sender<bool>) {
    let (end, stop) = watch::channel(false);
    let mut uploaders = JoinSet::new();
    for table in onward.shelf.tables(pipeline.lanes()) {
        let setup = uploader::Setup {
            table: Arc::from(table),
            shelf: Arc::clone(onward.shelf),
            spool: spool.to_owned(),
            bucket: Arc::clone(bucket),
            backoff: Backoff::upto(pipeline.lake.patience.pause),
            committer: onward.messages.clone(),
            metrics: Arc::clone(metrics),
            stop: stop.clone(),
        };
        for _ in 0..uploader::UPLOADS_MAX {
            uploaders.spawn(vital.clone().task(uploader::run(setup.clone())));
        }
    }
    (uploaders, end)
}
