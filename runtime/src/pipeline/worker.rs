//! A worker: one thread, one loop, one partition.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::committer::Message;
use super::epoch::{OpenEpoch, Tally, Target};
use super::table::{Generation, Table};
use super::transform::Transform;
use crate::commit::Epoch;
use crate::config::plan::EpochBounds;
use crate::decode::Decoder;
use crate::error::{Error, Kind, Result};
use crate::lake::Profile;
use crate::record::{Batch, Source};
use crate::time::{Clock, Timestamp};
use crate::window::Accumulator;

/// Rows that the transform gets in one call: so few that a chunk stays in the L2 cache.
const CHUNK_ROWS: usize = 512;
/// Bytes that are read from the topic at a time.
const BATCH_BYTES: usize = 1 << 20;
/// How long a worker waits when there is nothing to read; it is woken earlier when there is.
const IDLE_TIME: Duration = Duration::from_millis(500);
/// How long a worker waits after trouble before it reads the epoch again.
const RETRY_TIME: Duration = Duration::from_secs(1);

/// What a worker is told; it looks between epochs.
pub enum Command {
    /// Take this generation from the next epoch on.
    Take(Arc<Generation>),
    /// Hand over and end.
    Stop,
}

/// What a worker shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// The offset after the last record that was handed over.
    pub next: u64,
    /// The offset after the last that can be read, where it is known.
    pub end: Option<u64>,
    /// The sha256 of the component in service.
    pub digest: String,
    /// Why it does not go on, where it does not.
    pub trouble: Option<String>,
    /// Whether it waits for a new generation or a restart.
    pub paused: bool,
}

/// Where a worker leaves its state for whoever asks.
pub type Shown = Arc<Mutex<State>>;

/// All that a worker needs.
pub struct Setup {
    /// Its table.
    pub table: Arc<Table>,
    /// Its table's name.
    pub name: Arc<str>,
    /// The partition's last committed epoch.
    pub position: Epoch,
    /// The partition, as it is read.
    pub source: Box<dyn Source>,
    /// The generation to begin with.
    pub generation: Arc<Generation>,
    /// What it is told.
    pub commands: Receiver<Command>,
    /// When an epoch ends.
    pub bounds: EpochBounds,
    /// What is known of how its rows are best encoded.
    pub profile: Profile,
    /// How far each aggregate has come in this partition, in their order.
    pub watermarks: Vec<Timestamp>,
    /// Where it hands over; full means that it waits.
    pub committer: SyncSender<Message>,
    /// Where it shows itself.
    pub shown: Shown,
    /// The time.
    pub clock: Arc<Clock>,
}

struct Worker {
    setup: Setup,
    decoder: Decoder,
    transform: Transform,
    accumulators: Vec<Accumulator>,
    epoch: OpenEpoch,
    /// Since when there is nothing to read.
    quiet_since: Option<Timestamp>,
}

/// Works until it is told to stop, or until what it hands over to has gone.
pub fn run(mut setup: Setup) {
    setup.source.wake(std::thread::current());
    let mut generation = Arc::clone(&setup.generation);
    loop {
        // Each turn of this loop begins from the last hand-over: at the start, after trouble, with a new generation.
        let (ended, back) = match Worker::begin(setup, &generation) {
            Ok(mut worker) => {
                let ended = worker.work();
                (ended, worker.setup)
            }
            Err((error, back)) => (Err(error), *back),
        };
        setup = back;
        match ended {
            Ok(Some(next)) => generation = next,
            Ok(None) => return,
            Err(error) => match rest(&mut setup, &error) {
                Some(Command::Take(next)) => generation = next,
                Some(Command::Stop) => return,
                None => {}
            },
        }
    }
}

