//! Requests of named producers: each is appended once, whatever is sent again and whatever stops in between.

use std::time::Duration;

use super::*;
use crate::log::{OutOfTurn, Producer, REQUESTS_KEPT, TIME_KEPT, Ticket};

/// The values for each partition.
type Parts<'a> = &'a [(u32, &'a [&'a str])];
/// For each partition the first offset, and whether it was there.
type Answer = Result<Vec<(u32, u64, bool)>, OutOfTurn>;

pub(super) fn two(options: Options) -> Options {
    Options { partitions: 2, ..options }
}

/// Hands a request over, and does not wait for what becomes of it.
async fn begin(topic: &Topic, producer: Producer, parts: Parts<'_>) -> Result<Vec<(u32, Result<Ticket>)>, OutOfTurn> {
    let appends = parts.iter().map(|(partition, values)| (*partition, of(topic, values))).collect();
    topic.append_once(producer, appends).await
}

/// Sends a request and waits until it is settled.
pub(super) async fn send(topic: &Topic, producer: Producer, parts: Parts<'_>) -> Answer {
    let mut answers = Vec::new();
    for (partition, ticket) in begin(topic, producer, parts).await? {
        let ticket = ticket.unwrap();
        let repeat = ticket.is_repeat();
        answers.push((partition, ticket.wait().await.unwrap().first_offset, repeat));
    }
    Ok(answers)
}

pub(super) fn a(sequence: u32) -> Producer {
    Producer::counting("a", 1, sequence)
}

const BOTH: Parts<'_> = &[(0, &["x", "y"]), (1, &["z"])];

/// A topic with a request, and the same after a clean stop and after a crash.
async fn with_one(options: &Options, producer: Producer) -> [(Folder, Topic); 3] {
    let folder = Folder::new();
    let topic = folder.open(options).unwrap();
    topic.append(0, of(&topic, &["before"])).unwrap().wait().await.unwrap();
    assert_eq!(send(&topic, producer, BOTH).await, Ok(vec![(0, 1, false), (1, 0, false)]));
    let (crashed, stopped) = (folder.copy(), folder.copy());
    let again = crashed.open(options).unwrap();
    drop(stopped.open(options).unwrap());
    let after = stopped.open(options).unwrap();
    [(folder, topic), (crashed, again), (stopped, after)]
}

#[tokio::test]
async fn a_repeat_gets_the_offsets_of_the_original() {
    for options in [two(one_segment()), two(tiny_segments()), two(Options::default())] {
        for producer in [a(0), Producer::keyed("k")] {
            for (_folder, topic) in with_one(&options, producer).await {
                topic.append(0, of(&topic, &["between"])).unwrap().wait().await.unwrap();
                for _ in 0..2 {
                    assert_eq!(send(&topic, producer, BOTH).await, Ok(vec![(0, 1, true), (1, 0, true)]));
                }
                assert_eq!((topic.end(0), topic.end(1)), (4, 1));
            }
        }
    }
}

