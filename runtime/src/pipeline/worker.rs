//! A worker: one thread, one loop, one partition.

mod setup;

use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

pub use self::setup::{Command, Setup, Shown, State};
use super::bounds::Bounds;
use super::committer::Message;
use super::epoch::{OpenEpoch, Tally};
use super::segments::Target;
use super::shadow::Seen;
use super::transform::Transform;
use super::trial::{self, Fared, Outcome, TRIAL_CHUNK_ROWS, TRIAL_QUIET};
use crate::decode::Decoder;
use crate::error::{Error, Kind, Result};
use crate::record::Batch;
use crate::sabotage::{self, Fault, Place};
use crate::time::Timestamp;
use crate::window::{Accumulator, Origin};

/// Rows that the transform gets in one call: so few that a chunk stays in the L2 cache.
pub(super) const CHUNK_ROWS: usize = 512;
/// Bytes that are read from the topic at a time.
const BATCH_BYTES: usize = 1 << 20;
/// How long a worker waits when there is nothing to read; it is woken earlier when there is.
const IDLE_TIME: Duration = Duration::from_millis(500);
/// How long a worker waits before it looks again whether its rows can go on to the bucket.
const HELD_TIME: Duration = Duration::from_millis(100);
/// How long a worker waits after trouble before it reads the epoch again.
const RETRY_TIME: Duration = Duration::from_secs(1);

/// A worker at its loop.
pub(crate) struct Worker {
    pub(crate) setup: Setup,
    decoder: Decoder,
    transform: Transform,
    bounds: Bounds,
    accumulators: Vec<Accumulator>,
    epoch: OpenEpoch,
    /// Since when there is nothing to read.
    quiet_since: Option<Timestamp>,
}

/// What a turn of the loop comes to.
pub(crate) enum Turn {
    /// On with the next.
    Goes,
    /// There is nothing to do for so long, unless it is woken.
    Waits(Duration),
    /// A command ends it.
    Ends(Command),
}

/// Works until it is told to stop, or until what it hands over to has gone.
pub fn run(mut setup: Setup) {
    setup.source.wake(std::thread::current());
    loop {
        // Each turn of this loop begins from the last hand-over: at the start, after trouble, with another generation.
        let (ended, back) = match Worker::begin(setup) {
            Ok(mut worker) => {
                let ended = worker.work();
                (ended, worker.setup)
            }
            Err((error, back)) => (Err(error), *back),
        };
        setup = back;
        let command = match ended {
            Ok(command) => command,
            // On trial, a fault of the transform is an answer and no trouble.
            Err(error) if error.kind() == Kind::Transform && setup.trial.is_some() => {
                setup.fail_trial(error.message().to_owned());
                continue;
            }
            Err(error) => match rest(&mut setup, &error) {
                Some(command) => command,
                None => continue,
            },
        };
        let is_swap = !matches!(command, Command::Shadow(_));
        setup.swap_began = is_swap.then(Instant::now);
        match command {
            Command::Take(generation, trial) => setup.take(generation, trial),
            Command::Back(generation) => setup.go_back(generation),
            Command::Shadow(feed) => setup.shadow = feed,
            Command::Stop => return,
        }
    }
}

/// Waits after trouble: for a command where only that can help, else a while. The epoch's records are read again.
fn rest(setup: &mut Setup, error: &Error) -> Option<Command> {
    let (table, partition) = (&*setup.name, setup.position.partition);
    let paused = matches!(error.kind(), Kind::Transform | Kind::Corrupt);
    tracing::error!(table, partition, paused, error = error.message(), "epoch abandoned");
    setup.show_trouble(error, paused);
    if !paused {
        return setup.commands.recv_timeout(RETRY_TIME).ok();
    }
    loop {
        match setup.commands.recv().unwrap_or(Command::Stop) {
            // There is nothing to see here until the table goes on.
            Command::Shadow(feed) => setup.shadow = feed,
            command => return Some(command),
        }
    }
}

impl Worker {
    pub(crate) fn begin(mut setup: Setup) -> Result<Self, (Error, Box<Setup>)> {
        match Self::prepare(&mut setup) {
            Ok((decoder, transform, accumulators, epoch)) => {
                let bounds = Bounds::of(&setup.generation.table.plan);
                Ok(Self { setup, decoder, transform, bounds, accumulators, epoch, quiet_since: None })
            }
            Err(error) => Err((error, Box::new(setup))),
        }
    }

