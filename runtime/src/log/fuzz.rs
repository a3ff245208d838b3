//! The log's own formats under bytes that nobody meant.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a body may panic: that is how it fails")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::append::Producer;
use super::frame::{self, HEADER_BYTES, Header};
use super::index::{Entry, Index};
use super::memory::{Found, Part};
use super::meta::Meta;
use super::options::{Compression, Options};
use super::place::Home;
use super::segment::{self, Before};
use super::{Topic, payload, skips, snapshot};
use crate::record::{Batch, Source};
use crate::time::{Clock, Timestamp};

const HOME: Home = Home { topic: 7, partition: 0, segment: 0 };
const META: &str = r#"{"format":1,"name":"pin","id":7,"partitions":1}"#;
/// More is not unpacked, so that a run is short.
const RAW_BYTES_MAX: usize = 1 << 20;

/// A frame: one that is whole is the frame that its header encodes to. What follows an even byte gets its right checksum first.
pub(crate) fn frame(bytes: &[u8]) {
    let Some((switch, frame)) = bytes.split_first() else { return };
    let mut frame = frame.to_vec();
    if switch % 2 == 0 && frame.len() > 8 {
        let crc = crc32c::crc32c(&frame[8..]);
        frame[4..8].copy_from_slice(&crc.to_le_bytes());
    }
    let Ok((header, crc)) = Header::decode(&frame) else { return };
    if header.length != frame.len() || frame::check(&frame, crc).is_err() {
        return;
    }
    let stored = &frame[HEADER_BYTES..];
    let (encoded, _) = header.encode(stored);
    assert_eq!(Header::decode(&encoded).map(|(header, _)| header), Ok(header.clone()));
    if header.raw_bytes <= RAW_BYTES_MAX && header.count < u32::from(u16::MAX) {
        let (mut data, mut spans) = (Vec::new(), Vec::new());
        let unpacked = payload::unpack(&header, stored, header.base, &mut data, &mut spans);
        assert!(unpacked.is_err() || spans.len() == header.count as usize);
        let within = |range: &std::ops::Range<u32>| data.get(range.start as usize..range.end as usize).is_some();
        for span in spans.iter().filter(|_| unpacked.is_ok()) {
            assert!(span.key.iter().chain(&span.value).chain([&span.headers]).all(within), "{span:?}");
        }
    }
}

/// The headers of segments, indexes, snapshots, and what is written as JSON.
pub(crate) fn files(bytes: &[u8]) {
    let Some((switch, stored)) = bytes.split_first() else { return };
    let mut stored = stored.to_vec();
    // Its right checksum, where that ends it.
    if switch & 1 == 0
        && let Some((body, crc)) = stored.split_last_chunk_mut::<4>()
    {
        *crc = crc32c::crc32c(body).to_le_bytes();
    }
    match switch >> 1 & 7 {
        0 => {
            if stored.len() > 8 {
                let crc = crc32c::crc32c(&stored[8..]);
                stored[4..8].copy_from_slice(&crc.to_le_bytes());
            }
            if let Some((_, home, before, _)) = segment::decode(&stored) {
                let (again, crc) = segment::encode(home, &before);
                assert_eq!(segment::decode(&again).map(|(_, home, before, _)| (home, before)), Some((home, before)));
                assert_eq!(crc32c::crc32c(&again[8..]), crc);
            }
        }
        1 => {
            if let Some((index, bytes)) = Index::decode(&stored, HOME) {
                assert_eq!(index.encode(HOME, bytes), stored);
                let _ = (index.at(5), index.before(Timestamp(5)), index.behind(5), index.last());
            }
        }
        2 => {
            if let Some((upto, found)) = snapshot::decode(&stored, HOME) {
                let again = snapshot::encode(HOME, upto, &found);
                assert!(snapshot::decode(&again, HOME).is_some_and(|(to, _)| to == upto));
            }
        }
        3 => drop(Meta::decode(&stored, "pin")),
        _ => drop(skips::decode(&stored)),
    }
}

