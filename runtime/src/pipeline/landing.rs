//! The worker of a landing: it puts the records of a partition into objects as they came, and commits them where the objects end.
//!
//! An epoch of a landing ends where objects end. What is open is in no commit and is read again after a stop or a crash, so how far
//! a rotation has come is made of nothing but the records since the last commit.

mod gathering;
mod setup;

use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use self::gathering::Gathering;
pub use self::setup::{Setup, Shown, State};
use super::committer::Message;
use crate::error::{Kind, Result};
use crate::landing::options::Tombstones;
use crate::landing::{Draft, Rotation, Spool};
use crate::record::{Batch, Record};
use crate::time::Timestamp;

/// Bytes that are read from the topic at a time.
const BATCH_BYTES: usize = 1 << 20;
/// How long a worker waits when there is nothing to read; it is woken earlier when there is.
const IDLE_TIME: Duration = Duration::from_millis(500);
/// How long a worker waits before it looks again whether its objects can go on to the bucket.
const HELD_TIME: Duration = Duration::from_millis(100);
/// How long a worker waits after trouble before it reads again.
const RETRY_TIME: Duration = Duration::from_secs(1);
/// Objects of a commit.
const OBJECTS_MAX: usize = 4096;

/// A worker at its loop.
struct Worker<'a> {
    setup: &'a mut Setup,
    rotation: Rotation,
    spool: Spool,
    /// The open objects, by their folders.
    open: HashMap<String, Draft>,
    gathering: Gathering,
    /// The offset after the last record that was looked at.
    read: u64,
    line: Vec<u8>,
}

/// What a turn of the loop comes to.
enum Turn {
    Goes,
    /// There is nothing to do for so long, unless it is woken.
    Waits(Duration),
    Ends,
}

/// Works until it is told to stop, or until what it hands over to has gone.
pub fn run(mut setup: Setup) {
    setup.source.wake(std::thread::current());
    loop {
        // Each turn of this loop begins from the last hand-over.
        let Err(error) = Worker::begin(&mut setup).and_then(|mut worker| worker.work()) else { return };
        let paused = error.kind() == Kind::Corrupt;
        let (landing, partition) = (&*setup.name, setup.position.partition);
        tracing::error!(landing, partition, paused, error = error.message(), "epoch abandoned");
        setup.show_trouble(&error, paused);
        let told = match paused {
            true => setup.stop.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => setup.stop.recv_timeout(RETRY_TIME),
        };
        if !matches!(told, Err(RecvTimeoutError::Timeout)) {
            return;
        }
    }
}

impl<'a> Worker<'a> {
    fn begin(setup: &'a mut Setup) -> Result<Self> {
        let options = &setup.plan.options;
        let read = setup.position.next;
        setup.source.seek(read, setup.position.watermark)?;
        let end = setup.source.end();
        setup.show(|state| {
            *state = State { next: read, read, ended: read, end, trouble: state.trouble.take(), ..State::default() }
        });
        Ok(Self {
            rotation: Rotation::new(&options.bounds, &options.zone, setup.clock.now()),
            spool: Spool::new(&setup.spool, setup.stem(), options.gzip),
            open: HashMap::new(),
            gathering: Gathering::default(),
            read,
            line: Vec::new(),
            setup,
        })
    }

    fn work(&mut self) -> Result<()> {
        let mut batch = Batch::default();
        loop {
            match self.step(&mut batch)? {
                Turn::Goes => {}
                Turn::Waits(time) => std::thread::park_timeout(time),
                Turn::Ends => return Ok(()),
            }
        }
    }

    fn step(&mut self, batch: &mut Batch) -> Result<Turn> {
        if !matches!(self.setup.stop.try_recv(), Err(TryRecvError::Empty)) {
            // What is open stays in the topic, and so does all of it where that fails: the word counts all the same.
            if let Err(error) = self.hand_over() {
                let (landing, partition) = (&*self.setup.name, self.setup.position.partition);
                tracing::warn!(landing, partition, error = error.message(), "epoch abandoned at the end");
            }
            return Ok(Turn::Ends);
        }
        let now = self.setup.clock.now();
        if self.setup.shelf.holds(&self.setup.name) {
            return Ok(if self.hand_over()? { Turn::Waits(HELD_TIME) } else { Turn::Ends });
        }
        batch.clear();
        if let Err(error) = self.setup.source.read(batch, BATCH_BYTES) {
            // What was ended before it is good.
            return if self.hand_over()? { Err(error) } else { Ok(Turn::Ends) };
        }
        if batch.is_empty() {
            return self.idle(now);
        }
        let begun = Instant::now();
        for record in batch.iter() {
            self.take(&record, now)?;
            if self.gathering.is_full(&self.setup.bounds, OBJECTS_MAX) && !self.hand_over()? {
                return Ok(Turn::Ends);
            }
        }
        self.gathering.spend(begun.elapsed());
        self.show_read();
        let ends = self.gathering.left(&self.setup.bounds).is_some_and(|left| left.is_zero());
        Ok(if !ends || self.hand_over()? { Turn::Goes } else { Turn::Ends })
    }

