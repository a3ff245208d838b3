//! Rot that is named, and left out once a person says so.

use super::*;
use crate::log::repair::{self, Fault, What};
use crate::log::{Found, Survey};

const SMALL: Options = Options { segment_bytes: 500, ..NONE };
const NONE: Options = Options {
    partitions: 1,
    segment_bytes: 0,
    retention_age: None,
    retention_bytes: None,
    compression: Compression::None,
    record_bytes_max: 1 << 20,
};

/// Twenty appends of a record each in several segments, closed; and where each frame begins, in which segment.
fn filled() -> (Folder, Vec<(PathBuf, u64)>) {
    let folder = Folder::new();
    let topic = folder.open(&SMALL).unwrap();
    let mut frames = Vec::new();
    for nth in 0..20 {
        put(&topic, &[&format!("value {nth}")]).unwrap();
        let newest = fs::read_dir(folder.0.join("pin/0")).unwrap().map(|entry| entry.unwrap().path());
        let newest = newest.filter(|path| path.extension().is_some_and(|e| e == "log")).max().unwrap();
        let end = fs::metadata(&newest).unwrap().len();
        frames.push((newest, end - 1));
    }
    drop(topic);
    (folder, frames)
}

fn flip((file, at): &(PathBuf, u64)) {
    let mut bytes = fs::read(file).unwrap();
    bytes[*at as usize] ^= 4;
    fs::write(file, bytes).unwrap();
}

/// The offsets of stretches.
fn stretches(faults: &[Fault]) -> Vec<(u64, u64)> {
    let skips = faults.iter().map(|fault| match &fault.what {
        What::Stretch(skip) => (skip.from, skip.to),
        What::Header(base, _) => panic!("the header of {base}"),
    });
    skips.collect()
}

/// With the last byte of these frames changed, reading stops; `ranges` are named, and left out once that is asked for.
fn check(rotten: &[usize], ranges: &[(u64, u64)]) {
    let (folder, frames) = filled();
    assert!(repair::faults(&folder.0, "pin", |_| Ok(0)).unwrap().is_empty());
    rotten.iter().for_each(|&nth| flip(&frames[nth]));
    let faults = repair::faults(&folder.0, "pin", |_| Ok(0)).unwrap();
    assert_eq!(stretches(&faults), ranges, "{rotten:?}");
    let stopped = |folder: &Folder| read(&folder.open(&SMALL).unwrap(), 0).1;
    assert_eq!(stopped(&folder), Some(Kind::Corrupt), "naming it changes nothing");
    repair::mend(&folder.0, "pin", &faults).unwrap();
    assert!(repair::faults(&folder.0, "pin", |_| Ok(0)).unwrap().is_empty());
    let topic = folder.open(&SMALL).unwrap();
    let left = |offset: &u64| !ranges.iter().any(|&(from, to)| (from..to).contains(offset));
    let expected: Vec<_> = (0..20).filter(left).map(|nth| (nth, format!("value {nth}"))).collect();
    assert_eq!(read(&topic, 0), (expected.clone(), None), "{rotten:?}");
    for from in 0..20 {
        let behind: Vec<_> = expected.iter().filter(|(offset, _)| *offset >= from).cloned().collect();
        assert_eq!(read(&topic, from), (behind, None), "{rotten:?} from {from}");
    }
    // It goes on as any other, also without the index, over a restart and a new segment.
    for nth in 20..30 {
        assert_eq!(put(&topic, &[&format!("value {nth}")]).unwrap().first_offset, nth);
    }
    drop(topic);
    for entry in fs::read_dir(folder.0.join("pin/0")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "index") {
            fs::remove_file(path).unwrap();
        }
    }
    let more = expected.into_iter().chain((20..30).map(|nth| (nth, format!("value {nth}"))));
    assert_eq!(read(&folder.open(&SMALL).unwrap(), 0), (more.collect(), None), "{rotten:?}");
}

