//! Bytes that change, go missing or come back: all is found, nothing is silently dropped or altered.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// How it came out that something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// An error said so, with everything before it read as it was.
    Refused,
    /// Nothing was lost by it.
    Harmless,
    /// The log ends before what was committed elsewhere, and does not give those offsets again.
    Behind,
}

/// Groups of records, each of one append; the number of groups and the size of segments are free.
fn filled(groups: usize, segment_bytes: u64, stopped: bool) -> Log {
    let mut log = Log::new(0, Options { segment_bytes, ..one_segment() });
    log.open().unwrap();
    for group in 0..groups {
        let values: Vec<String> = (0..3).map(|nth| format!("{group} {nth} {}", "x".repeat(group * 7 % 90))).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        assert!(log.append(&[&values]));
    }
    if stopped {
        log.close();
    }
    log.open = None;
    log.disk.kill();
    log
}

/// Opens a damaged log of which all was committed, and says how the damage is found. Whatever is read is as it was.
fn found(log: &mut Log, what: &str) -> Found {
    if let Err(error) = log.open() {
        assert!(matches!(error.kind(), Kind::Corrupt | Kind::Input), "{what}: {error}");
        return Found::Refused;
    }
    let (rows, stopped) = log.read();
    for (offset, value) in &rows {
        assert_eq!(log.known.bound.get(offset), Some(value), "{what}: offset {offset} was altered");
    }
    assert!(rows.keys().copied().eq(0..rows.len() as u64), "{what}: a hole in the middle");
    match stopped {
        Some(kind) => {
            assert_eq!(kind, Kind::Corrupt, "{what}");
            Found::Refused
        }
        None if rows == log.known.bound => Found::Harmless,
        None => {
            let next = log.known.bound.len() as u64;
            assert!(resume(log, next), "{what}: {} of {next} records are left, and nobody says so", rows.len());
            assert!(log.append(&[&["new"]]) && log.known.bound.get(&next).is_some_and(|value| value == "new"));
            Found::Behind
        }
    }
}

/// Takes note that all before `next` was committed; whether the log had ended before.
pub(super) fn resume(log: &mut Log, next: u64) -> bool {
    let (topic, mut writers) = log.open.take().unwrap();
    let resumed = std::thread::scope(|scope| {
        let resumed = scope.spawn(|| topic.resume(0, next, at(0)).unwrap());
        while !resumed.is_finished() {
            writers.iter_mut().for_each(|writer| while writer.turn() {});
            std::thread::yield_now();
        }
        resumed.join().unwrap()
    });
    log.open = Some((topic, writers));
    resumed
}

fn segments(log: &Log) -> Vec<PathBuf> {
    let files = disk::list(log.disk.root().join("topics/pin/0")).unwrap();
    let mut logs: Vec<PathBuf> =
        files.into_iter().filter(|file| file.extension().is_some_and(|e| e == "log")).collect();
    logs.sort();
    logs
}

/// The file is another while this looks at the log.
fn check(log: &Log, file: &std::path::Path, bytes: &[u8], what: &str) -> Found {
    let mut damaged = log.fork();
    let file = damaged.disk.root().join(file.strip_prefix(log.disk.root()).unwrap());
    damaged.disk.put(&file, bytes);
    found(&mut damaged, what)
}

#[test]
fn each_bit_of_each_file_of_a_small_topic_counts() {
    for stopped in [true, false] {
        let log = filled(5, 500, stopped);
        let last = segments(&log).pop().unwrap();
        let meta = log.disk.root().join("topics/pin/topic.json");
        for file in segments(&log).into_iter().chain([meta.clone()]) {
            let whole = log.disk.bytes(&file);
            for bit in 0..whole.len() * 8 {
                let mut rotten = whole.clone();
                rotten[bit / 8] ^= 1 << (bit % 8);
                let what = format!("stopped {stopped}, {file:?}, bit {bit}");
                let found = check(&log, &file, &rotten, &what);
                // The last frame of all is a mark after a clean stop, else the last group, which may be a torn write.
                let in_last_frame = file == last && bit / 8 >= whole.len() - if stopped { 88 } else { 220 };
                match found {
                    Found::Refused => {}
                    Found::Harmless => assert!(file == meta || in_last_frame && stopped, "{what}: not noticed"),
                    Found::Behind => assert!(in_last_frame && !stopped, "{what}: cut"),
                }
            }
        }
    }
}

#[test]
fn each_length_of_each_segment_counts() {
    for stopped in [true, false] {
        let log = filled(5, 500, stopped);
        let last = segments(&log).pop().unwrap();
        for file in segments(&log) {
            let whole = log.disk.bytes(&file);
            for length in 0..whole.len() {
                let what = format!("stopped {stopped}, {file:?}, length {length} of {}", whole.len());
                let found = check(&log, &file, &whole[..length], &what);
                let in_mark = length + 88 >= whole.len();
                assert!(found == Found::Refused || file == last && (!stopped || in_mark), "{what}: {found:?}");
            }
        }
    }
}