/// Waits after trouble: for a command where only that can help, else a while. The epoch's records are read again.
fn rest(setup: &mut Setup, error: &Error) -> Option<Command> {
    let (table, partition) = (&setup.table.plan.name, setup.position.partition);
    let paused = error.kind() == Kind::Transform;
    tracing::error!(table, partition, paused, error = error.message(), "epoch abandoned");
    show(&setup.shown, |state| {
        state.trouble = Some(error.message().to_owned());
        state.paused = paused;
    });
    if paused {
        return Some(setup.commands.recv().unwrap_or(Command::Stop));
    }
    setup.commands.recv_timeout(RETRY_TIME).ok()
}

fn show(shown: &Shown, change: impl FnOnce(&mut State)) {
    change(&mut shown.lock().unwrap_or_else(PoisonError::into_inner));
}

impl Worker {
    fn begin(mut setup: Setup, generation: &Generation) -> Result<Self, (Error, Box<Setup>)> {
        match Self::prepare(&mut setup, generation) {
            Ok((decoder, transform, accumulators, epoch)) => {
                Ok(Self { setup, decoder, transform, accumulators, epoch, quiet_since: None })
            }
            Err(error) => Err((error, Box::new(setup))),
        }
    }

    fn prepare(
        setup: &mut Setup,
        generation: &Generation,
    ) -> Result<(Decoder, Transform, Vec<Accumulator>, OpenEpoch)> {
        let table = &setup.table;
        let component = &generation.component;
        let decoder = Decoder::new(&component.description().inputs, setup.position.partition)?;
        let transform = Transform::new(component.instantiate(&generation.parameters)?);
        let accumulators = table.plan.aggregates.iter().zip(&setup.watermarks);
        let accumulators = accumulators.map(|(aggregate, upto)| Accumulator::new(aggregate, &table.fields, *upto));
        let accumulators = accumulators.collect::<Result<_>>()?;
        setup.source.seek(setup.position.next, setup.position.watermark)?;
        show(&setup.shown, |state| {
            *state = State {
                next: setup.position.next,
                end: setup.source.end(),
                digest: component.digest().to_owned(),
                trouble: None,
                paused: false,
            };
        });
        let epoch = OpenEpoch::after(&setup.position, component.digest());
        Ok((decoder, transform, accumulators, epoch))
    }

    /// Works until a command ends it: the generation to go on with, or none to stop.
    fn work(&mut self) -> Result<Option<Arc<Generation>>> {
        let mut batch = Batch::default();
        loop {
            match self.setup.commands.try_recv() {
                Ok(Command::Take(generation)) => {
                    self.leave();
                    return Ok(Some(generation));
                }
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => {
                    self.leave();
                    return Ok(None);
                }
                Err(TryRecvError::Empty) => {}
            }
            batch.clear();
            self.setup.source.read(&mut batch, BATCH_BYTES)?;
            if batch.is_empty() {
                if !self.idle()? {
                    return Ok(None);
                }
            } else {
                self.quiet_since = None;
                self.process(&batch)?;
            }
            if !self.epoch.is_empty() && self.epoch.left(&self.setup.bounds).is_zero() && !self.hand_over()? {
                return Ok(None);
            }
        }
    }

    /// Nothing to read: hands over what is worth it, lets time pass for the windows, then waits to be woken. False when nobody listens any more.
    fn idle(&mut self) -> Result<bool> {
        if !self.epoch.is_empty() {
            if self.epoch.is_worth_a_commit(&self.setup.bounds) {
                return self.hand_over();
            }
            std::thread::park_timeout(self.epoch.left(&self.setup.bounds).min(IDLE_TIME));
            return Ok(true);
        }
        let now = self.setup.clock.now();
        let quiet_since = *self.quiet_since.get_or_insert(now);
        if let Some(settled) = self.setup.source.settled(self.setup.position.next, now) {
            let (table, partition) = (Arc::clone(&self.setup.name), self.setup.position.partition);
            let message = Message::Settled { table, partition, settled, quiet: now.since(quiet_since) };
            if self.setup.committer.send(message).is_err() {
                return Ok(false);
            }
        }
        std::thread::park_timeout(IDLE_TIME);
        Ok(true)
    }

