//! A partition as its writer, its readers and those who append share it: what is durable, what waits.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::append::Appended;
use super::hitch::{Hitch, Why};
use super::index::{Entry, Index};
use super::place::Place;
use super::turn::Turn;
use crate::error::{Error, Kind, Result};
use crate::time::{Clock, Timestamp};

/// Appends that wait for the writer take no more than this; more are refused with `Kind::Busy`.
const WAITING_BYTES_MAX: usize = 32 << 20;
/// The writer syncs about so many bytes together.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// One partition, open.
#[derive(Debug)]
pub(super) struct Partition {
    /// Where it lives.
    pub(super) place: Place,
    state: Mutex<State>,
    work: Condvar,
}

/// A segment as far as it is durable.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The offset that it begins with.
    pub(super) base: u64,
    /// The offset after its last record.
    pub(super) end: u64,
    /// Its size.
    pub(super) bytes: u64,
    /// The append time of its last record, or of the last before it.
    pub(super) time: Timestamp,
    /// The crc of its last frame, once it is sealed.
    pub(super) crc: Option<u32>,
    /// Where some of its frames begin.
    pub(super) index: Index,
}

/// An append that waits for the writer, its payload as it will be stored.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) payload: Vec<u8>,
    pub(super) lz4: bool,
    pub(super) raw_bytes: usize,
    pub(super) count: u32,
    /// The turn of the producer's request, where one is named.
    pub(super) turn: Option<Arc<Turn>>,
    pub(super) reply: oneshot::Sender<Result<Appended>>,
}

/// What the writer does next.
#[derive(Debug)]
pub(super) enum Work {
    /// Writes and syncs these together; all their records get this time.
    Group(Vec<Waiting>, Timestamp),
    /// Goes on at a later offset.
    Skip(u64, SyncSender<Result<()>>),
    /// Ends; no record got a time later than this.
    Close(Timestamp),
}

#[derive(Debug)]
struct State {
    segments: VecDeque<Segment>,
    /// No record gets an earlier time.
    time: Timestamp,
    /// The time of the group that is being written.
    writing: Option<Timestamp>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    skip: Option<(u64, SyncSender<Result<()>>)>,
    readers: Vec<(u64, Thread)>,
    readers_made: u64,
    disk: Hitch,
    refusal: Option<Error>,
    closing: bool,
}

impl Partition {
    /// A partition with these segments, oldest first and at least one; or one that refuses all, with the reason.
    pub(super) fn new(place: Place, segments: VecDeque<Segment>, refusal: Option<Error>) -> Self {
        let time = segments.back().map_or(Timestamp::MIN, |last| last.time);
        let state = State {
            segments,
            time,
            writing: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            skip: None,
            readers: Vec::new(),
            readers_made: 0,
            disk: Hitch::default(),
            refusal,
            closing: false,
        };
        Self { place, state: Mutex::new(state), work: Condvar::new() }
    }

    /// Hands an append to the writer.
    pub(super) fn enqueue(&self, append: Waiting) -> Result<()> {
        let mut state = self.open_state()?;
        let bytes = append.payload.len();
        if state.waiting_bytes + bytes > WAITING_BYTES_MAX && !state.waiting.is_empty() {
            let what = format!("{} bytes wait to be written, and {WAITING_BYTES_MAX} may", state.waiting_bytes + bytes);
            return Err(self.place.error(Kind::Busy, what).hint("try again later, or send less at a time"));
        }
        state.waiting_bytes += bytes;
        state.waiting.push_back(append);
        drop(state);
        self.work.notify_one();
        Ok(())
    }

    /// Asks the writer to go on at `offset`, and raises the floor of the time.
    pub(super) fn resume(&self, offset: u64, time: Timestamp) -> Result<Option<Receiver<Result<()>>>> {
        let mut state = self.open_state()?;
        state.time = state.time.max(time);
        if state.end() >= offset {
            return Ok(None);
        }
        let (reply, answer) = mpsc::sync_channel(1);
        state.skip = Some((offset, reply));
        drop(state);
        self.work.notify_one();
        Ok(Some(answer))
    }

