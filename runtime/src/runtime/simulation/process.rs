//! A process: what a start makes of disk and cache, and the steps of its threads.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::time::Duration;

use futures_util::FutureExt;

use super::plan::{self, NEVER, PARTITIONS};
use crate::cache::Store;
use crate::commit::Object;
use crate::config::plan::{Backend, Pipeline};
use crate::disk;
use crate::error::{Error, Kind, OrFail, Result};
use crate::log::{Ticket, Topic, Writer};
use crate::metrics::Metrics;
use crate::pipeline::committer::{self, HANDOVERS_MAX, Health, Message};
use crate::pipeline::generation::Generation;
use crate::pipeline::layout::layout;
use crate::pipeline::rollups::Rollups;
use crate::pipeline::shelf::Shelf;
use crate::pipeline::table::Table;
use crate::pipeline::worker::{self, Command};
use crate::pipeline::{lander, uploader};
use crate::record::Batch;
use crate::runtime::start::{restore_aggregates, restore_shelf};
use crate::runtime::threads::{Beginning, Onward};
use crate::time::Clock;

/// More messages than any step sends.
const ROOM: usize = 64;

/// A running pipeline, which goes on only when it is told to.
pub(super) struct Process {
    pub(super) topic: Arc<Topic>,
    pub(super) writers: Vec<Writer>,
    pub(super) workers: Vec<Slot>,
    pub(super) shelf: Arc<Shelf>,
    /// Messages on their way to the committer.
    pub(super) inbox: VecDeque<Message>,
    /// Appends that were not answered yet: the partition, and the records' numbers.
    pub(super) asked: Vec<(Ticket, u32, Vec<u64>)>,
    /// Objects that are being uploaded.
    pub(super) uploading: Vec<Object>,
    pub(super) health: Arc<Health>,
    pub(super) spool: PathBuf,
    committer: committer::Setup,
    /// What the committer tries to write.
    gathered: Option<committer::Batch>,
    lander: lander::Setup,
    messages: SyncSender<Message>,
    received: Receiver<Message>,
}

/// The place of a worker, at its loop or between two tries.
pub(super) struct Slot {
    worker: Option<worker::Worker>,
    setup: Option<worker::Setup>,
    batch: Batch,
    _commands: Sender<Command>,
}

impl Process {
    /// Starts as the runtime does, but for its threads.
    pub(super) fn start(root: &Path, cache: &Path, pipeline: &Pipeline, clock: &Arc<Clock>) -> Result<Self> {
        let (topics, spool) = (root.join("topics"), root.join("spool"));
        for folder in [&topics, &spool] {
            disk::create_dir_all(folder).or_fail(Kind::Storage, || "a folder")?;
        }
        disk::sync_folder(root).or_fail(Kind::Storage, || "the data folder")?;
        let planned = &pipeline.topics[0];
        let Backend::Embedded(options) = &planned.backend else { panic!("the topic is embedded") };
        let (topic, writers) = Topic::recover(&topics, &planned.name, options, clock)?;
        let topic = Arc::new(topic);
        for partition in 0..PARTITIONS {
            assert!(topic.refusal(partition).is_none(), "an honest disk: {:?}", topic.refusal(partition));
        }
        let by_name = BTreeMap::from([(planned.name.clone(), Arc::clone(&topic))]);
        let chain = plan::chain().clone();
        let table = Arc::new(Table::new(&pipeline.tables[0], chain.outputs(), pipeline.lake.format, &spool)?);
        let tables = vec![Arc::new(Generation { chain, table, number: 1, pinned: false })];
        let layout = layout(pipeline, tables.iter().map(|generation| &*generation.table))?;
        let mut store = Store::open(cache, &layout)?;
        let mut rollups = Rollups::new(&pipeline.rollups, &layout.tables)?;
        rollups.restore(&mut store)?;
        let aggregates = restore_aggregates(pipeline, &by_name, &tables, &store)?;
        let positions = store.positions()?;
        for line in &positions {
            let end = topic.end(line.partition);
            assert!(
                end >= line.next,
                "partition {}: {} is committed, and the log ends at {end}",
                line.partition,
                line.next
            );
        }
        let shelf = restore_shelf(pipeline, &store, &positions, &tables, &spool, clock)?;
        let health = Arc::new(Health::default());
        health.advance(&positions);
        let (messages, received) = sync_channel(ROOM);
        let beginning = Beginning {
            pipeline,
            topics: &by_name,
            store: &store,
            aggregates: &aggregates,
            spool: &spool,
            onward: Onward { shelf: &shelf, messages: &messages },
            clock,
        };
        let slot =
            |(setup, commands)| Slot { worker: None, setup: Some(setup), batch: Batch::default(), _commands: commands };
        let workers = beginning.setups(&tables[0])?.into_iter().map(slot).collect();
        let committer = committer::Setup {
            store,
            tables: tables.iter().map(|generation| Arc::clone(&generation.table)).collect(),
            aggregates,
            rollups,
            shelf: Arc::clone(&shelf),
            spool: spool.clone(),
            format: pipeline.lake.format,
            pipeline: pipeline.name.clone(),
            metrics: Arc::new(Metrics::new()?),
            health: Arc::clone(&health),
            clock: Arc::clone(clock),
        };
        let lander = lander::Setup {
            shelf: Arc::clone(&shelf),
            spool: spool.clone(),
            lake: pipeline.lake.clone(),
            topics: pipeline.tables.iter().map(|table| (table.name.clone(), table.topic.clone())).collect(),
            committer: messages.clone(),
        };
        Ok(Self {
            topic,
            writers,
            workers,
            shelf,
            inbox: VecDeque::new(),
            asked: Vec::new(),
            uploading: Vec::new(),
            health,
            spool,
            committer,
            gathered: None,
            lander,
            messages,
            received,
        })
    }

