//! The topic: its partitions, each with a writer, open for appends and readers.

use std::io::{Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use super::append::{Append, Producer, Promise, Ticket};
use super::buffers::Buffers;
use super::memory::OutOfTurn;
use super::meta::{self, Meta};
use super::options::{Compression, Options};
use super::partition::{Partition, Waiting};
use super::payload;
use super::place::Place;
use super::reader::{self, Reader};
use super::recover::{self, Recovered};
use super::retention;
use super::segment::{self, Before};
use super::turn::{self, Producers, Turn};
use super::writer::Writer;
use crate::disk;
use crate::error::{Error, Kind, OrFail, Result};
use crate::sabotage::{self, Fault};
use crate::time::{Clock, Timestamp};

/// A payload smaller than this is stored as it is.
const COMPRESSED_BYTES_MIN: usize = 512;

/// An open topic. It is closed when dropped; [`Topic::close`] also says how that went.
#[derive(Debug)]
pub struct Topic {
    name: String,
    options: Options,
    partitions: Vec<Arc<Partition>>,
    writers: Mutex<Vec<JoinHandle<()>>>,
    buffers: Arc<Buffers>,
    producers: Arc<Producers>,
    clock: Arc<Clock>,
    poisoned: Arc<AtomicBool>,
    trimming: Mutex<()>,
    turn: AtomicU32,
}

impl Topic {
    /// Opens the topic in the folder `dir`, making it and partitions that it does not have yet.
    ///
    /// A partition that is corrupt refuses readers and appends, and the others go on; see [`Topic::refusal`].
    /// Errors: `Input` for a bad name, a newer format, or fewer partitions than there are; `Corrupt` for bad
    /// metadata; `Storage` where the disk refuses. Takes the time to read the last segment of each partition.
    pub fn open(dir: &Path, name: &str, options: &Options, clock: Arc<Clock>) -> Result<Self> {
        let (mut topic, writers) = Self::recover(dir, name, options, &clock)?;
        writers.into_iter().try_for_each(|writer| topic.start(writer))?;
        Ok(topic)
    }

    /// The same with the writers that have yet to be set going, one for each partition that takes appends.
    pub(crate) fn recover(
        dir: &Path,
        name: &str,
        options: &Options,
        clock: &Arc<Clock>,
    ) -> Result<(Self, Vec<Writer>)> {
        meta::check_name(name)?;
        check(name, options)?;
        let folder = dir.join(name);
        let mut meta = Meta::open(&folder, name)?;
        if options.partitions < meta.partitions {
            let what = format!("topic {name:?}: it has {} partitions, not {}", meta.partitions, options.partitions);
            return Err(Error::new(Kind::Input, what).hint("a topic can be given more partitions, never fewer"));
        }
        let place = |partition| Place::open(&folder, name, meta.id, partition);
        let places = (0..options.partitions).map(place).collect::<Result<Vec<_>>>()?;
        for place in places.iter().skip(meta.partitions as usize) {
            create(place)?;
        }
        if options.partitions > meta.partitions {
            meta.partitions = options.partitions;
            meta.save(&folder)?;
        }
        let mut topic = Self {
            name: name.to_owned(),
            options: options.clone(),
            partitions: Vec::with_capacity(places.len()),
            writers: Mutex::default(),
            buffers: Arc::default(),
            producers: Arc::new(Producers::new()),
            clock: Arc::clone(clock),
            poisoned: Arc::default(),
            trimming: Mutex::default(),
            turn: AtomicU32::default(),
        };
        let writers = topic.read_back(places)?;
        Ok((topic, writers))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many partitions it has.
    pub fn partitions(&self) -> u32 {
        self.options.partitions
    }

    /// The partition for the next request's records that have neither key nor partition: one after the other.
    pub fn turn(&self) -> u32 {
        self.turn.fetch_add(1, Ordering::Relaxed) % self.partitions()
    }

    /// How it is kept.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// An append without records, to be filled and handed to [`Topic::append`].
    pub fn begin(&self) -> Append {
        Append::new(self.buffers.take(), self.options.record_bytes_max)
    }

    /// Appends records to a partition, all or none; compresses here and leaves the rest to the partition's writer.
    ///
    /// The ticket is answered when they are synced. Errors at once: `Missing` for a partition that is not there,
    /// `Input` for an append of nothing, `Busy` when too much waits, `Storage` or `Corrupt` when the partition
    /// takes nothing any more, `Unavailable` once the topic is closed.
    pub fn append(&self, partition: u32, append: Append) -> Result<Ticket> {
        let to = self.partition(partition)?;
        if append.is_empty() {
            return Err(to.place.error(Kind::Input, "an append needs a record"));
        }
        self.enqueue(to, append, None)
    }

    /// Appends the records of one request of a producer, by rising partition: each partition's all or none, and once
    /// however often the request is sent. What was appended before gets its offsets again; what is missing is appended now.
    ///
    /// Waits while another request of the producer is under way. A request without records is remembered too, so that
    /// the next sequence may follow.
    pub async fn append_once(
        &self,
        producer: Producer,
        appends: Vec<(u32, Append)>,
    ) -> Result<Vec<(u32, Result<Ticket>)>, OutOfTurn> {
        let producer = Producer { sum: turn::sum(&appends), ..producer };
        let turn = self.producers.turn(producer, &self.clock).await?;
        turn.check(&appends)?;
        let turn = Arc::new(turn);
        let mut tickets = Vec::with_capacity(appends.len().max(1));
        if appends.is_empty() && turn.is_first() {
            let partition = producer.partition(self.partitions());
            let mark = self.partition(partition).and_then(|to| self.enqueue(to, self.begin(), Some(Arc::clone(&turn))));
            tickets.push((partition, mark));
        }
        for (partition, append) in appends {
            let ticket = match turn.known(partition) {
                Some(part) => Ok(Ticket(Promise::Known(part.appended()))),
                None => self.partition(partition).and_then(|to| self.enqueue(to, append, Some(Arc::clone(&turn)))),
            };
            tickets.push((partition, ticket));
        }
        Ok(tickets)
    }

    /// A reader of a partition that begins at offset `from`, or at the first after it that is kept.
    pub fn reader(&self, partition: u32, from: u64) -> Result<Reader> {
        let partition = self.partition(partition)?;
        match partition.refusal() {
            Some(reason) if reason.kind() == Kind::Corrupt => Err(reason),
            _ => Ok(Reader::new(Arc::clone(partition), from)),
        }
    }

    /// The first offset that is kept; 0 for a partition that is not there.
    pub fn earliest(&self, partition: u32) -> u64 {
        self.partition(partition).map_or(0, |partition| partition.earliest())
    }

    /// The offset after the last durable record; 0 for a partition that is not there.
    pub fn end(&self, partition: u32) -> u64 {
        self.partition(partition).map_or(0, |partition| partition.end())
    }

    /// The size of a partition's segments on disk.
    pub fn bytes(&self, partition: u32) -> u64 {
        self.partition(partition).map_or(0, |partition| partition.bytes())
    }

    /// The first offset whose record was appended at or after `time`; the end where there is none.
    pub fn offset_at(&self, partition: u32, time: Timestamp) -> Result<u64> {
        reader::offset_at(self.partition(partition)?, time)
    }

    /// Takes note of what was committed elsewhere: all before offset `next` was read, and time has come to `time`.
    ///
    /// To be called after opening, before anything is appended. No record gets an earlier time from now on. Where
    /// the log ends before `next` (a disk that lied, an older copy put back), it goes on at `next` and leaves the
    /// offsets between unused, rather than give other records offsets that were read before; gives back whether
    /// it came to that.
    pub fn resume(&self, partition: u32, next: u64, time: Timestamp) -> Result<bool> {
        let partition = self.partition(partition)?;
        let next = if sabotage::is(Fault::OffsetsReused) { 0 } else { next };
        let Some(answer) = partition.resume(next, time)? else { return Ok(false) };
        let ended = |_| partition.place.error(Kind::Unavailable, "it is closed");
        answer.recv().map_err(ended)?.map(|()| true)
    }

    /// Removes sealed segments that are over the limits of [`Options`]; gives back how many bytes that were.
    ///
    /// Nothing at or after `needed_from`, an offset for each partition, is removed; what is not listed is all needed.
    pub fn retain(&self, now: Timestamp, needed_from: &[u64]) -> Result<u64> {
        let _one_at_a_time = self.trimming.lock().unwrap_or_else(PoisonError::into_inner);
        let mut removed = 0;
        for (partition, &needed_from) in self.partitions.iter().zip(needed_from) {
            removed += retention::retain(partition, &self.options, now, needed_from)?;
        }
        Ok(removed)
    }

    /// Why a partition takes nothing, if it does not: it is corrupt, poisoned or closed.
    pub fn refusal(&self, partition: u32) -> Option<Error> {
        self.partition(partition).map_or_else(Some, |partition| partition.refusal())
    }

    /// Why a partition's disk holds it up, where it does, and for how long: it is slow, or it has just refused what was posted.
    pub fn held_up(&self, partition: u32) -> Option<(Error, Duration)> {
        self.partition(partition).ok().and_then(|partition| partition.held_up())
    }

    /// Whether a sync failed, so that what the disk holds is not known: the process must stop and start again.
    pub fn poisoned(&self) -> bool {
        self.poisoned.load(Ordering::SeqCst)
    }

    /// Writes what waits and ends the writers, which it waits for; appends fail from now on. Errors when a sync had failed.
    pub fn close(&self) -> Result<()> {
        self.partitions.iter().for_each(|partition| partition.close());
        let writers = std::mem::take(&mut *self.writers.lock().unwrap_or_else(PoisonError::into_inner));
        for writer in writers {
            // A panic has poisoned the topic.
            drop(writer.join());
        }
        if self.poisoned() {
            let what = format!("topic {:?}: a sync failed, so what the disk holds is not known", self.name);
            return Err(Error::new(Kind::Storage, what));
        }
        Ok(())
    }

    fn partition(&self, partition: u32) -> Result<&Arc<Partition>> {
        self.partitions.get(partition as usize).ok_or_else(|| {
            let what = format!("topic {:?}: partition {partition} does not exist", self.name);
            Error::new(Kind::Missing, what).hint(format!("it has partitions 0 to {}", self.partitions() - 1))
        })
    }

    fn enqueue(&self, to: &Partition, append: Append, turn: Option<Arc<Turn>>) -> Result<Ticket> {
        let (reply, ticket) = oneshot::channel();
        let Append { payload, count, .. } = append;
        let raw_bytes = payload.len();
        let (payload, lz4) = self.compressed(payload);
        to.enqueue(Waiting { payload, lz4, raw_bytes, count, turn, reply })?;
        Ok(Ticket(Promise::Comes(ticket)))
    }

    fn compressed(&self, raw: Vec<u8>) -> (Vec<u8>, bool) {
        if self.options.compression == Compression::None || raw.len() < COMPRESSED_BYTES_MIN {
            return (raw, false);
        }
        let mut payload = self.buffers.take();
        let smaller = payload::compress(&raw, &mut payload);
        let (kept, other) = if smaller { (payload, raw) } else { (raw, payload) };
        self.buffers.give(other);
        (kept, smaller)
    }

    /// Reads all partitions back and gives their writers, for what is known of producers is put together from all.
    fn read_back(&mut self, places: Vec<Place>) -> Result<Vec<Writer>> {
        let mut recovered = Vec::with_capacity(places.len());
        for place in places {
            match recover::recover(&place) {
                Err(cause) if cause.kind() != Kind::Corrupt => return Err(cause),
                read => recovered.push((place, read)),
            }
        }
        let readable = recovered.iter_mut().filter_map(|(_, read)| read.as_mut().ok());
        self.producers.open(readable.map(|read| std::mem::take(&mut read.found)), self.clock.aged());
        let mut writers = Vec::with_capacity(recovered.len());
        for (place, read) in recovered {
            match read {
                Ok(recovered) => writers.push(self.writer(place, recovered)?),
                Err(reason) => {
                    tracing::error!(%reason, "partition refused");
                    self.partitions.push(Arc::new(Partition::new(place, Vec::new().into(), Some(reason))));
                }
            }
        }
        Ok(writers)
    }

    fn writer(&mut self, place: Place, recovered: Recovered) -> Result<Writer> {
        let Recovered { segments, mut file, tail, without_snapshot, .. } = recovered;
        place.io(file.seek(SeekFrom::Start(tail.position)), "its last segment")?;
        if without_snapshot {
            place.io(self.producers.keep(&place, tail.base, tail.next), "its snapshot of producers")?;
        }
        let partition = Arc::new(Partition::new(place, segments, None));
        self.partitions.push(Arc::clone(&partition));
        Ok(Writer {
            partition,
            clock: Arc::clone(&self.clock),
            buffers: Arc::clone(&self.buffers),
            producers: Arc::clone(&self.producers),
            poisoned: Arc::clone(&self.poisoned),
            segment_bytes: self.options.segment_bytes,
            file,
            tail,
        })
    }

    fn start(&mut self, writer: Writer) -> Result<()> {
        let thread = thread::Builder::new().name(format!("log {} {}", self.name, writer.partition.place.partition));
        let spawned = thread.spawn(move || writer.run());
        let writer = spawned.or_fail(Kind::Internal, || format!("topic {:?}: writer", self.name))?;
        self.writers.get_mut().unwrap_or_else(PoisonError::into_inner).push(writer);
        Ok(())
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        drop(self.close());
    }
}

fn check(name: &str, options: &Options) -> Result<()> {
    let wrong = |what: String| Err(Error::new(Kind::Input, format!("topic {name:?}: {what}")));
    if options.partitions == 0 {
        return wrong("it needs a partition".to_owned());
    }
    let record_bytes_max = payload::BYTES_MAX - payload::RECORD_HEADER_BYTES;
    if options.record_bytes_max > record_bytes_max {
        return wrong(format!("a record may have {record_bytes_max} bytes at most, not {}", options.record_bytes_max));
    }
    Ok(())
}

/// Makes a partition's folder and first segment, unless a crash left them made.
fn create(place: &Place) -> Result<()> {
    place.io(disk::create_dir_all(&place.folder), "its folder")?;
    if place.io(segment::list(&place.folder), "its folder")?.is_empty() {
        place.io(segment::create(&place.folder, place.home(0), &Before::nothing()), "its first segment")?;
    } else {
        // Made, and perhaps not yet lasting.
        place.io(disk::sync_folder(&place.folder), "its folder")?;
    }
    let parent = place.folder.parent().map_or(Ok(()), disk::sync_folder);
    place.io(parent, "its folder")
}