    fn prepare(setup: &mut Setup) -> Result<(Decoder, Transform, Vec<Accumulator>, OpenEpoch)> {
        let generation = Arc::clone(&setup.generation);
        let table = &generation.table;
        if setup.trial.is_some() {
            setup.fared = Fared::default();
        }
        let decoder = generation.chain.decoder(setup.position.partition)?;
        let mut transform = generation.chain.start()?;
        transform.on_trial(setup.trial.is_some());
        let accumulators = table.plan.aggregates.iter().zip(&setup.watermarks);
        let accumulators = accumulators.map(|(aggregate, upto)| Accumulator::new(aggregate, &table.fields, *upto));
        let accumulators = accumulators.collect::<Result<_>>()?;
        setup.source.seek(setup.position.next, setup.floor())?;
        let swap = setup.swap_began.take().map(|began| began.elapsed().as_micros());
        let swap_us = swap.and_then(|micros| u64::try_from(micros).ok());
        setup.show(|state| {
            let swap_us = swap_us.or(state.swap_us);
            *state = State {
                next: setup.position.next,
                end: setup.source.end(),
                digest: generation.chain.digest().to_owned(),
                trouble: state.trouble.take(),
                paused: false,
                swap_us,
            };
        });
        let epoch = OpenEpoch::after(&setup.position, &generation);
        Ok((decoder, transform, accumulators, epoch))
    }

    /// Works until a command ends it, which is given back; or until nobody listens any more, which is a command to stop.
    fn work(&mut self) -> Result<Command> {
        let mut batch = Batch::default();
        loop {
            match self.step(&mut batch)? {
                Turn::Goes => {}
                Turn::Waits(time) => std::thread::park_timeout(time),
                Turn::Ends(command) => return Ok(command),
            }
        }
    }

    /// One turn of the loop; `batch` is room to read into.
    pub(crate) fn step(&mut self, batch: &mut Batch) -> Result<Turn> {
        let ends = !self.epoch.is_empty() && self.epoch.left(&self.setup.bounds()).is_zero();
        if ends && !self.hand_over()? {
            return Ok(Turn::Ends(Command::Stop));
        }
        match self.setup.commands.try_recv() {
            Ok(Command::Back(generation)) if generation.number == self.setup.generation.number => {}
            Ok(Command::Back(generation)) => return Ok(Turn::Ends(Command::Back(generation))),
            Ok(Command::Shadow(feed)) => self.setup.shadow = feed,
            Ok(Command::Take(generation, trial)) if sabotage::is(Fault::SwapInside) => {
                self.transform = generation.chain.start()?;
                self.setup.take(generation, trial);
            }
            Ok(command) => return Ok(Turn::Ends(self.leave(command))),
            Err(TryRecvError::Disconnected) => return Ok(Turn::Ends(self.leave(Command::Stop))),
            Err(TryRecvError::Empty) => {}
        }
        if self.setup.shelf.holds(&self.setup.name) {
            return self.wait_for_lake();
        }
        batch.clear();
        if let Err(error) = self.setup.source.read(batch, BATCH_BYTES) {
            // What was read before it is good.
            return if self.hand_over()? { Err(error) } else { Ok(Turn::Ends(Command::Stop)) };
        }
        if batch.is_empty() {
            return self.idle();
        }
        self.quiet_since = None;
        self.process(batch)?;
        Ok(Turn::Goes)
    }

    /// Nothing to read: hands over what is worth it, lets time pass for the windows, then waits to be woken.
    fn idle(&mut self) -> Result<Turn> {
        if !self.epoch.is_empty() {
            if self.epoch.is_worth_a_commit(&self.setup.bounds()) {
                return Ok(if self.hand_over()? { Turn::Goes } else { Turn::Ends(Command::Stop) });
            }
            return Ok(Turn::Waits(self.epoch.left(&self.setup.bounds()).min(IDLE_TIME)));
        }
        self.setup.show(|state| state.trouble = None);
        let now = self.setup.clock.now();
        let quiet = now.since(*self.quiet_since.get_or_insert(now));
        if quiet >= TRIAL_QUIET {
            self.setup.tell(Outcome::Untried);
        }
        if let Some(settled) = self.setup.source.settled(self.setup.position.next, now) {
            let (table, partition) = (Arc::clone(&self.setup.name), self.setup.position.partition);
            self.setup.settled = settled;
            let message = Message::Settled { table, partition, settled, quiet };
            if self.setup.committer.send(message).is_err() {
                return Ok(Turn::Ends(Command::Stop));
            }
        }
        let waits_for_trial = self.setup.trial.as_ref().is_some_and(|trial| trial.answer.is_some());
        Ok(Turn::Waits(if waits_for_trial { TRIAL_QUIET } else { IDLE_TIME }))
    }

    /// More rows would only pile up: hands over what there is, and reads no more for a while.
    fn wait_for_lake(&mut self) -> Result<Turn> {
        if !self.epoch.is_empty() {
            return Ok(if self.hand_over()? { Turn::Goes } else { Turn::Ends(Command::Stop) });
        }
        self.setup.tell(Outcome::Untried);
        Ok(Turn::Waits(HELD_TIME))
    }

