//! Snapshots of producers: derived, and never believed against the frames.

use std::path::PathBuf;
use std::time::Duration;

use super::producers::{a, send, two};
use super::*;
use crate::log::{OutOfTurn, Producer};

const BOTH: &[(u32, &[&str])] = &[(0, &["x"]), (1, &["y"])];

/// Five requests, each in segments of its own; stopped cleanly, or as a crash leaves it.
async fn five(clean: bool) -> Folder {
    let folder = Folder::new();
    let topic = folder.open(&two(tiny_segments())).unwrap();
    for sequence in 0..5 {
        send(&topic, a(sequence), BOTH).await.unwrap();
    }
    let crashed = folder.copy();
    drop(topic);
    if clean { folder } else { crashed }
}

/// The snapshots of a partition, oldest first.
fn snapshots(folder: &Folder, partition: u32) -> Vec<PathBuf> {
    let files = fs::read_dir(folder.0.join(format!("pin/{partition}"))).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "producers"));
    files.sort();
    files
}

/// All five requests are known, and the next is new.
async fn all_known(folder: &Folder, what: &str) {
    let topic = folder.open(&two(tiny_segments())).unwrap();
    for sequence in 0..5 {
        let offset = u64::from(sequence);
        assert_eq!(send(&topic, a(sequence), BOTH).await, Ok(vec![(0, offset, true), (1, offset, true)]), "{what}");
    }
    assert_eq!(send(&topic, a(6), BOTH).await, Err(OutOfTurn::Gap { expected: 5 }), "{what}");
    assert_eq!((topic.end(0), topic.end(1)), (5, 5), "{what}");
}

#[tokio::test]
async fn the_last_two_are_kept() {
    for clean in [false, true] {
        let folder = five(clean).await;
        let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
        assert_eq!(snapshots(&folder, 0).iter().map(name).collect::<Vec<_>>(), [3, 4]);
        fs::write(folder.0.join("pin/0/00000000000000000002.producers"), "left over").unwrap();
        all_known(&folder, "untouched").await;
        assert_eq!(snapshots(&folder, 0).iter().map(name).collect::<Vec<_>>(), [3, 4]);
    }
}

#[tokio::test]
async fn one_that_is_garbled_anywhere_or_missing_is_made_again() {
    for clean in [false, true] {
        let whole = five(clean).await;
        let [_, newest] = snapshots(&whole, 0).try_into().unwrap();
        let stored = fs::read(&newest).unwrap();
        let file = newest.file_name().unwrap();
        for byte in 0..stored.len() {
            let folder = whole.copy();
            let mut garbled = stored.clone();
            garbled[byte] ^= 1;
            fs::write(folder.0.join("pin/0").join(file), garbled).unwrap();
            all_known(&folder, &format!("clean {clean}, byte {byte}")).await;
        }
        for cut in [0, 7, stored.len() / 2, stored.len() - 1] {
            let folder = whole.copy();
            fs::write(folder.0.join("pin/0").join(file), &stored[..cut]).unwrap();
            all_known(&folder, &format!("clean {clean}, cut at {cut}")).await;
            all_known(&folder, "and reopened").await;
        }
    }
}

#[tokio::test]
async fn where_none_is_left_all_frames_are_read() {
    for clean in [false, true] {
        let folder = five(clean).await;
        for partition in 0..2 {
            snapshots(&folder, partition).iter().for_each(|file| fs::remove_file(file).unwrap());
        }
        let crashed = {
            let topic = folder.open(&two(tiny_segments())).unwrap();
            assert_eq!(snapshots(&folder, 0).len(), 1, "it is made again at once");
            let crashed = folder.copy();
            drop(topic);
            crashed
        };
        all_known(&crashed, "crashed after").await;
        all_known(&folder, "stopped after").await;
    }
}

#[tokio::test]
async fn frames_behind_one_are_read() {
    let folder = Folder::new();
    let options = two(one_segment());
    for sequence in 0..5 {
        let topic = folder.open(&options).unwrap();
        send(&topic, a(sequence), BOTH).await.unwrap();
        drop(topic);
    }
    let topic = folder.open(&options).unwrap();
    send(&topic, a(5), BOTH).await.unwrap();
    let crashed = folder.copy();
    let again = crashed.open(&options).unwrap();
    for sequence in 0..6 {
        let offset = u64::from(sequence);
        assert_eq!(send(&again, a(sequence), BOTH).await, Ok(vec![(0, offset, true), (1, offset, true)]));
    }
    assert_eq!(send(&again, a(6), BOTH).await, Ok(vec![(0, 6, false), (1, 6, false)]));
}

#[tokio::test]
async fn one_that_knows_of_more_than_there_is_is_not_believed() {
    let options = two(one_segment());
    let earlier = Folder::new();
    let topic = earlier.open(&options).unwrap();
    for sequence in 0..3 {
        send(&topic, a(sequence), BOTH).await.unwrap();
    }
    drop(topic);
    let later = earlier.copy();
    let topic = later.open(&options).unwrap();
    for sequence in 3..6 {
        send(&topic, a(sequence), BOTH).await.unwrap();
    }
    drop(topic);
    // The disk went back to an older log and kept the newer snapshot.
    for partition in 0..2 {
        let [snapshot] = snapshots(&later, partition).try_into().unwrap();
        fs::copy(&snapshot, earlier.0.join(snapshot.strip_prefix(&later.0).unwrap())).unwrap();
    }
    let topic = earlier.open(&options).unwrap();
    assert_eq!(send(&topic, a(2), BOTH).await, Ok(vec![(0, 2, true), (1, 2, true)]));
    assert_eq!(send(&topic, a(3), BOTH).await, Ok(vec![(0, 3, false), (1, 3, false)]), "these records are gone");
    let crashed = earlier.copy();
    let topic = crashed.open(&options).unwrap();
    assert_eq!(send(&topic, a(3), BOTH).await, Ok(vec![(0, 3, true), (1, 3, true)]));
}

#[tokio::test]
async fn where_frames_and_snapshots_are_gone_nothing_is_taken_for_new() {
    let options = two(Options { retention_age: Some(Duration::ZERO), ..tiny_segments() });
    let folder = five(true).await;
    let topic = folder.open(&options).unwrap();
    topic.retain(Timestamp(i64::MAX), &[5, 5]).unwrap();
    drop(topic);
    snapshots(&folder, 0).iter().for_each(|file| fs::remove_file(file).unwrap());
    for _ in 0..2 {
        let topic = folder.open(&options).unwrap();
        for producer in [a(4), a(5), a(0), Producer::counting("b", 1, 0)] {
            assert_eq!(send(&topic, producer, BOTH).await, Err(OutOfTurn::Unknown { epoch: 2 }), "{producer:?}");
        }
    }
    let topic = folder.open(&options).unwrap();
    assert_eq!(send(&topic, Producer::counting("a", 2, 0), BOTH).await, Ok(vec![(0, 5, false), (1, 5, false)]));
}