    /// Waits for work; a group is stamped with the time that its records get.
    pub(super) fn work(&self, clock: &Clock) -> Work {
        let mut state = self.state();
        loop {
            if let Some(work) = state.work(clock) {
                return work;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The work that is there without waiting.
    #[cfg(test)]
    pub(super) fn work_now(&self, clock: &Clock) -> Option<Work> {
        self.state().work(clock)
    }

    /// Takes note that the last segment is durable up to here, and wakes the readers.
    pub(super) fn durable(&self, bytes: u64, end: u64, time: Timestamp, frames: &[Entry]) {
        let mut state = self.state();
        state.writing = None;
        state.disk.taken(Instant::now());
        if let Some(last) = state.segments.back_mut() {
            (last.bytes, last.end, last.time) = (bytes, end, time);
            frames.iter().for_each(|&frame| last.index.push(frame));
        }
        state.readers.iter().for_each(|(_, reader)| reader.unpark());
    }

    /// Takes note that nothing came of the group.
    pub(super) fn not_written(&self, cause: &Error) {
        let mut state = self.state();
        state.writing = None;
        state.disk.refused(cause, Instant::now());
    }

    /// Why its disk holds it up, where it does, and for how long it has.
    pub(super) fn held_up(&self) -> Option<(Error, Duration)> {
        let (why, time) = self.state().disk.held_up(Instant::now())?;
        let slow = || {
            let slow = self.place.error(Kind::Storage, "its disk is slow: what is posted waits long to be synced");
            slow.hint("look what else keeps the disk busy, or whether it fails")
        };
        Some((if let Why::Refused(cause) = why { cause } else { slow() }, time))
    }

    /// Takes note that the last segment is sealed and a new one begun; gives back the sealed one's index.
    pub(super) fn rolled(&self, crc: u32, new: Segment) -> Index {
        let mut state = self.state();
        let index = state.segments.back_mut().map(|sealed| {
            sealed.crc = Some(crc);
            sealed.index.clone()
        });
        state.segments.push_back(new);
        index.unwrap_or_default()
    }

    /// Refuses all appends from now on, those that wait too.
    pub(super) fn refuse(&self, reason: Error) {
        let mut state = self.state();
        // A group that was being written stays in the way of the time: the next start may find it on the disk.
        state.waiting_bytes = 0;
        for append in std::mem::take(&mut state.waiting) {
            drop(append.reply.send(Err(reason.clone())));
        }
        if let Some((_, reply)) = state.skip.take() {
            drop(reply.send(Err(reason.clone())));
        }
        state.refusal.get_or_insert(reason);
    }

    /// Lets the writer finish what waits, and end.
    pub(super) fn close(&self) {
        self.state().closing = true;
        self.work.notify_one();
    }

    /// Why it refuses appends, if it does.
    pub(super) fn refusal(&self) -> Option<Error> {
        self.state().refusal.clone()
    }

    /// The first offset that is kept.
    pub(super) fn earliest(&self) -> u64 {
        self.state().segments.front().map_or(0, |first| first.base)
    }

    /// The offset after the last durable record.
    pub(super) fn end(&self) -> u64 {
        self.state().end()
    }

    /// The durable size of all its segments.
    pub(super) fn bytes(&self) -> u64 {
        self.state().segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Looks at the first segment that `wanted` holds for, which also holds for all after it.
    pub(super) fn first<T>(&self, wanted: impl Fn(&Segment) -> bool, look: impl FnOnce(&Segment) -> T) -> Option<T> {
        let state = self.state();
        let at = state.segments.partition_point(|segment| !wanted(segment));
        state.segments.get(at).map(look)
    }

    /// Looks at the segment that begins with `base`, if it is still kept.
    pub(super) fn segment<T>(&self, base: u64, look: impl FnOnce(&Segment) -> T) -> Option<T> {
        let state = self.state();
        let at = state.segments.binary_search_by_key(&base, |segment| segment.base).ok()?;
        state.segments.get(at).map(look)
    }

    /// The base of the segment before the one that begins with `base`, if it is still kept.
    pub(super) fn before(&self, base: u64) -> Option<u64> {
        let state = self.state();
        let at = state.segments.partition_point(|segment| segment.base < base);
        state.segments.get(at.checked_sub(1)?).map(|segment| segment.base)
    }

    /// Takes out the oldest segment if it is sealed and `wanted`.
    pub(super) fn take_oldest(&self, wanted: impl Fn(&Segment) -> bool) -> Option<Segment> {
        let mut state = self.state();
        let first = state.segments.front().filter(|first| first.crc.is_some() && wanted(first)).cloned()?;
        state.segments.pop_front();
        Some(first)
    }

    /// Puts back what was taken out and could not be removed.
    pub(super) fn put_back(&self, oldest: Segment) {
        self.state().segments.push_front(oldest);
    }

    /// A time before which no record can come any more, given that all up to `next` were read and it is `now`.
    pub(super) fn settled(&self, next: u64, now: Timestamp) -> Option<Timestamp> {
        let mut state = self.state();
        if next < state.end() {
            return None;
        }
        if state.writing.is_some() {
            return state.writing;
        }
        state.time = state.time.max(now);
        Some(state.time)
    }

    /// A number for a reader, to name it to [`Partition::wake`].
    pub(super) fn reader(&self) -> u64 {
        let mut state = self.state();
        state.readers_made += 1;
        state.readers_made
    }

    /// Unparks `thread`, from now on and instead of another, whenever more is durable; `None` for nobody.
    pub(super) fn wake(&self, reader: u64, thread: Option<Thread>) {
        let mut state = self.state();
        state.readers.retain(|(other, _)| *other != reader);
        state.readers.extend(thread.map(|thread| (reader, thread)));
    }

    fn open_state(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.state();
        match &state.refusal {
            Some(reason) => Err(reason.clone()),
            None if state.closing => Err(self.place.error(Kind::Unavailable, "it is closed")),
            None => Ok(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn end(&self) -> u64 {
        self.segments.back().map_or(0, |last| last.end)
    }

    fn work(&mut self, clock: &Clock) -> Option<Work> {
        if let Some((offset, reply)) = self.skip.take() {
            return Some(Work::Skip(offset, reply));
        }
        if !self.waiting.is_empty() {
            let group = self.group();
            self.time = self.time.max(clock.now());
            self.writing = Some(self.time);
            self.disk.give(group.iter().map(|append| append.payload.len()).sum(), Instant::now());
            return Some(Work::Group(group, self.time));
        }
        self.closing.then_some(Work::Close(self.time))
    }

    fn group(&mut self) -> Vec<Waiting> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while bytes < GROUP_BYTES_MAX
            && let Some(append) = self.waiting.pop_front()
        {
            bytes += append.payload.len();
            group.push(append);
        }
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        group
    }
}
