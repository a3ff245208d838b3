//! What goes when it is old or too much, and how a time is found.

use super::*;
use std::time::Duration;

/// Six segments of one record each, appended at 10 s, 20 s, ... 60 s.
fn six(folder: &Folder, options: &Options) -> Topic {
    let clock = Arc::new(Clock::manual(at(0)));
    let topic = Topic::open(&folder.0, "pin", options, Arc::clone(&clock)).unwrap();
    for (second, value) in [(10, "a"), (20, "b"), (30, "c"), (40, "d"), (50, "e"), (60, "f")] {
        clock.set(at(second));
        put(&topic, &[value]).unwrap();
    }
    topic
}

fn check(age: Option<u64>, segments: Option<u64>, now: i64, needed_from: &[u64], earliest: u64) {
    let folder = Folder::new();
    let options = Options { segment_bytes: 1, retention_age: age.map(Duration::from_secs), ..one_segment() };
    drop(six(&folder, &options));
    let size = fs::metadata(folder.segment(0)).unwrap().len();
    let options = Options { retention_bytes: segments.map(|segments| (segments + 1) * size - 1), ..options };
    // The mark of a clean stop is at the end of the last.
    let topic = folder.open(&options).unwrap();
    let before = topic.bytes(0);
    let removed = topic.retain(at(now), needed_from).unwrap();
    assert_eq!((topic.earliest(0), topic.bytes(0)), (earliest, before - removed));
    let kept = rows(0, &["a", "b", "c", "d", "e", "f"]).split_off(earliest as usize);
    assert_eq!(read(&topic, 0), (kept.clone(), None));
    drop(topic);
    assert_eq!(read(&folder.open(&options).unwrap(), 0), (kept, None), "reopened");
    let left = fs::read_dir(folder.0.join("pin/0")).unwrap().count() as u64;
    let segments = 6 - earliest;
    assert_eq!(left, 2 * segments + segments.min(2), "logs, indexes, and the last two snapshots of producers");
}

#[test]
fn the_oldest_go_when_nobody_needs_them() {
    check(None, None, 1000, &[6], 0);
    check(Some(25), None, 60, &[6], 3);
    check(Some(25), None, 60, &[2], 2);
    check(Some(25), None, 60, &[], 0);
    check(Some(1), None, 1000, &[6], 5);
    check(None, Some(2), 0, &[6], 4);
    check(None, Some(2), 0, &[1], 1);
    check(Some(45), Some(4), 60, &[6], 2);
}

#[test]
fn a_reader_that_is_overtaken_goes_on_with_what_is_kept() {
    let folder = Folder::new();
    let topic = six(&folder, &Options { retention_age: Some(Duration::ZERO), ..tiny_segments() });
    let mut reader = topic.reader(0, 0).unwrap();
    let mut batch = Batch::default();
    reader.read(&mut batch, 1).unwrap();
    topic.retain(at(45), &[6]).unwrap();
    reader.read(&mut batch, usize::MAX).unwrap();
    assert_eq!(batch.iter().map(|record| record.offset).collect::<Vec<_>>(), [0, 4, 5]);
}

#[test]
fn finds_a_time() {
    for options in [one_segment(), tiny_segments()] {
        let folder = Folder::new();
        let topic = six(&folder, &options);
        drop(topic);
        let topic = folder.open(&options).unwrap();
        for (second, offset) in [(0, 0), (10, 0), (11, 1), (20, 1), (35, 3), (60, 5), (61, 6), (1000, 6)] {
            assert_eq!(topic.offset_at(0, at(second)).unwrap(), offset, "{second} s");
        }
    }
}
