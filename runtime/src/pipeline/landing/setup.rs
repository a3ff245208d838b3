//! What a landing's worker is given, and what it shows.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::commit::{Epoch, Object};
use crate::config::plan::{self, EpochBounds};
use crate::error::Error;
use crate::landing::Draft;
use crate::pipeline::committer::Message;
use crate::pipeline::shelf::Shelf;
use crate::record::Source;
use crate::time::Clock;
use crate::trouble::{self, Trouble};

/// What a landing's worker shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// The offset after the last record that was handed over.
    pub next: u64,
    /// The offset after the last record that was read.
    pub read: u64,
    /// The offset up to which all objects have ended.
    pub ended: u64,
    /// Records in open objects.
    pub open_records: u64,
    /// The offset after the last that can be read, where it is known.
    pub end: Option<u64>,
    /// Why it does not go on, where it does not.
    pub trouble: Option<Trouble>,
    /// Whether only a restart can help.
    pub paused: bool,
}

/// Where a worker leaves its state for whoever asks.
pub type Shown = Arc<Mutex<State>>;

/// All that a landing's worker needs.
pub struct Setup {
    /// The landing's name.
    pub name: Arc<str>,
    /// The landing as planned.
    pub plan: plan::Landing,
    /// What the keys of the lake begin with.
    pub prefix: String,
    /// The spool's folder.
    pub spool: PathBuf,
    /// The partition's last committed epoch.
    pub position: Epoch,
    /// The partition, as it is read.
    pub source: Box<dyn Source>,
    /// Whatever comes here, also an end, tells it to stop.
    pub stop: Receiver<()>,
    /// When what has ended is committed.
    pub bounds: EpochBounds,
    /// Where its objects wait for the bucket; while they are too many, or cannot get there, it waits.
    pub shelf: Arc<Shelf>,
    /// Where it hands over; full means that it waits.
    pub committer: SyncSender<Message>,
    /// Where it shows itself.
    pub shown: Shown,
    /// The time.
    pub clock: Arc<Clock>,
}

impl Setup {
    /// Changes what the worker shows of itself.
    pub(super) fn show(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Shows that `error` keeps the partition from going on.
    pub(super) fn show_trouble(&self, error: &Error, paused: bool) {
        let (what, now) = (trouble::partition(&self.name, self.position.partition), self.clock.now());
        self.show(|state| {
            state.trouble = Some(Trouble::of(what, error, state.trouble.as_ref(), now));
            state.paused = paused;
        });
    }

    /// How the names of the files begin that are made from now on.
    pub(super) fn stem(&self) -> String {
        stem(&self.name, &self.position)
    }

    /// The object that a draft becomes; where its bytes lie is not known yet.
    pub(super) fn object(&self, draft: &Draft) -> Object {
        let Draft { folder, first_offset, next_offset, first_time, records, .. } = draft;
        let (topic, partition) = (&self.plan.topic, self.position.partition);
        Object {
            key: self.prefix.clone() + &self.plan.options.key(topic, folder, partition, *first_offset),
            file: String::new(),
            start: 0,
            table: self.name.to_string(),
            partition,
            revision: 0,
            window: *first_time,
            first_offset: *first_offset,
            next_offset: *next_offset,
            rows: *records,
            bytes: 0,
            sha256: String::new(),
            digests: Vec::new(),
        }
    }
}

/// How the names of files begin that are made after an epoch.
pub(super) fn stem(name: &str, before: &Epoch) -> String {
    format!("{name}+{}+{}", before.partition, before.epoch + 1)
}