    /// Nothing to read: ends what time ends, hands over what is worth it or has waited long enough, then waits to be woken.
    fn idle(&mut self, now: Timestamp) -> Result<Turn> {
        let settled = self.setup.source.settled(self.read, now);
        if self.rotation.ends_idle(settled, now) {
            self.rotate(now)?;
        }
        if self.gathering.is_worth_a_commit(&self.setup.bounds, OBJECTS_MAX) && !self.hand_over()? {
            return Ok(Turn::Ends);
        }
        self.show_read();
        let left = self.gathering.left(&self.setup.bounds);
        if left.is_none() {
            self.setup.show(|state| state.trouble = None);
        }
        let waits = left.into_iter().chain(self.rotation.due_in(now)).fold(IDLE_TIME, Duration::min);
        if left.is_some_and(|left| left.is_zero()) && !self.hand_over()? {
            return Ok(Turn::Ends);
        }
        Ok(Turn::Waits(waits.max(Duration::from_millis(1))))
    }

    /// Lands a record, drops it or rejects it.
    fn take(&mut self, record: &Record<'_>, now: Timestamp) -> Result<()> {
        self.line.clear();
        let options = &self.setup.plan.options;
        let landed = match record.value.map(|value| options.form.write(value, &mut self.line)) {
            Some(Ok(true)) => options
                .place((&self.setup.plan.topic, self.setup.position.partition), record, &self.line, now)
                .map(Some),
            Some(Err(reason)) => Err(reason),
            None | Some(Ok(false)) if options.tombstones == Tombstones::Ignore => Ok(None),
            None | Some(Ok(false)) => Err("the record has no value".to_owned()),
        };
        self.read = record.offset + 1;
        let placed = match landed {
            Ok(Some(placed)) => placed,
            Ok(None) => return self.pass(record, now),
            Err(reason) => {
                self.gathering.reject(record, reason);
                return self.pass(record, now);
            }
        };
        if self.rotation.ends_before(&placed, now) {
            self.rotate(now)?;
        }
        let draft = self.open.entry_ref(placed.folder.as_str());
        let draft = draft.or_insert_with(|| Draft::new(placed.folder.clone(), record.offset, record.time));
        if self.spool.add(draft, record.offset, &self.line) {
            self.spool.relieve(self.open.values_mut())?;
        }
        self.rotation.add(&placed, record.time, self.line.len() as u64, now);
        self.gathering.count(record, true);
        let letters_full = self.gathering.letter_bytes() >= self.setup.bounds.bytes;
        if self.rotation.ends_after(self.open.len()) || letters_full {
            self.rotate(now)?;
        }
        Ok(())
    }

    /// Counts a record that is not landed; with nothing open, it may be committed.
    fn pass(&mut self, record: &Record<'_>, now: Timestamp) -> Result<()> {
        self.gathering.count(record, false);
        let letters_full = self.gathering.letter_bytes() >= self.setup.bounds.bytes;
        if self.open.is_empty() || letters_full { self.rotate(now) } else { Ok(()) }
    }

    /// Ends all that is open.
    fn rotate(&mut self, now: Timestamp) -> Result<()> {
        let mut drafts: Vec<Draft> = self.open.drain().map(|(_, draft)| draft).collect();
        drafts.sort_by_key(|draft| draft.first_offset);
        for draft in drafts {
            let object = self.setup.object(&draft);
            let finished = self.spool.finish(draft)?;
            self.gathering.end_object(object, finished);
        }
        self.gathering.end();
        if self.rotation.records() > 0 || self.rotation.ends_idle(None, now) {
            self.rotation.end(now);
        }
        Ok(())
    }

    /// Commits what has ended; false when nobody takes it any more.
    fn hand_over(&mut self) -> Result<bool> {
        let Some(handover) = self.gathering.hand_over(&self.setup.position, self.setup.clock.now()) else {
            return Ok(true);
        };
        let line = handover.epoch.clone();
        self.spool.seal(setup::stem(&self.setup.name, &line))?;
        let taken = self.setup.committer.send(Message::Handover(Box::new(handover))).is_ok();
        self.setup.show(|state| (state.next, state.trouble) = (line.next, None));
        self.setup.position = line;
        Ok(taken)
    }

    fn show_read(&self) {
        let (read, open_records, end) = (self.read, self.rotation.records(), self.setup.source.end());
        let (next, ended) = (self.setup.position.next, self.gathering.ended().unwrap_or(self.setup.position.next));
        self.setup.show(|state| *state = State { next, read, ended, open_records, end, ..state.clone() });
    }
}
