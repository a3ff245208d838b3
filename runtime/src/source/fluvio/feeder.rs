//! The thread that keeps a stream of the cluster open, whatever happens to it.
//!
//! The cluster cuts an answer at its size, in the middle of a batch. The client then hands out the records that it
//! could decode, acknowledges all that the batch's header claims, and so loses the rest without a word. Hence:
//! a batch that holds fewer records than it claims, an offset that is not the next, and any error of the stream are
//! a *cut*; the good records before it are kept, the stream is dropped, another is opened at the next offset.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::fluvio::consumer::ConsumerRecord;
use ::fluvio::dataplane::link::ErrorCode;
use ::fluvio::dataplane::record::Batch;
use futures_util::StreamExt;
use tracing::{debug, warn};

use super::client::{Batches, Client};
use super::queue::{Queue, Status, Turn};
use crate::error::{Error, Kind};
use crate::source::options::{FluvioOptions, Timeouts};

/// Streams that one connection opens: the cluster keeps each that was dropped until its connection is closed.
const STREAMS_PER_CONNECTION: usize = 64;

/// Why reading does not simply go on.
enum Stop {
    /// Another try may do better.
    Failed(Error),
    /// Records are gone; no try brings them back.
    Lost(Error),
}

/// Where a stream that had brought something was cut.
enum Cut {
    /// In a batch; the connection is sound.
    Batch,
    /// By an error. It may be the connection's, and the client can wait for an answer over one that is gone.
    Stream,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Reads until the partition is closed.
pub(super) fn run(options: FluvioOptions, timeouts: Timeouts, queue: Arc<Queue>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    match runtime {
        Ok(runtime) => runtime.block_on(Feeder::new(options, timeouts, queue).run()),
        Err(cause) => {
            let cause = Error::new(Kind::Busy, format!("topic {:?}: {cause}", options.topic));
            if let Some(turn) = queue.turn() {
                queue.set_status(turn, Status::Lost(cause));
            }
        }
    }
}

struct Feeder {
    subject: String,
    options: FluvioOptions,
    timeouts: Timeouts,
    queue: Arc<Queue>,
    /// When the trouble began and how many tries have failed since; none while records come.
    trouble: Option<(Instant, u32)>,
    /// The offset at which the stream before this one began too late.
    jumped: Option<u64>,
}

impl Feeder {
    fn new(options: FluvioOptions, timeouts: Timeouts, queue: Arc<Queue>) -> Self {
        let subject = format!("topic {:?}: partition {}", options.topic, options.partition);
        Self { subject, options, timeouts, queue, trouble: None, jumped: None }
    }

    async fn run(&mut self) {
        let queue = Arc::clone(&self.queue);
        while let Some(turn) = queue.turn() {
            self.trouble = None;
            self.jumped = None;
            tokio::select! {
                biased;
                () = queue.turned(turn) => {}
                () = self.feed(turn) => {}
            }
        }
    }

    /// Feeds the queue until it is dropped, or records are gone and the turn is over.
    async fn feed(&mut self, turn: Turn) {
        loop {
            match self.session(turn).await {
                Ok(()) => {}
                Err(Stop::Failed(cause)) => {
                    let cause = cause.within(&self.subject);
                    let (since, tries) = self.trouble.unwrap_or_else(|| (Instant::now(), 0));
                    self.trouble = Some((since, tries + 1));
                    warn!(tries = tries + 1, %cause, "reading from fluvio failed");
                    self.queue.set_status(turn, Status::Retrying { since, tries: tries + 1, cause });
                    tokio::time::sleep(self.pause(tries)).await;
                }
                Err(Stop::Lost(cause)) => {
                    self.queue.set_status(turn, Status::Lost(cause.within(&self.subject)));
                    return self.queue.turned(turn).await;
                }
            }
        }
    }

    /// Reads over one connection, until it has had its share of streams or something fails.
    async fn session(&mut self, turn: Turn) -> Result<(), Stop> {
        let options = self.options.clone();
        let client = Client::connect(&options, self.timeouts).await?;
        let extent = client.extent().await?;
        self.queue.set_end(extent.end);
        for _ in 0..STREAMS_PER_CONNECTION {
            let from = self.queue.next();
            if from < extent.earliest {
                return Err(gone(from, extent.earliest));
            }
            let doubt = extent.end.filter(|end| *end < from).map(|end| {
                let message = format!("offset {from} is wanted while the partition ends at {end}");
                Error::new(Kind::Missing, message).hint("was the topic deleted and made again?")
            });
            let mut stream = client.stream(from).await?;
            self.queue.set_status(turn, Status::Connected(doubt));
            match self.drain(turn, &client, &mut stream).await? {
                Cut::Batch => {}
                Cut::Stream => break,
            }
        }
        Ok(())
    }

