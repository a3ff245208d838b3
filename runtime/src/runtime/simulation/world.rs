//! The world around a process: clients, a disk, a clock and a bucket, and what befalls them.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::bucket::Bucket;
use super::plan::{self, PARTITIONS};
use super::process::Process;
use crate::config::plan::Pipeline;
use crate::disk;
use crate::disk::simulated::{Fault, Loss, Simulated, Trouble};
use crate::error::Kind;
use crate::lake::options::Format;
use crate::log::options::Compression;
use crate::time::{Clock, Timestamp};

/// Starts that may fail before everything is made well.
const STARTS_MAX: u32 = 8;
/// Rounds in which all that waits must be carried through.
const ROUNDS_MAX: u32 = 400;
const BEGIN: Timestamp = Timestamp(1_700_000_000_000_000);
/// Longer than any window.
const QUIET: Duration = Duration::from_secs(200);

const EIO: i32 = 5;
const EINTR: i32 = 4;
const ENOSPC: i32 = 28;

/// What the clients know: the number of a record by where it was acknowledged, and those of which they heard nothing.
#[derive(Default)]
pub(super) struct Known {
    pub(super) acknowledged: BTreeMap<(u32, u64), u64>,
    pub(super) unheard: Vec<u64>,
}

/// The world of one life.
pub(super) struct World {
    pub(super) pipeline: Pipeline,
    pub(super) bucket: Bucket,
    pub(super) known: Known,
    pub(super) process: Option<Process>,
    folder: PathBuf,
    random: ChaCha8Rng,
    disk: Simulated,
    clock: Arc<Clock>,
    /// The latest time that the clock has shown.
    latest: Timestamp,
    made: u64,
    trace: DefaultHasher,
}

