//! What is remembered of producers, by hand: the order of requests, the window, who is forgotten and how that is kept.

use super::*;
use crate::log::memory::{Found, Memory, OutOfTurn, Part, REQUESTS_KEPT, TIME_KEPT};
use crate::log::{APPENDS_KEPT, Producer};

fn part(offset: u64, second: i64) -> Part {
    Part { partition: 0, first_offset: offset, count: 1, bytes: 13, time: at(second) }
}

fn asked(memory: &mut Memory, producer: Producer, second: i64) -> Result<Vec<u64>, OutOfTurn> {
    let parts = memory.check(&producer, at(second))?;
    Ok(parts.iter().map(|part| part.first_offset).collect())
}

/// What another process would know: what this one would have written, read back.
fn reopened(memory: &Memory, appends_kept: usize, second: i64) -> Memory {
    let mut again = Memory::new(appends_kept);
    again.merge(memory.of(0));
    again.settle(at(second));
    again
}

#[test]
fn the_next_request_is_new_and_the_last_are_known() {
    let mut memory = Memory::new(APPENDS_KEPT);
    let last = 2 * REQUESTS_KEPT;
    for sequence in 0..=last {
        let producer = Producer::counting("a", 7, sequence);
        assert_eq!(asked(&mut memory, producer, 0), Ok(vec![]));
        memory.note(producer, part(u64::from(sequence), 0));
    }
    for mut memory in [reopened(&memory, APPENDS_KEPT, 0), memory] {
        let mut check = |epoch, sequence, expected| {
            assert_eq!(asked(&mut memory, Producer::counting("a", epoch, sequence), 0), expected, "{epoch} {sequence}");
        };
        check(7, last, Ok(vec![u64::from(last)]));
        check(7, last + 1 - REQUESTS_KEPT, Ok(vec![u64::from(last + 1 - REQUESTS_KEPT)]));
        check(7, last - REQUESTS_KEPT, Err(OutOfTurn::Forgotten));
        check(7, 0, Err(OutOfTurn::Forgotten));
        check(7, last + 1, Ok(vec![]));
        check(7, last + 2, Err(OutOfTurn::Gap { expected: u64::from(last) + 1 }));
        check(6, last + 1, Err(OutOfTurn::Stale { epoch: 7 }));
        check(6, 0, Err(OutOfTurn::Stale { epoch: 7 }));
        check(8, last + 1, Err(OutOfTurn::Gap { expected: 0 }));
        check(8, 0, Ok(vec![]));
    }
}

#[test]
fn an_unknown_producer_begins_at_sequence_0() {
    let mut memory = Memory::new(APPENDS_KEPT);
    assert_eq!(asked(&mut memory, Producer::counting("a", 5, 1), 0), Err(OutOfTurn::Unknown { epoch: 0 }));
    assert_eq!(asked(&mut memory, Producer::counting("a", 5, 0), 0), Ok(vec![]));
    assert_eq!(asked(&mut memory, Producer::keyed("a"), 0), Ok(vec![]));
}

#[test]
fn all_sequences_can_be_used_up() {
    let mut memory = Memory::new(APPENDS_KEPT);
    memory.note(Producer::counting("a", 0, u32::MAX), part(9, 0));
    assert_eq!(asked(&mut memory, Producer::counting("a", 0, u32::MAX), 0), Ok(vec![9]));
    assert_eq!(asked(&mut memory, Producer::counting("a", 1, 1), 0), Err(OutOfTurn::Gap { expected: 0 }));
    assert_eq!(asked(&mut memory, Producer::counting("a", 1, 0), 0), Ok(vec![]));
}

#[test]
fn other_records_under_a_sequence_or_a_key_are_noticed() {
    let mut memory = Memory::new(APPENDS_KEPT);
    for producer in [Producer::counting("a", 0, 0), Producer::keyed("a")] {
        memory.note(Producer { sum: 1, ..producer }, part(0, 0));
        assert_eq!(asked(&mut memory, Producer { sum: 1, ..producer }, 0), Ok(vec![0]));
        assert_eq!(asked(&mut memory, Producer { sum: 2, ..producer }, 0), Err(OutOfTurn::Differs));
    }
    // 64 bits of two keys are the same, and the rest is not.
    let other = Producer { epoch: 1, ..Producer::keyed("a") };
    assert_eq!(asked(&mut memory, other, 0), Err(OutOfTurn::Differs));
}