    /// One turn of a worker's loop, unless the committer has no room for what may come of it. `time_is_up` ends its epoch.
    pub(super) fn work(&mut self, nth: usize, time_is_up: bool) {
        if self.inbox.len() >= HANDOVERS_MAX {
            return;
        }
        let slot = &mut self.workers[nth];
        slot.turn(if time_is_up { Duration::ZERO } else { NEVER });
        self.inbox.extend(self.received.try_iter());
    }

    /// One part of what the committer does: takes in what waits, tries to write it, tells of it. An error ends the process.
    pub(super) fn commit(&mut self, together: usize) -> Result<()> {
        let mut batch = match self.gathered.take() {
            Some(batch) => batch,
            None if self.inbox.is_empty() => return Ok(()),
            None => {
                let together = together.min(self.inbox.len());
                self.committer.gather(self.inbox.drain(..together))?
            }
        };
        if self.committer.attempt(&mut batch)? {
            self.committer.publish(batch);
        } else {
            self.gathered = Some(batch);
        }
        Ok(())
    }

    /// Joins what is due, if something is.
    pub(super) fn land(&mut self) {
        if let Some(segments) = self.shelf.take_due_now() {
            assert!(lander::step(&self.lander, segments), "somebody listens");
            self.inbox.extend(self.received.try_iter());
        }
    }

    /// An object to upload: one that was tried before, or the next of the outbox.
    pub(super) fn take_object(&mut self) -> Option<Object> {
        let may_take = self.uploading.len() < uploader::UPLOADS_MAX;
        let more = may_take.then(|| self.shelf.take_objects("pin").now_or_never().flatten()).flatten();
        self.uploading.extend(more.into_iter().flatten());
        if self.uploading.is_empty() { None } else { Some(self.uploading.remove(0)) }
    }

    /// Tells the committer that the bucket has an object.
    pub(super) fn delivered(&mut self, object: Object) {
        self.messages.send(Message::Delivered(vec![object])).unwrap();
        self.inbox.extend(self.received.try_iter());
    }

    /// Whether nothing is left to be done with what was appended.
    pub(super) fn is_idle(&self) -> bool {
        let stock = self.shelf.stock();
        let read = |slot: &Slot| {
            let setup = slot.worker.as_ref().map(|worker| &worker.setup).or(slot.setup.as_ref());
            setup.is_some_and(|setup| setup.position.next == self.topic.end(setup.position.partition))
        };
        let handed_over = |message: &Message| matches!(message, Message::Settled { .. });
        self.asked.is_empty()
            && self.gathered.is_none()
            && self.inbox.iter().all(handed_over)
            && stock.segments + stock.objects == 0
            && self.workers.iter().all(read)
    }
}

impl Slot {
    fn turn(&mut self, time: Duration) {
        if let Some(setup) = self.setup.take() {
            match worker::Worker::begin(setup) {
                Ok(worker) => self.worker = Some(worker),
                Err((error, setup)) => self.rest(&error, *setup),
            }
            return;
        }
        let Some(mut worker) = self.worker.take() else { return };
        worker.setup.bounds.time = time;
        match worker.step(&mut self.batch) {
            Ok(_) => self.worker = Some(worker),
            // The epoch is abandoned, and its records are read again.
            Err(error) => self.rest(&error, worker.setup),
        }
    }

    fn rest(&mut self, error: &Error, setup: worker::Setup) {
        assert_eq!(error.kind(), Kind::Storage, "partition {}: {error}", setup.position.partition);
        self.setup = Some(setup);
    }
}
