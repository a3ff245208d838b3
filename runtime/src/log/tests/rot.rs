//! Stored bytes that are not what was written: always noticed, never returned.

use super::*;

/// Three sealed segments and one more, closed.
fn sealed() -> (Folder, Vec<(u64, String)>) {
    let folder = Folder::new();
    let topic = folder.open(&tiny_segments()).unwrap();
    for values in [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]] {
        put(&topic, &values).unwrap();
    }
    drop(topic);
    (folder, rows(0, &["a", "b", "c", "d", "e", "f", "g", "h"]))
}

/// Opens a damaged topic: `good` records come out as they were, then reading fails.
fn check(folder: &Folder, all: &[(u64, String)], good: usize, what: &str) {
    let topic = folder.open(&tiny_segments()).unwrap();
    let (got, stopped) = read(&topic, 0);
    assert_eq!(stopped, Some(Kind::Corrupt), "{what}");
    assert!(got.is_empty() || got == all[..good], "{what}: {got:?}");
}

#[test]
fn each_bit_of_a_sealed_segment_counts() {
    let (folder, all) = sealed();
    let path = folder.segment(2);
    let whole = fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut rotten = whole.clone();
        rotten[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &rotten).unwrap();
        check(&folder, &all, 2, &format!("bit {bit}"));
    }
}

#[test]
fn each_length_of_a_sealed_segment_counts() {
    let (folder, all) = sealed();
    let path = folder.segment(2);
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        check(&folder, &all, 2, &format!("length {length}"));
    }
}

#[test]
fn one_rotten_segment_leaves_the_others_readable() {
    let (folder, all) = sealed();
    let path = folder.segment(2);
    let mut rotten = fs::read(&path).unwrap();
    *rotten.last_mut().unwrap() ^= 1;
    fs::write(&path, &rotten).unwrap();
    let topic = folder.open(&tiny_segments()).unwrap();
    assert_eq!(read(&topic, 0), (all[..2].to_vec(), Some(Kind::Corrupt)));
    assert_eq!(read(&topic, 4), (all[4..].to_vec(), None));
    let mut reader = topic.reader(0, 3).unwrap();
    let failed = reader.read(&mut Batch::default(), 1).unwrap_err();
    assert_eq!(failed.message(), "topic \"pin\": partition 0: offsets 2 to 4 cannot be read: its checksum is wrong");
    assert_eq!(reader.read(&mut Batch::default(), 1).unwrap_err().message(), failed.message(), "and again");
    assert_eq!(put(&topic, &["i"]).unwrap().first_offset, 8);
}

#[test]
fn a_segment_in_the_place_of_another_is_refused() {
    let (folder, all) = sealed();
    let (one, other) = (fs::read(folder.segment(2)).unwrap(), fs::read(folder.segment(4)).unwrap());
    fs::write(folder.segment(2), &other).unwrap();
    fs::write(folder.segment(4), &one).unwrap();
    check(&folder, &all, 0, "swapped");
    fs::write(folder.segment(2), &one).unwrap();
    fs::remove_file(folder.segment(4)).unwrap();
    check(&folder, &all, 0, "missing");
    let (stranger, _) = sealed();
    fs::copy(stranger.segment(4), folder.segment(4)).unwrap();
    check(&folder, &all, 0, "of another topic");
}

/// The same header and the same length, but another frame: only the crc that the successor keeps tells.
#[test]
fn an_old_copy_of_a_segment_is_refused() {
    let folder = Folder::new();
    let topic = folder.open(&tiny_segments()).unwrap();
    put(&topic, &["a"]).unwrap();
    let fork = folder.copy();
    for (topic, values) in [(&topic, ["b", "c"]), (&fork.open(&tiny_segments()).unwrap(), ["x", "y"])] {
        put(topic, &values[..1]).unwrap();
        put(topic, &values[1..]).unwrap();
    }
    drop(topic);
    fs::copy(fork.segment(1), folder.segment(1)).unwrap();
    let topic = folder.open(&tiny_segments()).unwrap();
    assert_eq!(read(&topic, 2), (rows(2, &["c"]), None));
    let mut reader = topic.reader(0, 1).unwrap();
    let mut batch = Batch::default();
    reader.read(&mut batch, 1).unwrap();
    assert_eq!(reader.read(&mut batch, 1).unwrap_err().kind(), Kind::Corrupt);
}

#[test]
fn an_index_is_derived_and_never_believed() {
    let folder = Folder::new();
    let options = Options { segment_bytes: 2 << 20, ..one_segment() };
    let topic = folder.open(&options).unwrap();
    let values: Vec<String> = (0..60).map(|i| format!("{i} {}", "x".repeat(100_000))).collect();
    for value in &values {
        put(&topic, &[value]).unwrap();
    }
    drop(topic);
    let whole = fs::read(folder.index(0)).unwrap();
    let check = |what: &str, made_again: bool| {
        let topic = folder.open(&options).unwrap();
        for from in (0..60).step_by(7) {
            let (got, stopped) = read(&topic, from);
            assert!(stopped.is_none() && got.first().map(|row| &row.1) == values.get(from as usize), "{what}: {from}");
        }
        assert_eq!(fs::read(folder.index(0)).unwrap() == whole, made_again, "{what}");
    };
    check("as it was", true);
    for byte in (0..whole.len()).step_by(5) {
        let mut garbled = whole.clone();
        garbled[byte] ^= 0x40;
        fs::write(folder.index(0), &garbled).unwrap();
        check("garbled", true);
    }
    fs::remove_file(folder.index(0)).unwrap();
    check("missing", true);
    fs::write(folder.index(0), b"").unwrap();
    check("empty", true);
    // Wrong, with a checksum that is right: each entry points one byte too far.
    let mut wrong = whole[..whole.len() - 4].to_vec();
    for entry in wrong[36..].chunks_mut(24) {
        entry[8] ^= 1;
    }
    let crc = crc32c::crc32c(&wrong);
    wrong.extend_from_slice(&crc.to_le_bytes());
    fs::write(folder.index(0), &wrong).unwrap();
    check("lying", false);
}

#[test]
fn a_file_cut_under_a_reader_is_noticed() {
    let (folder, all) = sealed();
    let topic = folder.open(&tiny_segments()).unwrap();
    let file = fs::File::options().write(true).open(folder.segment(4)).unwrap();
    file.set_len(100).unwrap();
    assert_eq!(read(&topic, 0), (all[..4].to_vec(), Some(Kind::Corrupt)));
}