#[test]
fn who_was_silent_for_a_week_is_refused_and_never_new() {
    let mut memory = Memory::new(APPENDS_KEPT);
    let first = Producer::counting("a", 3, 0);
    memory.note(first, part(0, 100));
    memory.note(Producer::keyed("k"), part(1, 100));
    let week = i64::try_from(TIME_KEPT.as_secs()).unwrap();
    assert_eq!(asked(&mut memory, first, 100 + week), Ok(vec![0]));
    assert_eq!(asked(&mut memory, Producer::keyed("k"), 100 + week), Ok(vec![1]));
    let late = 101 + week;
    for memory in [reopened(&memory, APPENDS_KEPT, late), memory] {
        for mut memory in [reopened(&memory, APPENDS_KEPT, late), memory] {
            for producer in [first, Producer::counting("a", 3, 1), Producer::counting("a", 4, 1)] {
                assert_eq!(asked(&mut memory, producer, late), Err(OutOfTurn::Unknown { epoch: 4 }), "{producer:?}");
            }
            assert_eq!(asked(&mut memory, Producer::counting("a", 4, 0), late), Ok(vec![]));
            assert_eq!(asked(&mut memory, Producer::counting("b", 0, 0), late), Ok(vec![]), "it never was here");
            assert_eq!(asked(&mut memory, Producer::keyed("k"), late), Ok(vec![]), "a key has no order");
        }
    }
}

#[test]
fn the_longest_silent_goes_where_there_are_too_many() {
    let mut memory = Memory::new(3);
    for (second, name) in [(1, "a"), (2, "b"), (3, "c")] {
        memory.note(Producer::counting(name, 0, 0), part(0, second));
        memory.note(Producer::keyed(name), part(0, second));
    }
    memory.note(Producer::counting("a", 0, 1), part(1, 4));
    let unknown = Err(OutOfTurn::Unknown { epoch: 1 });
    // More is found in the frames than was remembered: "b" is forgotten again, not known in part.
    let mut frames = Memory::new(3);
    frames.merge(Found { requests: vec![(Producer::counting("b", 0, 0), part(0, 2))], ..Found::default() });
    frames.merge(memory.of(0));
    frames.settle(at(4));
    for mut memory in [reopened(&memory, 3, 4), frames, memory] {
        assert_eq!(asked(&mut memory, Producer::counting("b", 0, 0), 4), unknown);
        assert_eq!(asked(&mut memory, Producer::counting("b", 0, 1), 4), unknown);
        assert_eq!(asked(&mut memory, Producer::counting("a", 0, 0), 4), Ok(vec![0]));
        assert_eq!(asked(&mut memory, Producer::counting("c", 0, 0), 4), Ok(vec![0]));
        assert_eq!(asked(&mut memory, Producer::keyed("a"), 4), Ok(vec![0]), "keys have room of their own");
    }
}

#[test]
fn memory_stays_within_its_bound() {
    let mut memory = Memory::new(1000);
    for nth in 0..20_000 {
        memory.note(Producer::counting(&format!("p{}", nth % 4000), 0, nth / 4000), part(0, i64::from(nth)));
        memory.note(Producer::keyed(&format!("k{nth}")), part(0, i64::from(nth)));
    }
    let found = memory.of(0);
    let keys = found.requests.iter().filter(|(producer, _)| producer.key).count();
    assert_eq!((keys, found.requests.len()), (1000, 2000));
    assert!(found.floors.len() <= 4000, "{}", found.floors.len());
}

#[test]
fn where_something_was_lost_all_have_to_begin_again() {
    let mut memory = Memory::new(APPENDS_KEPT);
    memory.note(Producer::counting("a", 3, 0), part(0, 1));
    memory.note(Producer::keyed("k"), part(1, 1));
    let mut again = Memory::new(APPENDS_KEPT);
    again.merge(Found { lost: true, ..memory.of(0) });
    again.settle(at(2));
    for name in ["a", "never here"] {
        assert_eq!(asked(&mut again, Producer::counting(name, 3, 0), 2), Err(OutOfTurn::Unknown { epoch: 4 }));
        assert_eq!(asked(&mut again, Producer::counting(name, 4, 0), 2), Ok(vec![]));
    }
}
