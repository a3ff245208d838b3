//! What is read back after a crash.

use super::*;
use crate::log::frames::{Frames, Step};
use crate::log::place::Place;

const VALUES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];

/// Six frames as a crash leaves them, and where each ends in the file.
fn crashed() -> (Folder, Vec<u64>) {
    let folder = Folder::new();
    let topic = folder.open(&one_segment()).unwrap();
    let mut ends = Vec::new();
    for value in VALUES {
        put(&topic, &[value]).unwrap();
        ends.push(topic.bytes(0));
    }
    (folder.copy(), ends)
}

/// Opens a damaged copy and expects the first `kept` records, and that the next gets the offset after them.
fn check(folder: &Folder, damaged: &[u8], kept: usize, what: &str) {
    fs::write(folder.segment(0), damaged).unwrap();
    // What a clean stop has left would tell of what is missing.
    drop(fs::remove_file(folder.index(0)));
    let topic = folder.open(&one_segment()).unwrap();
    assert_eq!(read(&topic, 0), (rows(0, &VALUES[..kept]), None), "{what}");
    assert_eq!(put(&topic, &["new"]).unwrap().first_offset, kept as u64, "{what}");
    drop(topic);
    let mut expected = rows(0, &VALUES[..kept]);
    expected.push((kept as u64, "new".to_owned()));
    assert_eq!(read(&folder.open(&one_segment()).unwrap(), 0), (expected, None), "{what}, reopened");
}

#[test]
fn a_tail_cut_at_any_byte_costs_only_what_was_cut() {
    let (folder, ends) = crashed();
    let whole = fs::read(folder.segment(0)).unwrap();
    for cut in ends[2]..=ends[5] {
        let kept = ends.iter().filter(|&&end| end <= cut).count();
        check(&folder, &whole[..cut as usize], kept, &format!("cut at {cut}"));
    }
}

#[test]
fn a_tail_of_other_bytes_is_cut() {
    let (folder, ends) = crashed();
    let whole = fs::read(folder.segment(0)).unwrap();
    for fill in [0x00, 0xff, b'T'] {
        let mut longer = whole.clone();
        longer.resize(whole.len() + 5000, fill);
        check(&folder, &longer, 6, &format!("{fill:#x} behind"));
        let mut torn = whole.clone();
        torn[ends[4] as usize + 20..].fill(fill);
        check(&folder, &torn, 5, &format!("{fill:#x} in the last"));
    }
    let mut stale = whole.clone();
    stale.extend_from_slice(&whole[ends[1] as usize..]);
    check(&folder, &stale, 6, "stale frames behind");
}

#[test]
fn what_was_acknowledged_is_never_cut() {
    let (folder, ends) = crashed();
    let whole = fs::read(folder.segment(0)).unwrap();
    for frame in 0..5 {
        let mut rotten = whole.clone();
        rotten[ends[frame] as usize - 1] ^= 1;
        fs::write(folder.segment(0), &rotten).unwrap();
        let topic = folder.open(&one_segment()).unwrap();
        let refused = topic.reader(0, 0).unwrap_err();
        assert_eq!(refused.kind(), Kind::Corrupt);
        let expected = format!(
            "topic \"pin\": partition 0: offsets {frame} to {} cannot be read: its checksum is wrong",
            frame + 1
        );
        assert_eq!(refused.message(), expected);
        assert_eq!(put(&topic, &["new"]).unwrap_err().kind(), Kind::Corrupt);
        drop(topic);
        assert_eq!(fs::read(folder.segment(0)).unwrap(), rotten, "nothing was changed");
    }
}

#[test]
fn after_a_clean_stop_the_last_frame_is_never_cut() {
    let folder = Folder::new();
    put(&folder.open(&one_segment()).unwrap(), &["a"]).unwrap();
    let whole = fs::read(folder.segment(0)).unwrap();
    let mark = whole.len() - crate::log::frame::HEADER_BYTES;
    for byte in crate::log::segment::HEADER_BYTES as usize..whole.len() {
        let mut rotten = whole.clone();
        rotten[byte] ^= 0x10;
        fs::write(folder.segment(0), &rotten).unwrap();
        let topic = folder.open(&one_segment()).unwrap();
        let expected = if byte < mark { (vec![], Some(Kind::Corrupt)) } else { (rows(0, &["a"]), None) };
        assert_eq!(read(&topic, 0), expected, "byte {byte}");
    }
}

