//! Disks that lie: syncs that keep nothing, writes that are lost or go elsewhere.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::disk::simulated::Loss;

/// Lives on a disk that does `trouble` now and then, and loses power at the end. All that was read was also committed elsewhere.
/// Gives how often bound records were missing afterwards: an error or a gap has to say so each time.
fn lives(trouble: impl Fn(&mut ChaCha8Rng) -> Trouble, name: &str) -> (u64, u64) {
    let (mut lost, mut told) = (0, 0);
    for seed in seeds(200) {
        let what = format!("{name}, TIDEMILL_SEED={seed}");
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut log = Log::new(seed, Options { segment_bytes: [1, 700, 1 << 20][seed as usize % 3], ..one_segment() });
        log.open().unwrap();
        let groups = random.random_range(2..12);
        for group in 0..groups {
            if random.random_range(0..3) == 0 {
                log.disk.fail(fault(&log, random.random_range(1..4), trouble(&mut random), false));
            }
            log.append(&[&[&format!("{group}"), "and more"], &[&"x".repeat(random.random_range(0..600))]]);
        }
        log.open = None;
        log.disk.heal();
        log.disk.cut_power(Loss::Random);
        let missing = |rows: &BTreeMap<u64, String>, known: &Known| {
            known.bound.iter().any(|(offset, value)| rows.get(offset) != Some(value))
        };
        if let Err(error) = log.open() {
            assert_eq!(error.kind(), Kind::Corrupt, "{what}: {error}");
            (lost, told) = (lost + 1, told + 1);
            continue;
        }
        let (rows, stopped) = log.read();
        for (offset, value) in &rows {
            let bound = log.known.bound.get(offset);
            assert!(bound.is_none_or(|bound| bound == value), "{what}: offset {offset} has other bytes");
        }
        let next = log.known.bound.keys().next_back().map_or(0, |last| last + 1);
        if missing(&rows, &log.known) {
            lost += 1;
            if stopped == Some(Kind::Corrupt) || super::rot::resume(&mut log, next) {
                told += 1;
            } else {
                panic!("{what}: records are missing and nobody says so: {:?} of {next}", rows.len());
            }
        }
        if stopped.is_none() {
            // No offset is given twice: `append` looks.
            log.append(&[&["new"]]);
            assert!(log.known.bound.keys().next_back().is_none_or(|&last| last >= next), "{what}");
        }
    }
    assert!(lost > 20 || seeds(200).count() < 200, "{lost} times lost are too few to say anything");
    (lost, told)
}

#[test]
fn a_sync_that_kept_nothing_is_found_out() {
    let (lost, told) = lives(|_| Trouble::Lie, "lying syncs");
    assert_eq!(lost, told);
}

#[test]
fn a_write_that_was_lost_is_found_out() {
    let (lost, told) = lives(|_| Trouble::Lost, "lost writes");
    assert_eq!(lost, told);
}

#[test]
fn a_write_that_went_elsewhere_is_found_out() {
    let places = [1, 88, 512, 4096];
    let (lost, told) = lives(|random| Trouble::Misdirected(places[random.random_range(0..4)]), "misdirected writes");
    assert_eq!(lost, told);
}

/// The index leads into the middle of a segment, where nothing but the frame itself says whose it is.
#[test]
fn a_frame_of_another_partition_is_found_where_the_index_leads_to_it() {
    let mut log = Log::new(1, Options { partitions: 2, segment_bytes: 1 << 20, ..one_segment() });
    log.open().unwrap();
    let (topic, writers) = log.open.as_mut().unwrap();
    let mut frames = Vec::new();
    for nth in 0..12 {
        for (partition, whose) in [(0, "mine"), (1, "them")] {
            let value = format!("{whose} {nth} {}", "x".repeat(200_000));
            let mut ticket = topic.append(partition, fill(topic.begin(), &[&value])).unwrap();
            writers.iter_mut().for_each(|writer| while writer.turn() {});
            ticket.answer().unwrap().unwrap();
        }
        frames.push(topic.bytes(0) as usize);
    }
    let other = log.disk.root().join("topics/pin/1/00000000000000000000.log");
    let (mine, theirs) = (log.disk.bytes(&log.segment(0)), log.disk.bytes(&other));
    let (mut found, mut read) = (0, 0);
    for nth in 1..4 {
        let (begin, end) = (frames[nth - 1], frames[nth]);
        let misdirected = [&mine[..begin], &theirs[begin..end], &mine[end..]].concat();
        log.disk.put(&log.segment(0), &misdirected);
        let mut batch = Batch::default();
        match log.topic().reader(0, nth as u64).unwrap().read(&mut batch, 1) {
            Err(cause) => found += u32::from(cause.kind() == Kind::Corrupt),
            Ok(()) => read += 1,
        }
    }
    assert_eq!((found, read), (3, 0));
}

/// A frame of one partition in the file of another, at the place where its like should be.
#[test]
fn a_frame_of_another_partition_is_no_frame_here() {
    let mut log = Log::new(1, Options { partitions: 2, ..one_segment() });
    log.open().unwrap();
    assert!(log.append(&[&["mine"]]));
    let (topic, writers) = log.open.as_mut().unwrap();
    let mut theirs = topic.append(1, fill(topic.begin(), &["them"])).unwrap();
    writers.iter_mut().for_each(|writer| while writer.turn() {});
    theirs.answer().unwrap().unwrap();
    log.close();
    let other = log.disk.root().join("topics/pin/1/00000000000000000000.log");
    let (mine, theirs) = (log.disk.bytes(&log.segment(0)), log.disk.bytes(&other));
    assert_eq!(mine.len(), theirs.len());
    log.disk.put(&log.segment(0), &[&mine[..72], &theirs[72..]].concat());
    log.open().unwrap();
    assert_eq!(log.read(), (BTreeMap::new(), Some(Kind::Corrupt)));
    log.disk.put(&log.segment(0), &theirs);
    log.open().unwrap();
    assert_eq!(log.read(), (BTreeMap::new(), Some(Kind::Corrupt)));
}