#[tokio::test]
async fn what_is_out_of_turn_is_refused_and_nothing_appended() {
    for (_folder, topic) in with_one(&two(tiny_segments()), a(0)).await {
        for (producer, parts, expected) in [
            (a(2), BOTH, OutOfTurn::Gap { expected: 1 }),
            (Producer::counting("a", 0, 0), BOTH, OutOfTurn::Stale { epoch: 1 }),
            (Producer::counting("a", 2, 1), BOTH, OutOfTurn::Gap { expected: 0 }),
            (Producer::counting("b", 2, 1), BOTH, OutOfTurn::Unknown { epoch: 0 }),
            (a(0), &[(0, &["x", "y"]), (1, &["?"])], OutOfTurn::Differs),
            (a(0), &[(0, &["x", "y"])], OutOfTurn::Differs),
            (a(0), &[], OutOfTurn::Differs),
        ] {
            assert_eq!(send(&topic, producer, parts).await, Err(expected), "{producer:?}");
        }
        assert_eq!((topic.end(0), topic.end(1)), (3, 1));
        assert_eq!(send(&topic, a(1), BOTH).await, Ok(vec![(0, 3, false), (1, 1, false)]));
        assert_eq!(send(&topic, Producer::counting("a", 2, 0), BOTH).await, Ok(vec![(0, 5, false), (1, 2, false)]));
        assert_eq!(send(&topic, a(1), BOTH).await, Err(OutOfTurn::Stale { epoch: 2 }), "its other life is over");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_copies_at_once_make_one_append() {
    let folder = Folder::new();
    let topic = Arc::new(folder.open(&two(one_segment())).unwrap());
    for sequence in 0..200 {
        for producer in [a(sequence), Producer::keyed(&sequence.to_string())] {
            let copies = (0..8).map(|_| {
                let topic = Arc::clone(&topic);
                tokio::spawn(async move { send(&topic, producer, BOTH).await.unwrap() })
            });
            let copies: Vec<_> = copies.collect();
            let mut answers = Vec::new();
            for copy in copies {
                answers.push(copy.await.unwrap());
            }
            assert_eq!(answers.iter().flatten().filter(|(_, _, repeat)| !repeat).count(), 2, "{answers:?}");
            let offsets = |answer: &[(u32, u64, bool)]| answer.iter().map(|(_, first, _)| *first).collect::<Vec<_>>();
            assert!(answers.iter().all(|answer| offsets(answer) == offsets(&answers[0])), "{answers:?}");
        }
    }
    assert_eq!((topic.end(0), topic.end(1)), (800, 400));
}

#[tokio::test]
async fn a_client_that_goes_leaves_its_request_to_be_known() {
    let folder = Folder::new();
    let topic = folder.open(&two(one_segment())).unwrap();
    for sequence in 0..100 {
        // It hears nothing of what becomes of it.
        drop(begin(&topic, a(sequence), BOTH).await.unwrap());
        let first = u64::from(sequence);
        assert_eq!(send(&topic, a(sequence), BOTH).await, Ok(vec![(0, 2 * first, true), (1, first, true)]));
    }
}

#[tokio::test]
async fn who_waits_for_a_turn_and_goes_is_in_nobody_s_way() {
    let folder = Folder::new();
    let topic = folder.open(&one_segment()).unwrap();
    let turn = topic.append_once(a(0), vec![(0, of(&topic, &["x"]))]).await.unwrap();
    let waits = tokio::time::timeout(Duration::ZERO, topic.append_once(a(0), vec![(0, of(&topic, &["x"]))])).await;
    drop((turn, waits));
    assert_eq!(send(&topic, a(0), &[(0, &["x"])]).await, Ok(vec![(0, 0, true)]));
    assert_eq!(send(&topic, a(1), &[(0, &["y"])]).await, Ok(vec![(0, 1, false)]));
}

#[tokio::test]
async fn a_request_that_was_half_done_is_completed() {
    for producer in [a(0), Producer::keyed("k")] {
        let folder = Folder::new();
        let topic = folder.open(&two(one_segment())).unwrap();
        let before = topic.bytes(1);
        send(&topic, producer, BOTH).await.unwrap();
        let crashed = folder.copy();
        let log = crashed.0.join(format!("pin/1/{:020}.log", 0));
        fs::File::options().write(true).open(log).unwrap().set_len(before).unwrap();
        let topic = crashed.open(&two(one_segment())).unwrap();
        assert_eq!((topic.end(0), topic.end(1)), (2, 0), "the other partition had not come so far");
        assert_eq!(send(&topic, producer, BOTH).await, Ok(vec![(0, 0, true), (1, 0, false)]));
        assert_eq!(send(&topic, producer, BOTH).await, Ok(vec![(0, 0, true), (1, 0, true)]));
    }
}

#[tokio::test]
async fn a_request_without_records_uses_its_sequence_up() {
    let options = two(tiny_segments());
    let folder = Folder::new();
    let topic = folder.open(&options).unwrap();
    send(&topic, a(0), BOTH).await.unwrap();
    let to = a(1).partition(2);
    let end = topic.end(to);
    assert_eq!(send(&topic, a(1), &[]).await, Ok(vec![(to, end, false)]));
    let crashed = folder.copy();
    for topic in [topic, crashed.open(&options).unwrap()] {
        assert_eq!(send(&topic, a(1), &[]).await, Ok(vec![]));
        assert_eq!(send(&topic, a(1), BOTH).await, Err(OutOfTurn::Differs));
        assert_eq!(topic.end(to), end);
        send(&topic, a(2), BOTH).await.unwrap();
        assert_eq!(read(&topic, 0), (rows(0, &["x", "y", "x", "y"]), None));
    }
}

#[tokio::test]
async fn the_offsets_of_what_retention_removed_are_still_known() {
    let options = two(Options { retention_age: Some(Duration::ZERO), ..tiny_segments() });
    let folder = Folder::new();
    let topic = folder.open(&options).unwrap();
    for sequence in 0..10 {
        send(&topic, a(sequence), BOTH).await.unwrap();
    }
    topic.retain(Timestamp(i64::MAX), &[100, 100]).unwrap();
    assert_eq!((topic.earliest(0), topic.earliest(1)), (18, 9));
    let crashed = folder.copy();
    drop(topic);
    for folder in [folder, crashed] {
        let topic = folder.open(&options).unwrap();
        for sequence in 0..10_u32 {
            let first = u64::from(sequence);
            assert_eq!(send(&topic, a(sequence), BOTH).await, Ok(vec![(0, 2 * first, true), (1, first, true)]));
        }
    }
}

#[tokio::test]
async fn past_the_window_a_repeat_is_refused_and_never_appended() {
    let folder = Folder::new();
    let (clock, options) = (Arc::new(Clock::manual(at(0))), two(tiny_segments()));
    let open = || Topic::open(&folder.0, "pin", &options, Arc::clone(&clock)).unwrap();
    let mut topic = open();
    for sequence in 0..=REQUESTS_KEPT {
        send(&topic, a(sequence), BOTH).await.unwrap();
    }
    assert_eq!(send(&topic, a(0), BOTH).await, Err(OutOfTurn::Forgotten));
    send(&topic, Producer::counting("b", 1, 0), BOTH).await.unwrap();
    let end = topic.end(0);
    for reopened in [false, true, true] {
        if reopened {
            drop(topic);
            topic = open();
        }
        clock.set(at(1).plus(TIME_KEPT));
        let unknown = Err(OutOfTurn::Unknown { epoch: 2 });
        for producer in [a(0), a(REQUESTS_KEPT), a(REQUESTS_KEPT + 1), Producer::counting("b", 1, 0)] {
            assert_eq!(send(&topic, producer, BOTH).await, unknown, "{producer:?}");
        }
        assert_eq!(topic.end(0), end);
    }
    assert_eq!(send(&topic, Producer::counting("a", 2, 0), BOTH).await, Ok(vec![(0, end, false), (1, end / 2, false)]));
}
