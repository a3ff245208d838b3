//! The threads and tasks of a pipeline, each set going with what it needs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{SyncSender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use hashbrown::HashMap;
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

/// A worker for each partition of each table, each going on where its last commit left it.
pub(super) fn workers(
    pipeline: &Pipeline,
    topics: &BTreeMap<String, Arc<Topic>>,
    tables: &Tables,
    store: &Store,
    aggregates: &Aggregates,
    onward: Onward<'_>,
    clock: &Arc<Clock>,
) -> Result<(Vec<Running>, Vec<JoinHandle<()>>)> {
    let positions = store.positions()?;
    let positions: HashMap<(&str, u32), &Epoch> =
        positions.iter().map(|line| ((line.table.as_str(), line.partition), line)).collect();
    let (mut running, mut threads) = (Vec::new(), Vec::new());
    for generation in tables {
        let plan = &generation.table.plan;
        let name = &plan.name;
        let works = store.works(name, generation.number)?;
        let mut workers = Vec::new();
        for partition in 0..partitions(pipeline, topics, &plan.topic) {
            let first = Epoch { table: name.clone(), partition, watermark: Timestamp::MIN, ..Epoch::default() };
            let position = positions.get(&(name.as_str(), partition)).map_or(first, |line| (*line).clone());
            if let Some(topic) = topics.get(&plan.topic).filter(|topic| topic.refusal(partition).is_none()) {
                topic.resume(partition, position.next, position.watermark)?;
            }
            let (commands, told) = channel();
            let shown = worker::Shown::default();
            let setup = worker::Setup {
                name: Arc::from(name.as_str()),
                source: source::open(pipeline, topics, &plan.topic, partition, position.next)?,
                position,
                generation: Arc::clone(generation),
                trial: None,
                fared: fared(&works, partition),
                fared_before: Fared::default(),
                shadow: None,
                swap_began: None,
                commands: told,
                bounds: pipeline.epoch.clone(),
                profile: Profile::default(),
                watermarks: aggregates.watermarks(name, partition),
                shelf: Arc::clone(onward.shelf),
                committer: onward.messages.clone(),
                shown: Arc::clone(&shown),
                clock: Arc::clone(clock),
            };
            let thread = spawn::worker(setup)?;
            workers.push(Worker { partition, commands, thread: thread.thread().clone(), shown });
            threads.push(thread);
        }
        let generation = Arc::clone(generation);
        let in_service = InService { generation, since: clock.now(), before: None, last_offer: None };
        let generation = Mutex::new(in_service);
        let (offers, shadow, shadowing, redrives) =
            (Mutex::default(), Mutex::default(), Mutex::default(), Mutex::default());
        running.push(Running { plan: plan.clone(), workers, generation, offers, shadow, shadowing, redrives });
    }
    Ok((running, threads))
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
    for table in onward.shelf.tables(pipeline.tables.iter().map(|table| table.name.as_str())) {
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