/// The value of the record with this number; some are no JSON.
pub(super) fn value(number: u64) -> String {
    match number % 13 {
        0 => format!("poison {number}"),
        _ => format!(r#"{{"id":"r{number}","class":"{}","n":{}}}"#, class(number), number % 100),
    }
}

/// The class of a record.
pub(super) fn class(number: u64) -> char {
    ['a', 'b', 'c'][number as usize % 3]
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let folder = plan::folder().with_extension(MADE.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir_all(&folder).unwrap();
        let disk = Simulated::new(seed);
        // A topic's identity is drawn by the machine; here it must be the same each time.
        let topic = disk.root().join("topics/pin/topic.json");
        disk.put(&topic, br#"{"format":1,"name":"pin","id":7,"partitions":0}"#);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let format = if random.random() { Format::Json } else { Format::Parquet };
        let compression = if random.random() { Compression::Lz4 } else { Compression::None };
        let segment_bytes = [400, 2_000, 20_000][random.random_range(0..3)];
        Self {
            pipeline: plan::pipeline(format, segment_bytes, compression),
            bucket: Bucket::default(),
            known: Known::default(),
            process: None,
            folder,
            random,
            disk,
            clock: Arc::new(Clock::manual(BEGIN)),
            latest: BEGIN,
            made: 0,
            trace: DefaultHasher::new(),
        }
    }

    /// The cache's file.
    pub(super) fn cache(&self) -> PathBuf {
        self.folder.join("cache.sqlite")
    }

    /// Lives as the seed says.
    pub(super) fn live(&mut self) {
        for _ in 0..self.random.random_range(50..500) {
            self.start();
            let what = self.random.random_range(0..100);
            what.hash(&mut self.trace);
            match what {
                0..20 => self.produce(),
                20..35 => self.write(),
                35..58 => {
                    let (nth, time_is_up) = (self.random.random_range(0..2), self.random.random_range(0..3) == 0);
                    self.process().work(nth, time_is_up);
                }
                58..74 => self.commit(),
                74..80 => self.process().land(),
                80..86 => self.upload(false),
                86..92 => self.pass_time(),
                92 => self.retain(),
                93..95 => self.plan_fault(),
                95 => self.plan_death(),
                96 => self.stop(),
                97 => self.kill(),
                98 => self.cut_power(),
                _ => self.resume(),
            }
            self.look();
        }
    }

    /// Lets all that waits be carried through, on a disk and to a bucket that work.
    pub(super) fn drain(&mut self) {
        self.disk.heal();
        // Windows close when the clock has come as far as it had been.
        self.clock.set(self.latest);
        let mut quiet_since: Option<Timestamp> = None;
        for _ in 0..ROUNDS_MAX {
            self.start();
            self.write();
            for nth in 0..PARTITIONS as usize {
                self.process().work(nth, true);
            }
            self.commit();
            self.process().land();
            self.upload(true);
            self.look();
            let now = self.clock.now();
            self.clock.set(now.plus(Duration::from_secs(3)));
            let idle = self.process.as_ref().is_some_and(Process::is_idle);
            // What is idle now may still wait for a window to close.
            match quiet_since {
                _ if !idle => quiet_since = None,
                None => quiet_since = Some(now),
                Some(since) if now.since(since) > QUIET => {
                    // A file that could not be removed is swept at a start.
                    self.kill();
                    return self.start();
                }
                Some(_) => {}
            }
        }
        panic!("what was appended is not carried through: {:?}", self.process().shelf.stock());
    }

    /// A number that is the same for worlds that went the same way.
    pub(super) fn trace(&self) -> u64 {
        let mut trace = self.trace.clone();
        (self.disk.trace(), self.made, &self.known.acknowledged).hash(&mut trace);
        for (key, object) in &self.bucket.objects {
            (key, object).hash(&mut trace);
        }
        trace.finish()
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }

    /// Starts a process where there is none, again after what went wrong at a start.
    fn start(&mut self) {
        for nth in 0.. {
            if self.process.is_some() {
                return;
            }
            if nth == STARTS_MAX {
                self.disk.heal();
            }
            assert!(nth < 2 * STARTS_MAX, "it does not start any more");
            match Process::start(self.disk.root(), &self.cache(), &self.pipeline, &self.clock) {
                Ok(process) => self.process = Some(process),
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Storage, "a start on an honest disk: {error}");
                }
            }
            if self.disk.is_dead() {
                self.end();
                if self.random.random() { self.disk.kill() } else { self.disk.cut_power(Loss::Random) }
            }
        }
    }

    fn produce(&mut self) {
        let partition = self.random.random_range(0..PARTITIONS);
        let numbers: Vec<u64> = (0..self.random.random_range(1..6)).map(|nth| self.made + nth).collect();
        self.made += numbers.len() as u64;
        let process = self.process.as_mut().unwrap();
        let mut append = process.topic.begin();
        for &number in &numbers {
            append.push(None, Some(value(number).as_bytes()), b"").unwrap();
        }
        // Refused at once, nothing is kept.
        if let Ok(ticket) = process.topic.append(partition, append) {
            process.asked.push((ticket, partition, numbers));
        }
    }

    /// Lets the log's writers work, and the clients hear of it.
    fn write(&mut self) {
        let process = self.process.as_mut().unwrap();
        process.writers.iter_mut().for_each(|writer| while writer.turn() {});
        self.hear();
    }

    fn hear(&mut self) {
        let Some(process) = &mut self.process else { return };
        for (mut ticket, partition, numbers) in std::mem::take(&mut process.asked) {
            match ticket.answer() {
                None => process.asked.push((ticket, partition, numbers)),
                Some(Ok(appended)) => {
                    for (offset, number) in (appended.first_offset..).zip(numbers) {
                        let before = self.known.acknowledged.insert((partition, offset), number);
                        assert!(before.is_none(), "{partition}/{offset} was record {before:?} and is now {number}");
                    }
                }
                // That is a promise too.
                Some(Err(refused)) if refused.message().contains("nothing was kept") => {}
                Some(Err(_)) => self.known.unheard.extend(numbers),
            }
        }
    }

    fn commit(&mut self) {
        let together = self.random.random_range(1..6);
        if let Err(error) = self.process().commit(together) {
            panic!("commit: {error}");
        }
    }

    fn upload(&mut self, calm: bool) {
        let process = self.process.as_mut().unwrap();
        let Some(object) = process.take_object() else { return };
        match disk::read(process.spool.join(&object.file)) {
            Ok(bytes) if self.bucket.put(&object, &bytes, calm, &mut self.random) => process.delivered(object),
            _ => process.uploading.push(object),
        }
    }

    /// The clock goes on, jumps, or is set back.
    fn pass_time(&mut self) {
        let now = self.clock.now();
        let to = match self.random.random_range(0..10) {
            0 => now.minus(Duration::from_secs(self.random.random_range(1..300))),
            1 => now.plus(Duration::from_secs(self.random.random_range(60..7200))),
            2 => now.plus(Duration::from_secs(self.random.random_range(5..60))),
            _ => now.plus(Duration::from_millis(self.random.random_range(1..4000))),
        };
        self.clock.set(to);
        self.latest = self.latest.max(to);
    }

    fn retain(&mut self) {
        let process = self.process.as_mut().unwrap();
        let needed: Vec<u64> = (0..PARTITIONS).map(|partition| process.health.committed("pin", partition)).collect();
        // What the disk refuses now is tried the next time.
        drop(process.topic.retain(self.clock.now(), &needed));
    }

    fn plan_fault(&mut self) {
        let trouble = match self.random.random_range(0..4) {
            0 => Trouble::Error(EIO),
            1 => Trouble::Error(ENOSPC),
            2 => Trouble::Error(EINTR),
            _ => Trouble::Short,
        };
        let at = self.disk.operations() + self.random.random_range(1..40);
        self.disk.fail(Fault { at, trouble, lasting: false });
    }

    fn plan_death(&mut self) {
        let at = self.disk.operations() + self.random.random_range(1..60);
        self.disk.fail(Fault { at, trouble: Trouble::Death, lasting: false });
    }

    /// The log closes as at a clean stop, whatever the others are at.
    fn stop(&mut self) {
        drop(self.process().topic.close());
        self.write();
        self.kill();
    }

    fn kill(&mut self) {
        self.end();
        self.disk.kill();
    }

    fn cut_power(&mut self) {
        self.end();
        self.disk.cut_power(Loss::Random);
    }

    /// A disk that failed works again.
    fn resume(&mut self) {
        self.disk.heal();
    }

    /// Ends the process where it has to end.
    fn look(&mut self) {
        self.hear();
        if self.disk.is_dead() {
            self.end();
            if self.random.random() { self.disk.kill() } else { self.disk.cut_power(Loss::Random) }
        } else if self.process.as_ref().is_some_and(|process| process.topic.poisoned()) {
            self.end();
            self.disk.kill();
        }
    }

    /// Nobody hears any more of what was on its way; an open transaction is rolled back.
    fn end(&mut self) {
        self.hear();
        if let Some(process) = self.process.take() {
            self.known.unheard.extend(process.asked.into_iter().flat_map(|(_, _, numbers)| numbers));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.process = None;
        let _ = fs::remove_dir_all(&self.folder);
    }
}
