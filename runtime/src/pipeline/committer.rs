//! The committer: the one thread that writes the cache's file; what waits together shares a transaction.

mod health;
mod told;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

pub use self::health::Health;
use super::aggregates::{Aggregates, Change};
use super::epoch::Handover;
use super::hold::Hold;
use super::prune::Prune;
use super::redrive::{Kept, Redrive};
use super::rollups::Rollups;
use super::shelf::Shelf;
use super::table::Table;
use crate::cache::{Commit, Generation, Latest, Store};
use crate::commit::{Became, DeadLetter, Epoch, Object, Revision, Run, Segment};
use crate::error::{Error, Kind, Result};
use crate::lake::options::Format;
use crate::metrics::Metrics;
use crate::sabotage::{self, Fault, Place};
use crate::time::{Clock, Timestamp};

/// Messages that wait for the committer; more make their senders wait.
pub const HANDOVERS_MAX: usize = 4;
/// How long the committer waits after a commit that failed before it tries the same again.
const RETRY_TIME: Duration = Duration::from_secs(1);

/// What the committer is told.
pub enum Message {
    /// An epoch ended.
    Handover(Box<Handover>),
    /// A partition was read to its end, and no record can come any more before `settled`.
    Settled {
        /// The table.
        table: Arc<str>,
        /// Its partition.
        partition: u32,
        /// The time.
        settled: Timestamp,
        /// How long the partition has shown no record.
        quiet: Duration,
    },
    /// Segments were joined into an object.
    Landed {
        /// The segments' files.
        segments: Vec<String>,
        /// The object.
        object: Object,
    },
    /// Objects are in the bucket.
    Delivered(Vec<Object>),
    /// A generation is to be in service after a restart too.
    Generation(Generation),
    /// Dead letters were healed.
    Redrive(Box<Redrive>),
    /// Runs of schedules stand otherwise.
    Runs(Recorded),
    /// Rows of the cache are too old.
    Prune(Box<Prune>),
    /// Another is to write the file: stand still once all before this is committed.
    Hold(Hold),
}

/// How runs of schedules stand now, to be recorded.
pub struct Recorded {
    /// The runs.
    pub runs: Vec<Run>,
    /// Up to when the times of schedules have become runs.
    pub upto: Vec<(String, Timestamp)>,
    /// Told once it is lasting.
    pub done: oneshot::Sender<()>,
}

/// All that the committer needs.
pub struct Setup {
    /// The one writer of the cache's file.
    pub store: Store,
    /// The tables.
    pub tables: Vec<Arc<Table>>,
    /// Their aggregates, as they stood at the last commit.
    pub aggregates: Aggregates,
    /// Their rollups.
    pub rollups: Rollups,
    /// Where segments and objects wait.
    pub shelf: Arc<Shelf>,
    /// The spool's folder.
    pub spool: PathBuf,
    /// The form of the lake's objects.
    pub format: Format,
    /// The pipeline's name.
    pub pipeline: String,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// Where it shows itself.
    pub health: Arc<Health>,
    /// The time.
    pub clock: Arc<Clock>,
}

/// What one transaction writes.
#[derive(Default)]
pub(crate) struct Batch {
    /// The ledger's lines, each with the latest rows of its epoch.
    epochs: Vec<(Epoch, Option<Latest>)>,
    dead_letters: Vec<DeadLetter>,
    segments: Vec<Segment>,
    changes: Vec<Change>,
    landed: Vec<(Vec<String>, Object)>,
    objects: Vec<Object>,
    delivered: Vec<Object>,
    generations: Vec<Generation>,
    redrives: Vec<Redriven>,
    recorded: Vec<Recorded>,
    prunes: Vec<Prune>,
    holds: Vec<Hold>,
    /// Up to where the lake windows of partitions have come.
    settled: Vec<(String, u32, Timestamp)>,
}

/// Dead letters that were healed, once their rows have been taken in.
struct Redriven {
    table: String,
    revision: u64,
    healed: Vec<((u32, u64), Became)>,
    lines: Vec<Revision>,
    latest: Option<Latest>,
    late: Vec<(String, u64)>,
    done: SyncSender<Result<Vec<(String, u64)>>>,
}

