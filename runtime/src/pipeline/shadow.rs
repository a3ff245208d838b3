//! A shadow: a candidate that cleans what the live chain cleans, beside it, so that their rows can be compared.

mod compare;
mod report;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use self::compare::{Came, compare};
pub use self::report::{Example, FieldReport, Rejected, Report};
use super::generation::{Chain, Generation};
use super::transform::{Cleaned, Piece, Transform};
use crate::decode::{Decoded, Decoder};
use crate::error::Result;
use crate::record::{Batch, Record};

/// Chunks that wait for a shadow; with as many on their way, workers pass on what comes without a look.
const SAMPLES_MAX: usize = 2;

/// How long a shadow that rests does not look whether it is still wanted.
const LOOK_TIME: Duration = Duration::from_millis(100);

/// What workers hold of a shadow: they lend it chunks while it has room, and never wait for it.
pub struct Feed {
    samples: SyncSender<Sample>,
    /// How many chunks it takes now.
    room: AtomicUsize,
    /// Records that workers had, whether it took them or not.
    seen: AtomicU64,
}

/// What a shadow leaves for whoever asks.
pub type Shown = Arc<Mutex<Report>>;

/// A chunk as a worker has cleaned it.
pub struct Seen<'a> {
    /// The partition.
    pub partition: u32,
    /// The batch that it is a part of.
    pub batch: &'a Batch,
    /// The part.
    pub records: Range<usize>,
    /// What the live chain was given of it.
    pub decoded: &'a Decoded,
    /// What the live chain made of it.
    pub cleaned: &'a Cleaned,
    /// How long that took, with the decoding.
    pub spent: Duration,
}

/// A copy of a chunk, with what the live chain made of it.
struct Sample {
    partition: u32,
    /// The live chain, by its generation's number and its digest: a number whose trial failed is given again.
    live_chain: (u64, String),
    records: Batch,
    live: Came,
}

/// What the thread of a shadow works with.
pub struct Shadow {
    chain: Chain,
    transform: Transform,
    decoders: HashMap<u32, Decoder>,
    /// The part of one processor's time that it may use.
    share: f64,
    feed: std::sync::Weak<Feed>,
    samples: Receiver<Sample>,
    shown: Shown,
}

/// A shadow of a chain, to be run in a thread of its own, and the feed that keeps it alive.
///
/// Errors where the chain does not start.
pub fn shadow(chain: Chain, share: f64, report: Report) -> Result<(Shadow, Arc<Feed>, Shown)> {
    let transform = chain.start()?;
    let (sender, samples) = sync_channel(SAMPLES_MAX);
    let feed = Arc::new(Feed { samples: sender, room: AtomicUsize::new(SAMPLES_MAX), seen: AtomicU64::new(0) });
    let shown = Arc::new(Mutex::new(report));
    let shadow = Shadow {
        chain,
        transform,
        decoders: HashMap::new(),
        share,
        feed: Arc::downgrade(&feed),
        samples,
        shown: Arc::clone(&shown),
    };
    Ok((shadow, feed, shown))
}

/// The report as it stands.
pub fn report(shown: &Shown) -> MutexGuard<'_, Report> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Feed {
    /// Lends a chunk if there is room: it is copied, and compared elsewhere.
    pub(super) fn lend(&self, generation: &Generation, seen: &Seen<'_>) {
        let records = seen.records.len();
        self.seen.fetch_add(records as u64, Ordering::Relaxed);
        let less = |room: usize| room.checked_sub(1);
        if self.room.fetch_update(Ordering::AcqRel, Ordering::Relaxed, less).is_err() {
            return;
        }
        let mut copy = Batch::default();
        seen.batch.range(seen.records.clone()).for_each(|record: Record<'_>| copy.push(record));
        let sample = Sample {
            partition: seen.partition,
            live_chain: (generation.number, generation.chain.digest().to_owned()),
            records: copy,
            live: Came::of(seen.decoded, seen.cleaned, seen.records.start as u32, seen.spent),
        };
        // Room was made for it; a shadow that has ended needs none.
        let _ = self.samples.try_send(sample);
    }
}

impl Shadow {
    /// Works until nobody holds its feed, or until the candidate runs out of time again and again.
    pub fn run(mut self) {
        while let Ok(sample) = self.samples.recv() {
            let begun = Instant::now();
            if let Err(error) = self.look(&sample) {
                report(&self.shown).trouble = Some(error.message().to_owned());
                return;
            }
            // It takes the next chunk only when this one's time has become its share.
            let rest = begun.elapsed().mul_f64(1.0 / self.share - 1.0);
            let until = Instant::now() + rest;
            while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                if self.feed.strong_count() == 0 {
                    return;
                }
                std::thread::park_timeout(left.min(LOOK_TIME));
            }
            let Some(feed) = self.feed.upgrade() else { return };
            feed.room.fetch_add(1, Ordering::AcqRel);
            report(&self.shown).records_seen = feed.seen.load(Ordering::Relaxed);
        }
    }

    fn look(&mut self, sample: &Sample) -> Result<()> {
        let mine = self.clean(sample)?;
        let compared = compare(sample, &mine)?;
        let mut report = report(&self.shown);
        if report.live_chain != sample.live_chain.1 || report.live_generation != sample.live_chain.0 {
            report.begin_anew(&sample.live_chain);
            self.feed.upgrade().iter().for_each(|feed| feed.seen.store(compared.records, Ordering::Relaxed));
        }
        report.add(compared);
        Ok(())
    }

    fn clean(&mut self, sample: &Sample) -> Result<Came> {
        let begun = Instant::now();
        let decoder = match self.decoders.entry(sample.partition) {
            hashbrown::hash_map::Entry::Occupied(known) => known.into_mut(),
            hashbrown::hash_map::Entry::Vacant(new) => new.insert(self.chain.decoder(sample.partition)?),
        };
        let decoded = decoder.decode(&sample.records, 0..sample.records.len())?;
        let cleaned = self.transform.apply(&decoded.rows)?;
        Ok(Came::of(&decoded, &cleaned, 0, begun.elapsed()))
    }
}

impl Came {
    /// What came of a chunk that begins at record `first` of its batch.
    fn of(decoded: &Decoded, cleaned: &Cleaned, first: u32, spent: Duration) -> Self {
        let record = |row: &u32| decoded.sources.get(*row as usize).map(|index| index - first);
        let mut pieces = Vec::new();
        for Piece { rows, sources } in &cleaned.pieces {
            pieces.push(Piece { rows: rows.clone(), sources: sources.iter().filter_map(record).collect() });
        }
        let mut rejected: Vec<(u32, String)> =
            decoded.rejected.iter().map(|(index, reason)| (index - first, reason.clone())).collect();
        let refused = cleaned.rejected.iter();
        rejected.extend(refused.filter_map(|(row, reason)| Some((record(row)?, reason.clone()))));
        rejected.sort_by_key(|(record, _)| *record);
        Self { pieces, rejected, failed: cleaned.failed, spent }
    }
}