#[test]
fn what_is_rotten_is_left_out() {
    check(&[0], &[(0, 1)]);
    check(&[7], &[(7, 8)]);
    // Four frames fill a segment, and each segment has its own.
    check(&[7, 8, 9], &[(7, 8), (8, 10)]);
    check(&[2, 11], &[(2, 3), (11, 12)]);
    let all: Vec<usize> = (0..17).collect();
    check(&all, &[(0, 4), (4, 8), (8, 12), (12, 16), (16, 17)]);
}

#[test]
fn a_header_is_put_back_as_it_was() {
    let (folder, _) = filled();
    let expected = read(&folder.open(&SMALL).unwrap(), 0);
    let bases: Vec<u64> = expected.0.iter().map(|(offset, _)| *offset).collect();
    let segment = |base: u64| folder.0.join(format!("pin/0/{base:020}.log"));
    let segments: Vec<u64> = bases.into_iter().filter(|base| segment(*base).exists()).collect();
    assert!(segments.len() > 3, "{segments:?}");
    // One after the other, and all of them.
    for broken in segments.iter().map(std::slice::from_ref).chain([segments.as_slice()]) {
        let kept: Vec<Vec<u8>> = broken.iter().map(|base| fs::read(segment(*base)).unwrap()).collect();
        for (nth, base) in broken.iter().enumerate() {
            for at in [0, 5, 9, 50, 71] {
                flip(&(segment(*base), at));
            }
            assert_ne!(fs::read(segment(*base)).unwrap(), kept[nth]);
        }
        let mut mended = Vec::new();
        loop {
            let faults = repair::faults(&folder.0, "pin", |_| Ok(0)).unwrap();
            let Some(fault) = faults.first() else { break };
            assert!(matches!(fault.what, What::Header(..)) && faults.len() == 1, "{faults:?}");
            mended.extend(faults.iter().map(|fault| if let What::Header(base, _) = fault.what { base } else { 0 }));
            repair::mend(&folder.0, "pin", &faults).unwrap();
        }
        assert_eq!(mended, broken);
        let now: Vec<Vec<u8>> = broken.iter().map(|base| fs::read(segment(*base)).unwrap()).collect();
        assert!(now == kept, "byte for byte");
    }
    assert_eq!(read(&folder.open(&SMALL).unwrap(), 0), expected);
}

#[test]
fn a_header_whose_neighbours_do_not_say_what_it_was_is_left() {
    let (folder, frames) = filled();
    let segment = frames[9].0.clone();
    let first = frames.iter().position(|(file, _)| *file == segment).unwrap();
    // The last frame before it, or the first frame in it.
    for neighbour in [first - 1, first] {
        flip(&(segment.clone(), 20));
        flip(&frames[neighbour]);
        let failed = repair::faults(&folder.0, "pin", |_| Ok(0)).unwrap_err();
        assert!(
            failed.kind() == Kind::Corrupt && failed.message().contains("header is not what was written"),
            "{failed}"
        );
        flip(&frames[neighbour]);
        flip(&(segment.clone(), 20));
    }
    assert!(repair::faults(&folder.0, "pin", |_| Ok(0)).unwrap().is_empty());
}

#[test]
fn segments_that_are_missing_in_the_middle_are_left_out() {
    // Four frames fill a segment.
    for gone in [4..8, 8..12, 4..12, 8..16] {
        let (folder, frames) = filled();
        for nth in gone.clone().step_by(4) {
            fs::remove_file(&frames[nth].0).unwrap();
        }
        let open = || folder.open(&SMALL);
        let refused = open().unwrap().refusal(0).unwrap();
        assert!(refused.message().contains("a segment is missing"), "{refused}");
        let faults = repair::faults(&folder.0, "pin", |_| Ok(0)).unwrap();
        let (from, to) = (gone.start as u64, gone.end as u64);
        assert_eq!(stretches(&faults), [(from, to)], "{gone:?}");
        repair::mend(&folder.0, "pin", &faults).unwrap();
        assert!(repair::faults(&folder.0, "pin", |_| Ok(0)).unwrap().is_empty());
        let expected: Vec<_> =
            (0..20).filter(|nth| !(from..to).contains(nth)).map(|nth| (nth, format!("value {nth}"))).collect();
        for _ in 0..2 {
            let topic = open().unwrap();
            assert_eq!(topic.refusal(0).map(|error| error.to_string()), None);
            assert_eq!(read(&topic, 0), (expected.clone(), None), "{gone:?}");
            let behind: Vec<_> = expected.iter().filter(|(offset, _)| *offset >= from).cloned().collect();
            assert_eq!(read(&topic, from), (behind, None), "{gone:?}");
            drop(topic);
            let mut survey = Survey::open(&folder.0, "pin", 0).unwrap();
            let mut found = Vec::new();
            while let Some(step) = survey.step().unwrap() {
                found.extend(Some(step).filter(|step| !matches!(step, Found::Records { .. })));
            }
            assert_eq!(found, [Found::Skipped { from, next: to }], "{gone:?}");
        }
        let topic = open().unwrap();
        assert_eq!(put(&topic, &["more"]).unwrap().first_offset, 20);
    }
}