    fn process(&mut self, batch: &Batch) -> Result<()> {
        let mut start = 0;
        while start < batch.len() {
            let end = (start + CHUNK_ROWS).min(batch.len());
            self.process_chunk(batch, start, end)?;
            start = end;
        }
        Ok(())
    }

    fn process_chunk(&mut self, batch: &Batch, start: usize, end: usize) -> Result<()> {
        let decoded = self.decoder.decode(batch, start..end)?;
        let cleaned = self.transform.apply(&decoded.rows)?;
        let record = |index: u32| batch.get(index as usize);
        let mut tally = Tally { records: (end - start) as u64, ..Tally::default() };
        tally.rejected = (decoded.rejected.len() + cleaned.rejected.len()) as u64;
        for (index, reason) in decoded.rejected {
            record(index).into_iter().for_each(|record| self.epoch.reject(&record, reason.clone()));
        }
        for (row, reason) in cleaned.rejected {
            let index = decoded.sources.get(row as usize).copied();
            index.and_then(record).into_iter().for_each(|record| self.epoch.reject(&record, reason.clone()));
        }
        let origin = decoded.sources.iter().filter_map(|&index| record(index));
        let (times, offsets): (Vec<i64>, Vec<i64>) = origin.map(|r| (r.time.0, r.offset as i64)).unzip();
        for piece in cleaned.pieces {
            if piece.sources.is_empty() {
                continue;
            }
            // The rows of a record come one after another.
            tally.out += piece.sources.chunk_by(|one, next| one == next).count() as u64;
            let of_rows = |of: &[i64]| -> Vec<i64> {
                piece.sources.iter().filter_map(|&source| of.get(source as usize).copied()).collect()
            };
            let (times, offsets) = (of_rows(&times), of_rows(&offsets));
            let partition = self.setup.position.partition;
            let rows = self.setup.table.with_origin(&piece.rows, &piece.sources, partition, &times, &offsets)?;
            for accumulator in &mut self.accumulators {
                accumulator.add(&piece.rows, &times)?;
            }
            let mut target = Target { table: &self.setup.table, profile: &mut self.setup.profile };
            self.epoch.write(&mut target, &rows, &times, &offsets)?;
        }
        tally.bytes = batch.range(start..end).map(|record| record.bytes() as u64).sum();
        if let Some(last) = batch.get(end - 1) {
            self.epoch.count(tally, &last);
        }
        Ok(())
    }

    /// Ends the epoch because a command says so. The command counts also where that fails: the records are read again after it.
    fn leave(&mut self) {
        if let Err(error) = self.hand_over() {
            let (table, partition) = (&self.setup.table.plan.name, self.setup.position.partition);
            tracing::error!(table, partition, error = error.message(), "epoch abandoned");
        }
    }

    /// Ends the epoch; false when nobody takes it any more.
    fn hand_over(&mut self) -> Result<bool> {
        if self.epoch.is_empty() {
            return Ok(true);
        }
        let next = OpenEpoch::after(&self.setup.position, "");
        let epoch = std::mem::replace(&mut self.epoch, next);
        let partials: Vec<_> = self.accumulators.iter_mut().map(Accumulator::take).collect();
        let watermarks = partials.iter().map(|partial| partial.watermark).collect();
        let mut target = Target { table: &self.setup.table, profile: &mut self.setup.profile };
        let handover = epoch.finish(&mut target, partials, self.setup.clock.now())?;
        let line = handover.epoch.clone();
        self.epoch = OpenEpoch::after(&line, &line.digest);
        let taken = self.setup.committer.send(Message::Handover(Box::new(handover))).is_ok();
        let end = self.setup.source.end();
        show(&self.setup.shown, |state| {
            state.next = line.next;
            state.end = end;
            state.trouble = None;
        });
        self.setup.position = line;
        self.setup.watermarks = watermarks;
        Ok(taken)
    }
}