#[test]
fn a_stop_that_wrote_nothing_adds_nothing() {
    let folder = Folder::new();
    put(&folder.open(&one_segment()).unwrap(), &["a"]).unwrap();
    let whole = fs::read(folder.segment(0)).unwrap();
    drop(folder.open(&one_segment()).unwrap());
    assert_eq!(fs::read(folder.segment(0)).unwrap(), whole);
    put(&folder.open(&one_segment()).unwrap(), &["b"]).unwrap();
    let topic = folder.open(&one_segment()).unwrap();
    assert_eq!(read(&topic, 0), (rows(0, &["a", "b"]), None));
}

#[test]
fn a_clean_stop_leaves_only_the_end_to_be_read() {
    let folder = Folder::new();
    let large = "x".repeat(300 << 10);
    let topic = folder.open(&one_segment()).unwrap();
    for value in ["a", &large, "b"] {
        put(&topic, &[value]).unwrap();
    }
    let known = topic.bytes(0) - 400;
    drop(topic);
    let whole = fs::read(folder.segment(0)).unwrap();
    let mut rotten = whole.clone();
    rotten[crate::log::segment::HEADER_BYTES as usize + 100] ^= 1;
    fs::write(folder.segment(0), &rotten).unwrap();
    let topic = folder.open(&one_segment()).unwrap();
    assert_eq!(read(&topic, 0), (vec![], Some(Kind::Corrupt)), "who reads the rot finds it");
    assert_eq!(read(&topic, 2), (rows(2, &["b"]), None));
    assert_eq!(put(&topic, &["c"]).unwrap().first_offset, 3);
    let folder = folder.copy();
    drop(topic);
    assert_eq!(folder.open(&one_segment()).unwrap().end(0), 4, "what came after the stop is read");
    // An index that does not fit the segment is not believed.
    for shorter in [known as usize, crate::log::segment::HEADER_BYTES as usize] {
        let folder = folder.copy();
        fs::write(folder.segment(0), &whole[..shorter]).unwrap();
        assert!(folder.open(&one_segment()).unwrap().end(0) <= 2);
        fs::write(folder.segment(0), [&whole[..shorter], &vec![0; 1 << 20]].concat()).unwrap();
        assert!(folder.open(&one_segment()).unwrap().end(0) <= 2);
    }
}

#[test]
fn a_segment_half_made_is_made_again() {
    let folder = Folder::new();
    put(&folder.open(&tiny_segments()).unwrap(), &["a"]).unwrap();
    fs::write(folder.segment(1).with_extension("new"), b"TMsg").unwrap();
    let topic = folder.open(&tiny_segments()).unwrap();
    assert_eq!(put(&topic, &["b"]).unwrap().first_offset, 1);
    drop(topic);
    assert_eq!(read(&folder.open(&tiny_segments()).unwrap(), 0), (rows(0, &["a", "b"]), None));
}

#[test]
fn offsets_that_were_read_are_not_given_again() {
    let folder = Folder::new();
    let topic = folder.open(&one_segment()).unwrap();
    put(&topic, &["a", "b"]).unwrap();
    assert!(!topic.resume(0, 2, at(0)).unwrap());
    assert!(topic.resume(0, 10, at(0)).unwrap());
    assert_eq!(topic.end(0), 10);
    assert_eq!(put(&topic, &["c"]).unwrap().first_offset, 10);
    let expected = [rows(0, &["a", "b"]), rows(10, &["c"])].concat();
    assert_eq!(read(&topic, 0), (expected.clone(), None));
    assert_eq!(read(&topic, 5), (rows(10, &["c"]), None));
    drop(topic);
    assert_eq!(read(&folder.open(&one_segment()).unwrap(), 0), (expected, None));
}

#[test]
fn a_topic_without_its_file_is_not_made_anew() {
    let folder = Folder::new();
    put(&folder.open(&one_segment()).unwrap(), &["a"]).unwrap();
    fs::remove_file(folder.0.join("pin/topic.json")).unwrap();
    assert_eq!(folder.open(&one_segment()).unwrap_err().kind(), Kind::Corrupt);
}