/// Commits what it is told until nobody can tell it anything any more.
pub fn run(mut setup: Setup, messages: &Receiver<Message>) {
    while let Ok(first) = messages.recv() {
        let gathered = setup.gather(std::iter::once(first).chain(messages.try_iter().take(HANDOVERS_MAX)));
        match gathered.and_then(|mut batch| setup.commit(&mut batch).map(|()| batch)) {
            Ok(mut batch) => {
                let holds = std::mem::take(&mut batch.holds);
                setup.publish(batch);
                if let Err(error) = holds.into_iter().try_for_each(|hold| setup.stand(hold)) {
                    return setup.give_up(&error);
                }
            }
            Err(error) => return setup.give_up(&error),
        }
    }
    if let Err(error) = setup.store.close() {
        tracing::error!(error = error.message(), "cache not closed well, the next start goes on from its log");
    }
}

impl Setup {
    /// Takes in what shares a transaction.
    pub(crate) fn gather(&mut self, messages: impl IntoIterator<Item = Message>) -> Result<Batch> {
        let mut batch = Batch::default();
        messages.into_iter().try_for_each(|message| self.merge(message, &mut batch))?;
        batch.changes = self.aggregates.take_changes();
        Ok(batch)
    }

    /// Takes a message in; what it says of windows is merged at once, what is stored waits in `batch`.
    fn merge(&mut self, message: Message, batch: &mut Batch) -> Result<()> {
        match message {
            Message::Handover(handover) => {
                let Handover { mut epoch, segments, objects, partials, latest, dead_letters } = *handover;
                epoch.shares = self.aggregates.merge(&epoch.table, epoch.partition, partials)?;
                batch.settled.push((epoch.table.clone(), epoch.partition, epoch.watermark));
                batch.segments.extend(segments);
                batch.objects.extend(objects);
                batch.dead_letters.extend(dead_letters);
                batch.epochs.push((epoch, latest));
            }
            Message::Settled { table, partition, settled, quiet } => {
                self.aggregates.advance(&table, partition, settled, quiet);
                batch.settled.push((table.to_string(), partition, settled));
            }
            Message::Landed { segments, object } => batch.landed.push((segments, object)),
            Message::Delivered(objects) => batch.delivered.extend(objects),
            Message::Generation(generation) => batch.generations.push(generation),
            Message::Redrive(redrive) => self.merge_redrive(*redrive, batch)?,
            Message::Runs(recorded) => batch.recorded.push(recorded),
            Message::Prune(prune) => batch.prunes.push(*prune),
            Message::Hold(hold) => batch.holds.push(hold),
        }
        Ok(())
    }

    /// Takes in letters that were healed, unless one of them does not wait any more.
    fn merge_redrive(&mut self, redrive: Redrive, batch: &mut Batch) -> Result<()> {
        let Redrive { table, revision, kept, done } = redrive;
        let Kept { healed, mut lines, segments, partials, latest } = kept;
        let refused = match self.store.wait(&table, healed.iter().map(|(at, _)| *at)) {
            Ok(true) => None,
            Ok(false) => Some(Error::new(Kind::Conflict, format!("table {table:?}: a letter was healed meanwhile"))),
            Err(error) => Some(error),
        };
        if let Some(error) = refused {
            segments.iter().for_each(|segment| self.forget(&segment.file));
            // Who asked may have gone.
            let _ = done.send(Err(error));
            return Ok(());
        }
        let pruned = self.store.pruned(&table)?;
        let latest = latest.map(|latest| latest.since(pruned)).transpose()?;
        let late = self.aggregates.amend(&table, partials)?;
        lines.iter_mut().take(1).for_each(|line| line.late.clone_from(&late));
        batch.segments.extend(segments);
        batch.redrives.push(Redriven { table, revision, healed, lines, latest, late, done });
        Ok(())
    }

    /// Stands still while another writes the file, then goes on with what it has become.
    fn stand(&mut self, hold: Hold) -> Result<()> {
        let table = hold.table.clone();
        let Some(segments) = hold.stand() else { return Ok(()) };
        if let Some(table) = self.tables.iter().find(|of| of.plan.name == table) {
            self.aggregates.reload(table, |name| Ok((self.store.groups(name)?, self.store.last_group(name)?)))?;
        }
        self.rollups.restore(&mut self.store)?;
        // Windows of aggregates get there when they have closed.
        let closed: Vec<_> = segments.iter().filter(|segment| segment.table != table).cloned().collect();
        self.shelf.add(segments);
        for Segment { table, partition, window, .. } in closed {
            self.shelf.close(&table, partition, window.plus(Duration::from_micros(1)));
        }
        Ok(())
    }

