//! The landings of a running pipeline: their workers, started and shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{JoinHandle, Thread};

use serde::Serialize;

use super::start::partitions;
use super::threads::Beginning;
use super::{lock, spawn};
use crate::commit::Epoch;
use crate::config::plan;
use crate::error::{Error, Kind, Result};
use crate::lake;
use crate::pipeline::landing::{Setup, Shown, State};
use crate::pipeline::source;
use crate::time::Timestamp;

/// A landing at work.
pub(super) struct Landing {
    pub(super) plan: plan::Landing,
    workers: Vec<Worker>,
}

struct Worker {
    partition: u32,
    stop: Sender<()>,
    thread: Thread,
    shown: Shown,
}

/// What a landing shows of itself.
#[derive(Debug, Serialize)]
pub(super) struct LandingStatus {
    topic: String,
    workers: BTreeMap<u32, State>,
}

impl Landing {
    pub(super) fn status(&self) -> LandingStatus {
        let workers = self.workers.iter().map(|worker| (worker.partition, lock(&worker.shown).clone())).collect();
        LandingStatus { topic: self.plan.topic.clone(), workers }
    }

    /// Its workers by their partitions, as they show themselves.
    pub(super) fn states(&self) -> impl Iterator<Item = (u32, State)> {
        self.workers.iter().map(|worker| (worker.partition, lock(&worker.shown).clone()))
    }

    pub(super) fn stop(&self) {
        for worker in &self.workers {
            // One that has ended hears nothing.
            let _ = worker.stop.send(());
            worker.thread.unpark();
        }
    }
}

impl Beginning<'_> {
    /// A worker for each partition of each landing, each going on where its last commit left it.
    pub(super) fn landings(&self) -> Result<(Vec<Landing>, Vec<JoinHandle<()>>)> {
        let positions = self.store.positions()?;
        let (mut landings, mut threads) = (Vec::new(), Vec::new());
        for plan in &self.pipeline.landings {
            let mut workers = Vec::new();
            for partition in 0..partitions(self.pipeline, self.topics, &plan.topic) {
                let first =
                    Epoch { table: plan.name.clone(), partition, watermark: Timestamp::MIN, ..Epoch::default() };
                let line = positions.iter().find(|line| line.table == plan.name && line.partition == partition);
                if line.is_none() {
                    self.folder_is_free(plan)?;
                }
                let (stop, stopped) = channel();
                let setup = self.landing(plan, line.cloned().unwrap_or(first), stopped)?;
                let shown = Arc::clone(&setup.shown);
                let thread = spawn::landing(setup)?;
                workers.push(Worker { partition, stop, thread: thread.thread().clone(), shown });
                threads.push(thread);
            }
            landings.push(Landing { plan: plan.clone(), workers });
        }
        Ok((landings, threads))
    }

    /// That no other landing has written where one that begins would: it would make objects of the same names.
    fn folder_is_free(&self, plan: &plan::Landing) -> Result<()> {
        let folder = lake::prefix(&self.pipeline.lake) + plan.options.folder(&plan.topic).trim_end_matches('/');
        let Some(other) = self.store.other_in(&folder, &plan.name)? else { return Ok(()) };
        let what = format!("landing {:?}: {other:?} has put objects into its folder {folder:?}", plan.name);
        Err(Error::new(Kind::Conflict, what)
            .hint("give it the name that it had, so that it goes on where it was, or another topics_dir"))
    }

    fn landing(&self, plan: &plan::Landing, position: Epoch, stop: std::sync::mpsc::Receiver<()>) -> Result<Setup> {
        let partition = position.partition;
        if let Some(topic) = self.topics.get(&plan.topic).filter(|topic| topic.refusal(partition).is_none()) {
            topic.resume(partition, position.next, position.watermark)?;
        }
        Ok(Setup {
            name: Arc::from(plan.name.as_str()),
            plan: plan.clone(),
            prefix: lake::prefix(&self.pipeline.lake),
            spool: self.spool.to_owned(),
            source: source::open(self.pipeline, self.topics, &plan.topic, partition, position.next)?,
            position,
            stop,
            bounds: self.pipeline.epoch.clone(),
            shelf: Arc::clone(self.onward.shelf),
            committer: self.onward.messages.clone(),
            shown: Shown::default(),
            clock: Arc::clone(self.clock),
        })
    }
}