#[test]
fn a_partition_that_is_gone_is_refused_alone() {
    let folder = Folder::new();
    let options = Options { partitions: 2, ..one_segment() };
    let topic = folder.open(&options).unwrap();
    topic.append(1, of(&topic, &["a"])).unwrap().wait_blocking().unwrap();
    drop(topic);
    fs::remove_dir_all(folder.0.join("pin/0")).unwrap();
    let topic = folder.open(&options).unwrap();
    assert_eq!(topic.refusal(0).map(|reason| reason.kind()), Some(Kind::Corrupt));
    assert_eq!((topic.refusal(1).is_none(), topic.end(1)), (true, 1));
}

#[test]
fn large_offsets_are_only_numbers() {
    for base in [u64::from(u32::MAX) - 1, 1 << 32, 1 << 63] {
        let folder = Folder::new();
        let topic = folder.open(&tiny_segments()).unwrap();
        topic.resume(0, base, at(0)).unwrap();
        put(&topic, &["a", "b", "c"]).unwrap();
        put(&topic, &["d"]).unwrap();
        drop(topic);
        let topic = folder.open(&tiny_segments()).unwrap();
        assert_eq!(read(&topic, 0), (rows(base, &["a", "b", "c", "d"]), None));
        assert_eq!(put(&topic, &["e"]).unwrap().first_offset, base + 4);
    }
    let folder = Folder::new();
    let topic = folder.open(&one_segment()).unwrap();
    topic.resume(0, u64::MAX - 1, at(0)).unwrap();
    assert_eq!(put(&topic, &["a", "b"]).unwrap_err().kind(), Kind::Storage);
    assert_eq!(put(&topic, &["a"]).unwrap().first_offset, u64::MAX - 1);
}

/// Any of the frames of one unsynced group may be missing: what lies before the first that is, stays.
#[test]
fn a_group_that_reached_the_disk_in_another_order_is_cut_at_the_gap() {
    let folder = Folder::new();
    let (partition, writer) = super::writer::by_hand(&folder);
    let mut answers: Vec<_> = VALUES.iter().map(|value| super::writer::enqueue(&partition, value)).collect();
    partition.close();
    writer.run();
    assert!(answers.iter_mut().all(|answer| answer.try_recv().is_ok()));
    let file = folder.0.join(format!("0/{:020}.log", 0));
    fs::remove_file(file.with_extension("index")).unwrap();
    let mut whole = fs::read(&file).unwrap();
    whole.truncate(whole.len() - crate::log::frame::HEADER_BYTES);
    let ends = ends(&partition.place, whole.len() as u64);
    assert_eq!(ends.len(), VALUES.len() + 1);
    for missing in 0..1 << VALUES.len() {
        let mut torn = whole.clone();
        for frame in (0..VALUES.len()).filter(|frame| missing >> frame & 1 == 1) {
            torn[ends[frame]..ends[frame + 1]].fill(0);
        }
        fs::write(&file, &torn).unwrap();
        let recovered = crate::log::recover::recover(&partition.place).unwrap();
        let kept = (missing as u32).trailing_zeros().min(VALUES.len() as u32);
        assert_eq!(recovered.tail.next, u64::from(kept), "{missing:b}");
        assert_eq!(fs::metadata(&file).unwrap().len(), ends[kept as usize] as u64);
    }
}

fn ends(place: &Place, length: u64) -> Vec<usize> {
    let (mut frames, _) = Frames::open(place, 0).unwrap();
    let mut ends = vec![frames.position() as usize];
    while let Step::Frame(..) = frames.step(length).unwrap() {
        ends.push(frames.position() as usize);
    }
    ends
}

#[test]
fn a_frame_of_other_records_that_stood_there_before_is_cut() {
    let folder = Folder::new();
    drop(folder.open(&one_segment()).unwrap());
    let begun = folder.copy();
    let topic = folder.open(&one_segment()).unwrap();
    put(&topic, &["a1"]).unwrap();
    put(&topic, &["b1"]).unwrap();
    let old = fs::read(folder.segment(0)).unwrap();
    // Those were taken back, but the disk kept what lies behind the frame that took the place of the first.
    let topic = begun.open(&one_segment()).unwrap();
    put(&topic, &["a2"]).unwrap();
    let crashed = begun.copy();
    let mut bytes = fs::read(crashed.segment(0)).unwrap();
    bytes.extend_from_slice(&old[bytes.len()..]);
    fs::write(crashed.segment(0), bytes).unwrap();
    let topic = crashed.open(&one_segment()).unwrap();
    assert_eq!(read(&topic, 0), (rows(0, &["a2"]), None));
    assert_eq!(put(&topic, &["b2"]).unwrap().first_offset, 1);
}