#[test]
fn what_is_missing_beside_what_is_rotten_is_left_out_step_by_step() {
    // The frames that are rotten of the segment 4 to 8, before the missing one or after that was left out.
    for (rotten, gone_first) in
        [(vec![7], false), (vec![7], true), (vec![5], false), (vec![5], true), (vec![4, 6], true)]
    {
        let (folder, frames) = filled();
        let rot = || rotten.iter().for_each(|&nth| flip(&frames[nth]));
        let mend = || {
            loop {
                let faults = repair::faults(&folder.0, "pin", |_| Ok(0)).unwrap();
                if faults.is_empty() {
                    break;
                }
                repair::mend(&folder.0, "pin", &faults).unwrap();
            }
        };
        fs::remove_file(&frames[9].0).unwrap();
        if gone_first {
            mend();
        }
        rot();
        mend();
        let left = |nth: &u64| !(8..12).contains(nth) && !rotten.contains(&(*nth as usize));
        let expected: Vec<_> = (0..20).filter(left).map(|nth| (nth, format!("value {nth}"))).collect();
        for _ in 0..2 {
            let topic = folder.open(&SMALL).unwrap();
            assert_eq!(topic.refusal(0).map(|error| error.to_string()), None, "{rotten:?} {gone_first}");
            assert_eq!(read(&topic, 0), (expected.clone(), None), "{rotten:?} {gone_first}");
        }
    }
}

#[test]
fn segments_that_are_gone_are_missed_by_who_had_not_read_them() {
    let (folder, frames) = filled();
    let oldest = &frames[0].0;
    let kept = fs::read(oldest).unwrap();
    let base = frames.iter().position(|(file, _)| file != oldest).unwrap() as u64;
    fs::remove_file(oldest).unwrap();
    let seek = |offset: u64| {
        let topic = folder.open(&SMALL).unwrap();
        let mut reader = topic.reader(0, offset).unwrap();
        reader.seek(offset, Timestamp(0)).map_err(|error| (error.kind(), error.message().to_owned()))
    };
    let gone = |from: u64| {
        let said = format!("topic \"pin\": partition 0: offsets {from} to {base} are gone, and were not read yet");
        Err((Kind::Missing, said))
    };
    assert_eq!(seek(0), Ok(()), "who has read nothing begins with the oldest");
    assert_eq!((seek(1), seek(base - 1), seek(base)), (gone(1), gone(base - 1), Ok(())));
    assert!(repair::faults(&folder.0, "pin", |_| Ok(base)).unwrap().is_empty());
    let faults = repair::faults(&folder.0, "pin", |_| Ok(2)).unwrap();
    assert_eq!(stretches(&faults), [(2, base)]);
    repair::mend(&folder.0, "pin", &faults).unwrap();
    assert!(repair::faults(&folder.0, "pin", |_| Ok(2)).unwrap().is_empty());
    assert_eq!((seek(1), seek(2), seek(3)), (gone(1), Ok(()), Ok(())));
    // A segment that comes back is read as ever.
    fs::write(oldest, kept).unwrap();
    assert_eq!(seek(1), Ok(()));
    assert_eq!(read(&folder.open(&SMALL).unwrap(), 0).0.len(), 20);
}