    /// Reads a stream until it is cut; an error when it was cut before it had brought anything.
    async fn drain(&mut self, turn: Turn, client: &Client<'_>, stream: &mut Batches) -> Result<Cut, Stop> {
        let from = self.queue.next();
        loop {
            self.queue.room().await;
            let next = self.queue.next();
            let Ok(came) = tokio::time::timeout(self.timeouts.silence, stream.next()).await else {
                self.judge_silence(turn, client, next).await?;
                continue;
            };
            let (stop, cut) = match came {
                Some(Ok(batch)) => match take(batch, next) {
                    Taken::Whole(records) => {
                        self.keep(turn, records);
                        continue;
                    }
                    Taken::Cut(records) => {
                        self.keep(turn, records);
                        (Stop::Failed(failed(next, "a batch that is cut before it")), Cut::Batch)
                    }
                    Taken::Jump(to) => (self.judge_jump(next, to), Cut::Batch),
                },
                Some(Err(code)) => (judge(code, client, next).await, Cut::Stream),
                None => (Stop::Failed(failed(next, "the end of the stream")), Cut::Stream),
            };
            match stop {
                // What came since the stream was opened is progress: another one is due at once.
                Stop::Failed(cause) if self.queue.next() > from => {
                    debug!(next = self.queue.next(), %cause, "the stream was cut");
                    return Ok(cut);
                }
                stop => return Err(stop),
            }
        }
    }

    fn keep(&mut self, turn: Turn, records: Vec<ConsumerRecord>) {
        if !records.is_empty() {
            self.trouble = None;
            self.jumped = None;
            self.queue.push(turn, records);
        }
    }

    /// An idle stream is silent, and so is a dead one: the cluster knows which it is.
    async fn judge_silence(&mut self, turn: Turn, client: &Client<'_>, next: u64) -> Result<(), Stop> {
        let extent = match client.extent().await {
            Ok(extent) => extent,
            Err(cause) if cause.kind() == Kind::Missing => return Err(cause.into()),
            Err(cause) => match Client::connect(&self.options, self.timeouts).await {
                // The controller is there; only our connection to it is not.
                Ok(_) => return Err(cause.into()),
                // Without a controller no other stream can be opened, and this one may still bring records.
                Err(doubt) => {
                    self.queue.set_status(turn, Status::Connected(Some(doubt.within(&self.subject))));
                    return Ok(());
                }
            },
        };
        self.queue.set_end(extent.end);
        if let Some(end) = extent.end.filter(|end| *end > next) {
            return Err(Stop::Failed(failed(next, &format!("silence, though the partition ends at {end}"))));
        }
        self.trouble = None;
        Ok(())
    }

    /// A stream that began too late twice at the same offset has shown that nothing is kept before.
    fn judge_jump(&mut self, next: u64, to: u64) -> Stop {
        match self.jumped.replace(next) {
            Some(before) if before == next => gone(next, to),
            _ => Stop::Failed(failed(next, &format!("offset {to}"))),
        }
    }

    /// Doubles with each try up to the longest, and lies anywhere between half of that and all.
    fn pause(&self, tries: u32) -> Duration {
        let whole = self.timeouts.retry_min.saturating_mul(1 << tries.min(16)).min(self.timeouts.retry_max);
        let random = RandomState::new().build_hasher().finish() as u32;
        whole / 2 + (whole / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

/// What a batch holds from the next offset on.
enum Taken {
    /// All that it claims.
    Whole(Vec<ConsumerRecord>),
    /// Less than it claims.
    Cut(Vec<ConsumerRecord>),
    /// It begins later, at this offset.
    Jump(u64),
}

fn take(batch: Batch, next: u64) -> Taken {
    let (claimed, held) = (batch.records_len(), batch.records().len());
    let base = u64::try_from(batch.base_offset).unwrap_or(0);
    if base > next {
        return Taken::Jump(base);
    }
    // The cluster sends whole batches, so the first may begin before what was asked for.
    let known = usize::try_from(next - base).unwrap_or(usize::MAX);
    let records = batch.into_consumer_records_iter(0).take(claimed).skip(known).collect();
    if claimed == held { Taken::Whole(records) } else { Taken::Cut(records) }
}

async fn judge(code: ErrorCode, client: &Client<'_>, next: u64) -> Stop {
    match code {
        ErrorCode::OffsetEvicted { next_available, .. } => match u64::try_from(next_available) {
            Ok(earliest) if earliest > next => gone(next, earliest),
            _ => Stop::Failed(failed(next, &code.to_string())),
        },
        ErrorCode::OffsetOutOfRange => match client.extent().await {
            Ok(extent) if extent.earliest > next => gone(next, extent.earliest),
            _ => Stop::Failed(failed(next, &code.to_string())),
        },
        code => Stop::Failed(failed(next, &code.to_string())),
    }
}

fn failed(next: u64, came: &str) -> Error {
    Error::new(Kind::Unavailable, format!("where offset {next} was due came {came}"))
}

fn gone(next: u64, earliest: u64) -> Stop {
    let message = format!("offset {next} is wanted, but the earliest that the cluster still has is {earliest}");
    let hint = format!("retention removed what lay between; go on at offset {earliest} to do without it");
    Stop::Lost(Error::new(Kind::Missing, message).hint(hint))
}
