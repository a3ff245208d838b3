//! What a worker is given, what it is told, what it shows.

use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

use crate::commit::Epoch;
use crate::config::plan::EpochBounds;
use crate::error::Error;
use crate::lake::Profile;
use crate::pipeline::committer::Message;
use crate::pipeline::generation::Generation;
use crate::pipeline::shadow::Feed;
use crate::pipeline::shelf::Shelf;
use crate::pipeline::trial::{Fared, Outcome, TRIAL_RECORDS, TRIAL_TIME, Trial, Verdict};
use crate::record::Source;
use crate::time::{Clock, Timestamp};
use crate::trouble::{self, Trouble};
use crate::window::spec::Time;

/// What a worker is told; it looks between epochs.
pub enum Command {
    /// Take this generation from the next epoch on, on trial if one is given.
    Take(Arc<Generation>, Option<Trial>),
    /// Abandon the open epoch if it is of another generation, and go on with this one.
    Back(Arc<Generation>),
    /// Lend chunks to this shadow, or to none any more; it needs no end of an epoch.
    Shadow(Option<Arc<Feed>>),
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
    /// The digest of the chain in service.
    pub digest: String,
    /// Why it does not go on, where it does not.
    pub trouble: Option<Trouble>,
    /// Whether it waits for a new generation or a restart.
    pub paused: bool,
    /// How long the last change of its generation kept it, in microseconds: from the hand-over before to the next read.
    pub swap_us: Option<u64>,
}

/// Where a worker leaves its state for whoever asks.
pub type Shown = Arc<Mutex<State>>;

/// All that a worker needs.
pub struct Setup {
    /// Its table's name.
    pub name: Arc<str>,
    /// The partition's last committed epoch.
    pub position: Epoch,
    /// The partition, as it is read.
    pub source: Box<dyn Source>,
    /// The generation in service here, with the table as it writes it.
    pub generation: Arc<Generation>,
    /// Its trial, until it is over.
    pub trial: Option<Trial>,
    /// How it has fared since it was taken, and before the start.
    pub fared: Fared,
    /// How the one before it had fared.
    pub fared_before: Fared,
    /// The shadow that looks at what it does.
    pub shadow: Option<Arc<Feed>>,
    /// Since when it is being changed.
    pub swap_began: Option<Instant>,
    /// What it is told.
    pub commands: Receiver<Command>,
    /// When an epoch ends.
    pub bounds: EpochBounds,
    /// What is known of how its rows are best encoded.
    pub profile: Profile,
    /// How far each aggregate has come in this partition, in their order.
    pub watermarks: Vec<Timestamp>,
    /// Up to when windows of append time were told that no record comes any more.
    pub settled: Timestamp,
    /// Where its rows wait for the bucket; while they are too many, or cannot get there, it waits.
    pub shelf: Arc<Shelf>,
    /// Where it hands over; full means that it waits.
    pub committer: SyncSender<Message>,
    /// Where it shows itself.
    pub shown: Shown,
    /// The time.
    pub clock: Arc<Clock>,
}

impl Setup {
    /// No record may get an earlier time: up to here there were records, or windows of append time have closed by the clock.
    pub fn floor(&self) -> Timestamp {
        let aggregates = self.generation.table.plan.aggregates.iter().zip(&self.watermarks);
        let settled =
            aggregates.filter(|(aggregate, _)| aggregate.window.time == Time::Append).map(|(_, settled)| *settled);
        settled.fold(self.position.watermark.max(self.settled), Timestamp::max)
    }

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

    pub(super) fn take(&mut self, generation: Arc<Generation>, trial: Option<Trial>) {
        let fared = std::mem::take(&mut self.fared);
        // One that was never tried here says nothing; the one before it does.
        if self.trial.is_none() || fared.records > 0 {
            self.fared_before = fared;
        }
        self.generation = generation;
        self.trial = trial;
    }

    /// Goes on with a generation as it was before another was tried, or with one that a person chose.
    pub(super) fn go_back(&mut self, generation: Arc<Generation>) {
        let tried = self.trial.take().is_some();
        self.fared = if tried { std::mem::take(&mut self.fared_before) } else { Fared::default() };
        self.generation = generation;
    }

    /// Ends the trial: what was tried did not pass, and the generation before it goes on.
    pub(super) fn fail_trial(&mut self, why: String) {
        let Some(back) = self.trial.as_ref().map(|trial| Arc::clone(&trial.back)) else { return };
        self.tell(Outcome::Failed(why));
        self.go_back(back);
    }

    pub(super) fn tell(&mut self, outcome: Outcome) {
        let (table, partition) = (Arc::clone(&self.name), self.position.partition);
        let verdict = Verdict { table, partition, number: self.generation.number, outcome };
        self.trial.iter_mut().for_each(|trial| trial.tell(verdict.clone()));
    }

    /// When an epoch ends; a trial's ends early, so that its verdict comes soon.
    pub(super) fn bounds(&self) -> EpochBounds {
        let EpochBounds { time, records, bytes } = self.bounds;
        match self.trial {
            Some(_) => EpochBounds { time: time.min(TRIAL_TIME), records: records.min(TRIAL_RECORDS), bytes },
            None => EpochBounds { time, records, bytes },
        }
    }
}
