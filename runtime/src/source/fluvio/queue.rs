//! The queue between a feeder and the worker that reads from it, bounded in bytes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use ::fluvio::consumer::ConsumerRecord;
use tokio::sync::Notify;

use crate::error::{Error, Kind, Result};

/// The feeder fetches no further while the queue holds this much; one batch of the cluster may lie above it.
const QUEUE_BYTES_MAX: usize = 8 << 20;

/// How a partition's connection stands.
#[derive(Clone, Debug)]
pub enum Status {
    /// Nothing was heard yet.
    Connecting,
    /// A stream is open; perhaps with a doubt about it.
    Connected(Option<Error>),
    /// The last try failed, and others follow.
    Retrying {
        /// When the trouble began.
        since: Instant,
        /// How many tries have failed since.
        tries: u32,
        /// Why the last one failed.
        cause: Error,
    },
    /// Records that were asked for are gone; nothing is read until another offset is sought.
    Lost(Error),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Connected(None) => f.write_str("connected"),
            Self::Connected(Some(doubt)) => write!(f, "connected, but {doubt}"),
            Self::Retrying { since, tries, cause } => {
                write!(f, "retrying for {} s, {tries} tries so far: {cause}", since.elapsed().as_secs())
            }
            Self::Lost(cause) => write!(f, "stopped: {cause}"),
        }
    }
}

/// A stretch of reading without a seek.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn(u64);

pub(super) struct Queue {
    state: Mutex<State>,
    /// The first word from the cluster, for who opens the partition.
    word: Condvar,
    /// Another turn, or the end, for the feeder.
    turned: Notify,
    /// Room again, for the feeder.
    room: Notify,
}

struct State {
    turn: Turn,
    closed: bool,
    /// The next offset to fetch.
    next: u64,
    fetched: VecDeque<(Vec<ConsumerRecord>, usize)>,
    bytes: usize,
    status: Status,
    end: Option<u64>,
    reader: Option<Thread>,
}

/// The reader's side.
impl Queue {
    pub(super) fn new(from: u64) -> Self {
        let state = State {
            turn: Turn(0),
            closed: false,
            next: from,
            fetched: VecDeque::new(),
            bytes: 0,
            status: Status::Connecting,
            end: None,
            reader: None,
        };
        Self { state: Mutex::new(state), word: Condvar::new(), turned: Notify::new(), room: Notify::new() }
    }

    /// Waits until it is known how the connection stands; an error where something that was named is not there.
    pub(super) fn first_word(&self, limit: Duration) -> Result<()> {
        let silent = |state: &mut State| matches!(state.status, Status::Connecting);
        let waited = self.word.wait_timeout_while(self.lock(), limit, silent);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match &state.status {
            Status::Lost(cause) | Status::Retrying { cause, .. } if cause.kind() == Kind::Missing => Err(cause.clone()),
            _ => Ok(()),
        }
    }

    /// The oldest batch; none when there is none yet, and the error when records are gone.
    pub(super) fn pop(&self) -> Result<Option<Vec<ConsumerRecord>>> {
        let mut state = self.lock();
        if let Some((records, bytes)) = state.fetched.pop_front() {
            state.bytes -= bytes;
            self.room.notify_one();
            return Ok(Some(records));
        }
        match &state.status {
            Status::Lost(cause) => Err(cause.clone()),
            _ => Ok(None),
        }
    }

    pub(super) fn seek(&self, offset: u64) {
        let mut state = self.lock();
        state.turn.0 += 1;
        state.next = offset;
        state.fetched.clear();
        state.bytes = 0;
        state.status = Status::Connecting;
        self.turned.notify_one();
        self.room.notify_one();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.turned.notify_one();
    }

    pub(super) fn wake(&self, reader: Thread) {
        // What came before the reader was known must wake it, too.
        reader.unpark();
        self.lock().reader = Some(reader);
    }

    pub(super) fn status(&self) -> Status {
        self.lock().status.clone()
    }

    /// Whether nothing waits to be taken.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().fetched.is_empty()
    }

    pub(super) fn end(&self) -> Option<u64> {
        self.lock().end
    }
}

/// The feeder's side.
impl Queue {
    /// The turn that it is; none when the partition is closed.
    pub(super) fn turn(&self) -> Option<Turn> {
        let state = self.lock();
        (!state.closed).then_some(state.turn)
    }

    /// Waits until `turn` is over.
    pub(super) async fn turned(&self, turn: Turn) {
        while self.turn() == Some(turn) {
            self.turned.notified().await;
        }
    }

    /// Waits until there is room for another batch.
    pub(super) async fn room(&self) {
        while self.lock().bytes >= QUEUE_BYTES_MAX {
            self.room.notified().await;
        }
    }

    /// The next offset to fetch.
    pub(super) fn next(&self) -> u64 {
        self.lock().next
    }

    /// Appends records that begin at [`Self::next`] without a gap; what belongs to a turn that is over is let go.
    pub(super) fn push(&self, turn: Turn, records: Vec<ConsumerRecord>) {
        let bytes = records.iter().map(|r| r.value().len() + r.key().map_or(0, <[u8]>::len)).sum();
        let mut state = self.lock();
        if state.turn != turn {
            return;
        }
        state.next += records.len() as u64;
        state.end = state.end.max(Some(state.next));
        state.fetched.push_back((records, bytes));
        state.bytes += bytes;
        if let Some(reader) = &state.reader {
            reader.unpark();
        }
    }

    pub(super) fn set_status(&self, turn: Turn, status: Status) {
        let mut state = self.lock();
        if state.turn != turn {
            return;
        }
        let lost = matches!(status, Status::Lost(_));
        state.status = status;
        self.word.notify_all();
        if let (true, Some(reader)) = (lost, &state.reader) {
            reader.unpark();
        }
    }

    /// Takes note of where the partition ends, as far as the cluster knows; what was fetched is known better.
    pub(super) fn set_end(&self, end: Option<u64>) {
        let mut state = self.lock();
        state.end = end.map(|end| end.max(state.next));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
