//! Files of a newer version: those that alone hold something are refused as they are, those that are derived are made again.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tidemill_tests::daemon::tidemill;

use super::house::{House, this_release};

const HINT: &str = "hint: use the newer version of tidemill that wrote it";

/// What is done to a file, and what a start says then.
struct Newer {
    what: &'static str,
    raise: fn(&House),
    says: &'static str,
}

const NEWER: [Newer; 6] = [
    Newer {
        what: "topic.json",
        raise: |house| swap(&house.data("topics/thing/topic.json"), b"\"format\":1", b"\"format\":2"),
        says: "error: topic \"thing\": its format is 2, and only 1 is known here",
    },
    Newer {
        what: "segment",
        raise: |house| {
            let segment = newest(house, "topics/thing/0", "log");
            let mut bytes = fs::read(&segment).expect("a segment");
            bytes[8] = 2;
            let crc = crc32c(&bytes[8..72]);
            bytes[4..8].copy_from_slice(&crc.to_le_bytes());
            fs::write(segment, bytes).expect("a segment");
        },
        says: "its format is 2, and only 1 is known here",
    },
    Newer {
        what: "frame",
        raise: |house| {
            let segment = newest(house, "topics/thing/0", "log");
            let mut bytes = fs::read(&segment).expect("a segment");
            let last = bytes.windows(4).rposition(|window| window == b"TMfr").expect("a frame");
            bytes[last + 8] = 2;
            let length = u32::from_le_bytes(bytes[last + 12..last + 16].try_into().expect("four bytes")) as usize;
            let crc = crc32c(&bytes[last + 8..last + length]);
            bytes[last + 4..last + 8].copy_from_slice(&crc.to_le_bytes());
            fs::write(segment, bytes).expect("a segment");
        },
        says: "on have a format that is not known here",
    },
    Newer {
        what: "cache",
        raise: |house| {
            let cache = Connection::open(house.data("cache.sqlite")).expect("the cache");
            cache.pragma_update(None, "user_version", 99).expect("its version");
        },
        says: "its format is 99, and this program reads",
    },
    Newer {
        what: "groups of open windows",
        raise: |house| {
            let cache = Connection::open(house.data("cache.sqlite")).expect("the cache");
            let states = |row: &rusqlite::Row<'_>| row.get(0);
            let sql = "SELECT states FROM tidemill_states_ever ORDER BY bundle DESC LIMIT 1";
            let mut bundle: Vec<u8> = cache.query_row(sql, [], states).expect("a bundle");
            // A group's number, how long its state is, the state with its checksum; what follows; the checksum of it all.
            let (_, at) = short(&bundle, 0);
            let (length, at) = short(&bundle, at);
            bundle[at] += 1;
            check(&mut bundle[at..at + length]);
            check(&mut bundle);
            let sql = "UPDATE tidemill_states_ever SET states = ? WHERE bundle = (SELECT max(bundle) FROM tidemill_states_ever)";
            cache.execute(sql, [&bundle]).expect("the groups");
        },
        says: "its format is 2, and only 1 is known here",
    },
    Newer {
        what: "claim to the bucket",
        raise: |house| {
            swap(&house.data("lake/golden/_tidemill/owner.json"), b"\"format\":1", b"\"format\":2");
        },
        says: "object \"_tidemill/owner.json\": its format is 2, and only 1 is known here",
    },
];

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    for Newer { what, raise, says } in NEWER {
        let house = House::unpack(&this_release());
        raise(&house);
        let before = (files_of(&house), stored(&house));
        let output = tidemill(["run", house.pipeline.to_str().expect("a path")]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{what}: it starts");
        assert!(said.contains(says), "{what}: {said}");
        assert!(said.contains(HINT) || what == "cache", "{what}: {said}");
        assert_eq!(before.1, stored(&house), "{what}: the cache was changed");
        // A topic that is closed again may end with one more mark.
        for (file, bytes) in before.0 {
            assert!(fs::read(&file).expect("a file").starts_with(&bytes), "{what}: {} was changed", file.display());
        }
    }
}

#[test]
fn derived_files_of_a_newer_version_are_made_again() {
    let house = House::unpack(&this_release());
    for (end, old, new) in [("index", b"TMindex1", b"TMindex2"), ("producers", b"TMprods1", b"TMprods2")] {
        for partition in ["topics/thing/0", "topics/thing/1"] {
            for file in files(&house.data(partition), end) {
                swap(&file, old, new);
            }
        }
    }
    super::taken_up(&house);
}

fn swap(file: &Path, old: &[u8], new: &[u8]) {
    let mut bytes = fs::read(file).expect("a file");
    let at = bytes.windows(old.len()).position(|window| window == old).expect("what is changed");
    bytes[at..at + new.len()].copy_from_slice(new);
    fs::write(file, bytes).expect("a file");
}

fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|found| found == end)).collect();
    files.sort();
    files
}

fn newest(house: &House, folder: &str, end: &str) -> PathBuf {
    files(&house.data(folder), end).pop().expect("a file")
}

/// The files that alone hold something, beside the cache, with their bytes.
fn files_of(house: &House) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = vec![house.data("topics/thing/topic.json"), house.data("lake/golden/_tidemill/owner.json")];
    for partition in ["topics/thing/0", "topics/thing/1", "topics/other/0"] {
        found.extend(files(&house.data(partition), "log"));
    }
    found.into_iter().map(|file| (file.clone(), fs::read(file).expect("a file"))).collect()
}

/// What the cache has of its format and of open windows.
fn stored(house: &House) -> Vec<String> {
    let cache = Connection::open(house.data("cache.sqlite")).expect("the cache");
    let format = cache.query_row("SELECT user_version FROM pragma_user_version", [], |row| row.get::<_, i64>(0));
    let mut groups = cache.prepare("SELECT hex(states) FROM tidemill_states_ever").expect("the groups");
    let groups = groups.query_map([], |row| row.get(0)).expect("the groups").map(|state| state.expect("a state"));
    groups.chain([format.expect("its format").to_string()]).collect()
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// Sets the checksum behind bytes of a group's state, or of a bundle of them.
fn check(bytes: &mut [u8]) {
    let end = bytes.len() - 4;
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes[..end].iter().fold(0xcbf2_9ce4_8422_2325, step);
    bytes[end..].copy_from_slice(&((hash >> 32) as u32 ^ hash as u32).to_le_bytes());
}

/// A number in seven bits a byte, and where it ends.
fn short(bytes: &[u8], at: usize) -> (usize, usize) {
    let length = 1 + bytes[at..].iter().take_while(|byte| **byte >= 0x80).count();
    let number = bytes[at..at + length].iter().rev().fold(0, |number, byte| number << 7 | usize::from(byte & 0x7f));
    (number, at + length)
}