    /// Writes a batch, again and again while the disk or another program is in the way.
    fn commit(&mut self, batch: &mut Batch) -> Result<()> {
        while !self.attempt(batch)? {
            std::thread::park_timeout(RETRY_TIME);
        }
        Ok(())
    }

    /// Writes a batch; false where it is to be tried again.
    pub(crate) fn attempt(&mut self, batch: &mut Batch) -> Result<bool> {
        if batch.is_empty() {
            return Ok(true);
        }
        let begun = Instant::now();
        match self.write(batch) {
            Ok(()) => {
                let took = self.metrics.commit_seconds.with_label_values(&[&self.pipeline]);
                took.observe(begun.elapsed().as_secs_f64());
                self.health.mend();
                Ok(true)
            }
            Err(error) if self.health.retries(&error) => {
                tracing::error!(error = error.message(), "commit failed, to be tried again");
                self.health.fail(&error, self.clock.now());
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, batch: &mut Batch) -> Result<()> {
        for change in &mut batch.changes {
            change.write_segments(&self.spool, self.format)?;
        }
        let now = self.clock.now();
        let mut commit: Commit<'_> = self.store.begin()?;
        // Rollups need the rows as they were.
        self.rollups.read(&commit.rolled(), &batch.latest())?;
        for (epoch, latest) in &batch.epochs {
            let Some(latest) = latest else {
                commit.epoch(epoch)?;
                continue;
            };
            let older = latest.rows() as u64 - commit.upsert(&epoch.table, latest)?;
            commit.epoch(&Epoch {
                superseded: latest.superseded() + older,
                unkeyed: latest.unkeyed(),
                ..epoch.clone()
            })?;
        }
        for change in &batch.changes {
            commit.groups(&change.aggregate, [&change.gone, &change.changed, &change.closed], now)?;
            commit.late(&change.aggregate, &change.late_rows, &change.missed, now)?;
            commit.marks(&change.aggregate, &change.marks)?;
            commit.segments(&change.segments)?;
        }
        if !sabotage::is(Fault::LettersLost) {
            commit.dead_letters(&batch.dead_letters)?;
        }
        commit.segments(&batch.segments)?;
        sabotage::pass(Place::Commit, &self.pipeline);
        for (segments, object) in &batch.landed {
            commit.land(segments, object)?;
        }
        commit.objects(&batch.objects)?;
        for object in &batch.delivered {
            commit.delivered(&object.key, now)?;
        }
        for generation in &batch.generations {
            commit.generation(generation)?;
        }
        for Redriven { table, revision, healed, lines, latest, .. } in &batch.redrives {
            latest.iter().try_for_each(|latest| commit.upsert(table, latest).map(drop))?;
            lines.iter().try_for_each(|line| commit.revision(line))?;
            for (at, became) in healed {
                commit.healed(table, *at, *became, *revision, now)?;
            }
        }
        for Recorded { runs, upto, .. } in &batch.recorded {
            runs.iter().try_for_each(|run| commit.run(run))?;
            upto.iter().try_for_each(|(schedule, upto)| commit.schedule(schedule, *upto))?;
        }
        batch.prunes.iter().try_for_each(|prune| prune.write(&mut commit, &mut self.rollups))?;
        self.rollups.write(&commit.rolled())?;
        commit.finish()
    }

    fn give_up(self, error: &Error) {
        tracing::error!(error = error.message(), "commit failed for good");
        self.health.give_up(error, self.clock.now());
        self.store.abandon();
    }
}

impl Batch {
    /// The rows that are to be written, in this order, each of a table.
    fn latest(&self) -> Vec<(&str, &Latest)> {
        let epochs = self.epochs.iter().map(|(epoch, latest)| (epoch.table.as_str(), latest));
        let redriven = self.redrives.iter().map(|redriven| (redriven.table.as_str(), &redriven.latest));
        epochs.chain(redriven).filter_map(|(table, latest)| Some((table, latest.as_ref()?))).collect()
    }

    fn is_empty(&self) -> bool {
        let Self { epochs, dead_letters, segments, changes, landed, objects, .. } = self;
        let Self { delivered, generations, redrives, recorded, prunes, .. } = self;
        epochs.is_empty()
            && dead_letters.is_empty()
            && segments.is_empty()
            && changes.is_empty()
            && landed.is_empty()
            && objects.is_empty()
            && delivered.is_empty()
            && generations.is_empty()
            && redrives.is_empty()
            && recorded.is_empty()
            && prunes.is_empty()
    }
}