    fn process(&mut self, batch: &Batch) -> Result<()> {
        let begun = Instant::now();
        let mut start = 0;
        while start < batch.len() {
            let rows = if self.setup.trial.is_some() { TRIAL_CHUNK_ROWS } else { CHUNK_ROWS };
            let end = (start + rows).min(batch.len());
            self.process_chunk(batch, start, end)?;
            start = end;
        }
        self.epoch.spend(begun.elapsed());
        Ok(())
    }

    fn process_chunk(&mut self, batch: &Batch, start: usize, end: usize) -> Result<()> {
        sabotage::pass(Place::Worker, &self.setup.name);
        let begun = Instant::now();
        let decoded = self.decoder.decode(batch, start..end)?;
        let cleaned = self.transform.apply(&decoded.rows)?;
        if let Some(shadow) = &self.setup.shadow {
            let (partition, spent) = (self.setup.position.partition, begun.elapsed());
            let seen = Seen { partition, batch, records: start..end, decoded: &decoded, cleaned: &cleaned, spent };
            shadow.lend(&self.setup.generation, &seen);
        }
        let record = |index: u32| batch.get(index as usize);
        let appended = |row: u32| decoded.sources.get(row as usize).copied().and_then(record).map(|record| record.time);
        let cleaned = self.bounds.keep(cleaned, appended)?;
        let mut tally = Tally { records: (end - start) as u64, ..Tally::default() };
        tally.rejected = (decoded.rejected.len() + cleaned.rejected.len()) as u64;
        for (index, reason) in decoded.rejected {
            record(index).into_iter().for_each(|record| self.epoch.reject(&record, reason.clone()));
        }
        for (row, reason) in cleaned.rejected {
            let index = decoded.sources.get(row as usize).copied();
            index.and_then(record).into_iter().for_each(|record| self.epoch.reject(&record, reason.clone()));
        }
        let fared = &mut self.setup.fared;
        fared.records += tally.records;
        fared.rejected += tally.rejected;
        fared.failed += cleaned.failed;
        if self.setup.trial.is_some() {
            fared.memory.push(self.transform.memory());
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
            let rows =
                self.setup.generation.table.with_origin(&piece.rows, &piece.sources, partition, &times, &offsets)?;
            for accumulator in &mut self.accumulators {
                accumulator.add(&piece.rows, Origin { partition, times: &times, offsets: &offsets })?;
            }
            let mut target = Target { table: &self.setup.generation.table, profile: &mut self.setup.profile };
            self.epoch.write(&mut target, &rows, &times, &offsets)?;
        }
        tally.bytes = batch.range(start..end).map(|record| record.bytes() as u64).sum();
        if let Some(last) = batch.get(end - 1) {
            self.epoch.count(tally, &last);
        }
        Ok(())
    }

    /// Ends the epoch because of a command. The command counts also where that fails: the records are read again after it.
    fn leave(&mut self, command: Command) -> Command {
        if let Err(error) = self.hand_over() {
            if error.kind() == Kind::Transform && self.setup.trial.is_some() {
                self.setup.fail_trial(error.message().to_owned());
                return command;
            }
            let (table, partition) = (&*self.setup.name, self.setup.position.partition);
            tracing::error!(table, partition, error = error.message(), "epoch abandoned");
        }
        command
    }

    /// Ends the epoch; false when nobody takes it any more. A trial is judged first: an error of kind `Transform` where it did not pass.
    fn hand_over(&mut self) -> Result<bool> {
        if self.epoch.is_empty() {
            return Ok(true);
        }
        if self.setup.trial.is_some()
            && let Some(fault) = trial::fault(&self.setup.fared, &self.setup.fared_before)
        {
            return Err(Error::new(Kind::Transform, fault));
        }
        let next = OpenEpoch::after(&self.setup.position, &self.setup.generation);
        let epoch = std::mem::replace(&mut self.epoch, next);
        let partials: Vec<_> = self.accumulators.iter_mut().map(Accumulator::take).collect();
        let watermarks = partials.iter().map(|partial| partial.watermark).collect();
        let mut target = Target { table: &self.setup.generation.table, profile: &mut self.setup.profile };
        let handover = epoch.finish(&mut target, partials, self.setup.clock.now())?;
        let line = handover.epoch.clone();
        self.epoch = OpenEpoch::after(&line, &self.setup.generation);
        let taken = self.setup.committer.send(Message::Handover(Box::new(handover))).is_ok();
        let end = self.setup.source.end();
        self.setup.show(|state| {
            state.next = line.next;
            state.end = end;
            state.trouble = None;
        });
        self.setup.position = line;
        self.setup.watermarks = watermarks;
        if taken {
            self.pass_trial();
        }
        Ok(taken)
    }

    fn pass_trial(&mut self) {
        if self.setup.trial.is_some() {
            self.setup.tell(Outcome::Passed);
            self.setup.trial = None;
            self.setup.fared.memory.clear();
            self.transform.on_trial(false);
        }
    }
}
