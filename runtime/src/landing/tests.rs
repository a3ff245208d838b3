//! Rotation and folders against plain references, over streams from a seed.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::options::Options;
use super::options::tests::options;
use super::partitioner::{ByTime, Extractor, Partitioner, Placed};
use super::pattern::Pattern;
use super::rotation::{Bounds, OPEN_MAX, Rotation};
use crate::record::Record;
use crate::time::{Timestamp, Zone};

const STREAMS: u64 = 400;

/// A record, and when it is looked at.
struct Seen {
    placed: Placed,
    bytes: u64,
    now: Timestamp,
}

fn stream(random: &mut ChaCha8Rng) -> Vec<Seen> {
    let mut now = 1_700_000_000_000_000 + random.random_range(0..86_400_000_000_i64);
    let folders = random.random_range(1..5);
    let disorder = random.random_range(0..3_000_000);
    (0..random.random_range(0..200))
        .map(|_| {
            now += random.random_range(0..2_000_000);
            let time = Timestamp(now - random.random_range(0..=disorder));
            let folder = format!("f={}", random.random_range(0..folders));
            Seen { placed: Placed { folder, time }, bytes: random.random_range(1..200), now: Timestamp(now) }
        })
        .collect()
}

fn bounds(random: &mut ChaCha8Rng) -> Bounds {
    let maybe = |random: &mut ChaCha8Rng, seconds: &[u64]| {
        let nth = random.random_range(0..=seconds.len());
        seconds.get(nth).map(|&seconds| Duration::from_secs(seconds))
    };
    Bounds {
        records: [1, 2, 7, 50, u64::MAX][random.random_range(0..5)],
        bytes: [300, 5_000, u64::MAX][random.random_range(0..3)],
        interval: maybe(random, &[1, 5, 60]),
        on_change: random.random_range(0..2) == 0,
        schedule: maybe(random, &[1, 10, 60]),
    }
}

/// The records that end together, one rule after another.
fn plain(seen: &[Seen], bounds: &Bounds) -> Vec<Vec<usize>> {
    let micros = |span: Duration| span.as_micros() as i64;
    let (mut ended, mut open): (Vec<Vec<usize>>, Vec<usize>) = Default::default();
    for (nth, record) in seen.iter().enumerate() {
        if let (Some(&first), Some(&last)) = (open.first(), open.last()) {
            let far =
                bounds.interval.is_some_and(|span| record.placed.time.0 - seen[first].placed.time.0 >= micros(span));
            let other =
                bounds.interval.is_some() && bounds.on_change && record.placed.folder != seen[last].placed.folder;
            let due =
                bounds.schedule.is_some_and(|span| seen[first].now.0 / micros(span) != record.now.0 / micros(span));
            if far || other || due {
                ended.push(std::mem::take(&mut open));
            }
        }
        open.push(nth);
        let bytes: u64 = open.iter().map(|&nth| seen[nth].bytes).sum();
        if open.len() as u64 >= bounds.records || bytes >= bounds.bytes {
            ended.push(std::mem::take(&mut open));
        }
    }
    ended.push(open);
    ended
}

#[test]
fn rotation_is_that_of_plain_rules() {
    for seed in 0..STREAMS {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (seen, bounds) = (stream(&mut random), bounds(&mut random));
        let mut rotation = Rotation::new(&bounds, &Zone::UTC, Timestamp(0));
        let (mut ended, mut open): (Vec<Vec<usize>>, Vec<usize>) = Default::default();
        for (nth, Seen { placed, bytes, now }) in seen.iter().enumerate() {
            if rotation.ends_before(placed, *now) {
                ended.push(std::mem::take(&mut open));
                rotation.end(*now);
            }
            rotation.add(placed, placed.time, *bytes, *now);
            open.push(nth);
            assert_eq!(rotation.records(), open.len() as u64);
            let objects: BTreeSet<&str> = open.iter().map(|&nth| seen[nth].placed.folder.as_str()).collect();
            if rotation.ends_after(objects.len()) {
                ended.push(std::mem::take(&mut open));
                rotation.end(*now);
            }
        }
        ended.push(open);
        assert_eq!(ended, plain(&seen, &bounds), "seed {seed}: {bounds:?}");
    }
}

#[test]
fn time_ends_what_is_open_and_nothing_else() {
    let at = |second: i64| Timestamp(second * 1_000_000);
    let placed = Placed { folder: "f".into(), time: at(100) };
    let bounds = Bounds {
        records: 9,
        bytes: 999,
        interval: Some(Duration::from_secs(5)),
        on_change: true,
        schedule: Some(Duration::from_secs(60)),
    };
    let mut rotation = Rotation::new(&bounds, &Zone::UTC, at(0));
    assert!(!rotation.ends_idle(Some(at(1_000)), at(1_000)) && rotation.due_in(at(1_000)).is_none(), "nothing is open");
    rotation.add(&placed, at(1_000), 1, at(1_000));
    assert!(!rotation.ends_idle(Some(at(1_004)), at(1_004)), "an end that had passed is passed over");
    assert_eq!(rotation.due_in(at(1_004)), Some(Duration::from_secs(1)));
    assert!(!rotation.ends_idle(None, at(1_019)), "while there is more to read, no interval ends by the clock");
    assert!(rotation.ends_idle(Some(at(1_005)), at(1_005)), "the interval, counted from when it was appended");
    assert!(rotation.ends_idle(None, at(1_020)), "the next minute");
    assert!(rotation.ends_after(OPEN_MAX) && !rotation.ends_after(1));
}

#[test]
fn folders_by_time_are_those_of_the_calendar() {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    for _ in 0..5_000 {
        let time = Timestamp(random.random_range(-10_000_000_000_000_000..10_000_000_000_000_000_i64));
        let shown = time.to_string();
        // As RFC 3339 has it: 2022-07-04T15:06:07Z.
        let minutes: u32 = shown[14..16].parse().unwrap();
        let quarter = minutes / 15 * 15;
        let (year, month, day, hour) = (&shown[..4], &shown[5..7], &shown[8..10], &shown[11..13]);
        let expected = format!("y={year}/m={month}/d={day}/{hour}-{quarter:02}");
        let by = ByTime {
            pattern: Pattern::parse("'y'=YYYY/'m'=MM/'d'=dd/HH-mm").unwrap(),
            duration: Duration::from_secs(900),
            time: Extractor::Append,
        };
        let options = Options { partitioner: Partitioner::Time(by), ..options() };
        let record = Record { offset: 0, time, key: None, value: Some(b"1"), headers: &[] };
        let placed = options.place(("pin", 0), &record, b"1\n", Timestamp(0)).unwrap();
        assert_eq!(placed, Placed { folder: expected, time }, "{shown}");
    }
}
