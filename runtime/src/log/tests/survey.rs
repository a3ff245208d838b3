//! Surveys: what is there, what is rotten, what is missing, by who changes nothing.

use super::*;
use crate::log::{Found, Survey};

const BAD: &str = "its checksum is wrong";

/// Segments of two records each, the last of which still grows.
fn sealed() -> Folder {
    let folder = Folder::new();
    let topic = folder.open(&tiny_segments()).unwrap();
    for values in [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]] {
        put(&topic, &values).unwrap();
    }
    drop(topic);
    folder
}

fn records(from: u64, next: u64) -> Found {
    Found::Records { from, next }
}

fn check(folder: &Folder, expected: &[Found]) {
    let files = |folder: &Folder| {
        let mut files: Vec<_> =
            fs::read_dir(folder.0.join("pin/0")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect::<Vec<_>>()
    };
    let before = files(folder);
    let mut survey = Survey::open(&folder.0, "pin", 0).unwrap();
    let mut found = Vec::new();
    while let Some(next) = survey.step().unwrap() {
        found.push(next);
    }
    assert_eq!(found, expected);
    assert!(files(folder) == before, "nothing was changed");
}

fn flip_last(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_whole_partition_is_there() {
    let folder = sealed();
    check(&folder, &[records(0, 2), records(2, 4), records(4, 6), records(6, 8)]);
    let survey = Survey::open(&folder.0, "pin", 0).unwrap();
    assert_eq!((survey.earliest(), survey.has_all()), (Some(0), true));
    assert_eq!(Survey::open(&folder.0, "pin", 1).unwrap_err().kind(), Kind::Missing);
    assert_eq!(Survey::open(&folder.0, "geo", 0).unwrap_err().kind(), Kind::Missing);
}

#[test]
fn rot_and_what_is_missing_are_told_apart_by_offsets() {
    let folder = sealed();
    flip_last(&folder.segment(2));
    check(&folder, &[records(0, 2), Found::Broken { from: 2, next: 4, why: BAD }, records(4, 6), records(6, 8)]);

    let folder = sealed();
    fs::remove_file(folder.segment(2)).unwrap();
    let why = "a segment is missing";
    check(&folder, &[records(0, 2), Found::Broken { from: 2, next: 4, why }, records(4, 6), records(6, 8)]);

    let folder = sealed();
    let mut header = fs::read(folder.segment(4)).unwrap();
    header[30] ^= 1;
    fs::write(folder.segment(4), header).unwrap();
    let why = "the segment's header is not what was written";
    check(&folder, &[records(0, 2), records(2, 4), Found::Broken { from: 4, next: 6, why }, records(6, 8)]);

    let folder = sealed();
    let whole = fs::read(folder.segment(2)).unwrap();
    fs::write(folder.segment(2), &whole[..72]).unwrap();
    check_broken_at(&folder, 2, 4);

    let folder = sealed();
    fs::remove_file(folder.segment(0)).unwrap();
    check(&folder, &[records(2, 4), records(4, 6), records(6, 8)]);
    let survey = Survey::open(&folder.0, "pin", 0).unwrap();
    assert_eq!((survey.earliest(), survey.has_all()), (Some(2), false));
}

fn check_broken_at(folder: &Folder, at: u64, to: u64) {
    let mut survey = Survey::open(&folder.0, "pin", 0).unwrap();
    let mut broken = Vec::new();
    while let Some(found) = survey.step().unwrap() {
        if let Found::Broken { from, next, .. } = found {
            broken.push((from, next));
        }
    }
    assert_eq!(broken, [(at, to)]);
}

#[test]
fn rot_in_the_newest_segment_is_no_torn_tail_where_a_later_frame_calls_it_synced() {
    let folder = Folder::new();
    let topic = folder.open(&one_segment()).unwrap();
    for value in ["a", "b", "c"] {
        put(&topic, &[value]).unwrap();
    }
    drop(topic);
    let path = folder.segment(0);
    let whole = fs::read(&path).unwrap();
    let at = whole.windows(4).rposition(|magic| magic == b"TMfr").unwrap();
    let mut torn = whole.clone();
    torn.truncate(at + 100);
    fs::write(&path, &torn).unwrap();
    let found = {
        let mut survey = Survey::open(&folder.0, "pin", 0).unwrap();
        std::iter::from_fn(|| survey.step().unwrap()).last()
    };
    assert!(matches!(found, Some(Found::Torn { .. } | Found::Records { .. })), "{found:?}");
    let mut rotten = whole.clone();
    rotten[72 + 90] ^= 1;
    fs::write(&path, &rotten).unwrap();
    let mut survey = Survey::open(&folder.0, "pin", 0).unwrap();
    assert_eq!(survey.step().unwrap(), Some(Found::Broken { from: 0, next: 1, why: BAD }));
    assert_eq!(survey.step().unwrap(), Some(records(1, 2)));
}

#[test]
fn a_record_is_found_by_its_offset() {
    let folder = sealed();
    let value = |offset| {
        let batch = Survey::open(&folder.0, "pin", 0).unwrap().read(offset).unwrap()?;
        let record = batch.get(0)?;
        Some((record.offset, String::from_utf8(record.value?.to_vec()).unwrap()))
    };
    for (offset, expected) in (0..).zip(["a", "b", "c", "d", "e", "f", "g", "h"]) {
        assert_eq!(value(offset), Some((offset, expected.to_owned())));
    }
    assert_eq!(value(8), None);
    flip_last(&folder.segment(2));
    assert_eq!(Survey::open(&folder.0, "pin", 0).unwrap().read(3).unwrap_err().kind(), Kind::Corrupt);
}