/// `TIDEMILL_FLIPS` damages all over a larger topic, every sixth of them a truncation.
#[test]
fn flips_and_truncations_of_a_larger_topic_are_all_found() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let logs = [filled(400, 20_000, true), filled(400, 20_000, false)];
    let wholes = logs.each_ref().map(|log| {
        let whole = |file: PathBuf| (log.disk.bytes(&file), file);
        segments(log).into_iter().map(whole).collect::<Vec<_>>()
    });
    let damages = number("TIDEMILL_FLIPS").unwrap_or(600);
    let (mut refused, mut behind, mut harmless) = (0, 0, 0);
    for nth in 0..damages {
        let which = random.random_range(0..logs.len());
        let (log, wholes) = (&logs[which], &wholes[which]);
        let (whole, file) = &wholes[random.random_range(0..wholes.len())];
        let mut damaged = whole.clone();
        let at = random.random_range(0..whole.len());
        if nth % 6 < 5 {
            damaged[at] ^= 1 << random.random_range(0..8)
        } else {
            damaged.truncate(at)
        }
        match check(log, file, &damaged, &format!("stopped {}, {file:?}, byte {at}", which == 0)) {
            Found::Refused => refused += 1,
            Found::Behind => behind += 1,
            // The mark of a clean stop, which holds no record.
            Found::Harmless => {
                assert!(which == 0 && at + 88 >= whole.len(), "{file:?}, byte {at}: not noticed");
                harmless += 1;
            }
        }
    }
    println!(
        "{damages} damages: {refused} refused, {behind} ended before what was committed, {harmless} in a mark without records"
    );
    assert_eq!(refused + behind + harmless, damages);
}

#[test]
fn an_index_is_never_believed_against_the_log() {
    let log = filled(12, 2_000, true);
    let indexes: Vec<PathBuf> = segments(&log)
        .iter()
        .map(|log| log.with_extension("index"))
        .filter(|index| disk::exists(index).unwrap())
        .collect();
    assert!(indexes.len() > 1);
    let other = log.disk.bytes(&indexes[0]);
    for index in &indexes {
        let whole = log.disk.bytes(index);
        for byte in 0..whole.len() {
            let mut garbled = whole.clone();
            garbled[byte] ^= 0x21;
            assert_eq!(check(&log, index, &garbled, &format!("{index:?}, byte {byte}")), Found::Harmless);
            assert_eq!(check(&log, index, &whole[..byte], &format!("{index:?}, length {byte}")), Found::Harmless);
        }
        assert_eq!(check(&log, index, &other, "another segment's"), Found::Harmless);
        let gone = log.fork();
        disk::remove_file(gone.disk.root().join(index.strip_prefix(log.disk.root()).unwrap())).unwrap();
        assert_eq!(found(&mut { gone }, "missing"), Found::Harmless);
    }
}

#[test]
fn segments_that_changed_places_are_refused() {
    let log = filled(8, 500, true);
    let files = segments(&log);
    let wholes: Vec<Vec<u8>> = files.iter().map(|file| log.disk.bytes(file)).collect();
    for (one, whole) in wholes.iter().enumerate() {
        for (other, file) in files.iter().enumerate().filter(|(other, _)| *other != one) {
            let what = format!("{one} in the place of {other}");
            assert_eq!(check(&log, file, whole, &what), Found::Refused);
        }
    }
}

/// An older copy of the newest segment: a prefix of what it had become.
#[test]
fn an_older_copy_of_the_newest_segment_is_found() {
    for stopped in [true, false] {
        let mut log = filled(2, 1 << 20, false);
        let file = log.segment(0);
        let older = log.disk.bytes(&file);
        log.open().unwrap();
        assert!(log.append(&[&["later"]]));
        if stopped {
            log.close();
        }
        log.open = None;
        log.disk.kill();
        let expected = if stopped { Found::Refused } else { Found::Behind };
        assert_eq!(check(&log, &file, &older, &format!("stopped {stopped}")), expected);
    }
}

#[test]
fn offsets_near_the_bounds_of_numbers_are_only_numbers() {
    for bound in [1 << 31, 1 << 32, 1 << 63, u64::MAX - 9] {
        for before in 0..4 {
            let mut log = Log::new(0, small_segments());
            log.open().unwrap();
            assert!(log.append(&[&["first"]]));
            assert!(resume(&mut log, bound - before));
            assert!(log.append(&[&["a", "b"], &["c"]]) && log.append(&[&["d"]]) && log.append(&[&["e", "f"]]));
            let expected: Vec<u64> = std::iter::once(0).chain(bound - before..bound - before + 6).collect();
            for stopped in [false, true] {
                if stopped {
                    log.close();
                }
                log.open().unwrap();
                log.check(&format!("{bound} less {before}"));
                assert_eq!(log.known.bound.keys().copied().collect::<Vec<_>>(), expected);
            }
        }
    }
}
