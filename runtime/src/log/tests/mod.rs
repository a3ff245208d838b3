//! Tests of the whole topic, each in a folder of its own that is gone afterwards.

mod append;
mod created;
mod follow;
mod formats;
mod memory;
mod producers;
mod random;
mod recovery;
mod repair;
mod retention;
mod retries;
mod rot;
mod simulated;
mod snapshot;
mod survey;
mod writer;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::options::{Compression, Options};
use super::{Append, Appended, Topic};
use crate::error::{Kind, Result};
use crate::record::{Batch, Source};
use crate::time::{Clock, Timestamp};

/// A folder in memory where there is one, since a test syncs much.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = Self(root.join(format!("tidemill-log-{}-{made}", std::process::id())));
        fs::create_dir_all(folder.0.join("pin/0")).unwrap();
        fs::remove_dir(folder.0.join("pin/0")).unwrap();
        folder
    }

    /// What a crash at this moment leaves.
    fn copy(&self) -> Self {
        let copy = Self::new();
        copy_all(&self.0, &copy.0);
        copy
    }

    fn segment(&self, base: u64) -> PathBuf {
        self.0.join(format!("pin/0/{base:020}.log"))
    }

    fn index(&self, base: u64) -> PathBuf {
        self.0.join(format!("pin/0/{base:020}.index"))
    }

    fn open(&self, options: &Options) -> Result<Topic> {
        Topic::open(&self.0, "pin", options, Arc::new(Clock::System))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_all(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

/// Segments of one frame each, uncompressed.
fn tiny_segments() -> Options {
    Options { segment_bytes: 1, ..one_segment() }
}

fn one_segment() -> Options {
    Options { compression: Compression::None, ..Options::default() }
}

fn of(topic: &Topic, values: &[&str]) -> Append {
    let mut append = topic.begin();
    for value in values {
        append.push(None, Some(value.as_bytes()), b"").unwrap();
    }
    append
}

fn put(topic: &Topic, values: &[&str]) -> Result<Appended> {
    topic.append(0, of(topic, values))?.wait_blocking()
}

/// All values of partition 0 from an offset on, as far as they can be read, and what stopped that.
fn read(topic: &Topic, from: u64) -> (Vec<(u64, String)>, Option<Kind>) {
    let mut rows = Vec::new();
    let mut reader = match topic.reader(0, from) {
        Ok(reader) => reader,
        Err(cause) => return (rows, Some(cause.kind())),
    };
    let mut batch = Batch::default();
    loop {
        batch.clear();
        match reader.read(&mut batch, 1) {
            Err(cause) => return (rows, Some(cause.kind())),
            Ok(()) if batch.is_empty() => return (rows, None),
            Ok(()) => {}
        }
        let row = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
        rows.extend(batch.iter().map(|record| (record.offset, row(record.value))));
    }
}

fn rows(first: u64, values: &[&str]) -> Vec<(u64, String)> {
    (first..).zip(values.iter().map(|value| (*value).to_owned())).collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp(second * 1_000_000)
}