/// A whole segment that a start reads back: it refuses it, or each record that is left can be read.
pub(crate) fn recovery(bytes: &[u8]) {
    let folder = Folder::new();
    fs::write(folder.0.join("pin/0/00000000000000000000.log"), bytes).unwrap();
    let Ok(topic) = Topic::recover(&folder.0, "pin", &options(), &Arc::new(Clock::manual(Timestamp(9)))) else {
        return;
    };
    let topic = topic.0;
    if topic.refusal(0).is_some() {
        return;
    }
    let mut reader = topic.reader(0, 0).unwrap();
    let (mut batch, mut next) = (Batch::default(), topic.earliest(0));
    while next < topic.end(0) {
        batch.clear();
        reader.read(&mut batch, usize::MAX).unwrap();
        assert!(!batch.is_empty() && batch.iter().all(|record| record.offset >= next), "from {next} on");
        next = batch.iter().map(|record| record.offset + 1).max().unwrap();
    }
}

/// What each of the targets begins with.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let segment = written();
    match target {
        "frame" => {
            let frames = segment.windows(4).enumerate().filter(|(_, at)| *at == b"TMfr").map(|(at, _)| at);
            let cut = |at: usize| Header::decode(&segment[at..]).map(|(header, _)| &segment[at..at + header.length]);
            frames.filter_map(|at| cut(at).ok()).map(|frame| [&[0], frame].concat()).collect()
        }
        "files" => {
            let before = Before { base: Some(1), end: 2, bytes: 3, time: Timestamp(4), crc: 5, snapshot: true };
            let mut index = Index::default();
            index.push(Entry { offset: 0, position: 72, time: Timestamp(1) });
            let producer = Producer { id: 9, epoch: 1, sequence: 2, key: false, sum: 3 };
            let part = Part { partition: 0, first_offset: 1, count: 2, bytes: 3, time: Timestamp(4) };
            let found = Found { floors: vec![(1, 2)], requests: vec![(producer, part)], ..Found::default() };
            let skip = r#"{"segment":3,"position":72,"end":170,"from":3,"to":4}"#;
            let files: [&[u8]; 5] = [
                &segment::encode(HOME, &before).0,
                &index.encode(HOME, 500),
                &snapshot::encode(HOME, 5, &found),
                META.as_bytes(),
                skip.as_bytes(),
            ];
            let switch = |nth: usize| nth as u8 * 2 + u8::from(nth > 2);
            files.iter().enumerate().map(|(nth, file)| [&[switch(nth)], *file].concat()).collect()
        }
        _ => vec![segment],
    }
}

/// A segment of frames of each kind, as it is written.
fn written() -> Vec<u8> {
    let folder = Folder::new();
    let topic = Topic::open(&folder.0, "pin", &options(), Arc::new(Clock::manual(Timestamp(9)))).unwrap();
    for value in ["one", "", &"compressed ".repeat(100)] {
        let mut append = topic.begin();
        append.push(Some(b"key"), Some(value.as_bytes()), b"headers").unwrap();
        append.push(None, None, b"").unwrap();
        topic.append(0, append).unwrap().wait_blocking().unwrap();
    }
    topic.close().unwrap();
    fs::read(folder.0.join("pin/0/00000000000000000000.log")).unwrap()
}

fn options() -> Options {
    Options { compression: Compression::Lz4, ..Options::default() }
}

/// The folder of a topic whose identity is known.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let memory = PathBuf::from("/dev/shm");
        let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let nth = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = root.join(format!("tidemill-fuzz-{}-{nth}", std::process::id()));
        fs::create_dir_all(folder.join("pin/0")).unwrap();
        fs::write(folder.join("pin/topic.json"), META).unwrap();
        let (header, _) = segment::encode(HOME, &Before::nothing());
        fs::write(folder.join("pin/0/00000000000000000000.log"), header).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
