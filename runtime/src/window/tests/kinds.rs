//! Kinds of windows by hand.

use super::spec::{Kind, Span};
use super::*;
use crate::commit::Group;
use crate::time::{Timestamp, Unit, Zone};
use crate::value::Value;
use crate::window::State;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn counting(kind: Kind, by: &[&str], lateness: u64) -> Aggregate {
    Aggregate { window: window(kind, Some("at"), lateness), ..aggregate(by, None, 1, 0, &["count()"]) }
}

fn event(at: i64) -> Row {
    Row { append: at * SECOND, at: Some(at * SECOND), ..Row::default() }
}

/// Feeds rows at these seconds; how many of them are late.
fn feed(state: &mut State, of: &Aggregate, partition: u32, at: &[i64]) -> u64 {
    let watermark = state.progress().partitions[partition as usize].watermark;
    let mut accumulator = Accumulator::new(of, &fields(), watermark).unwrap();
    let rows: Vec<Row> = at.iter().map(|at| event(*at)).collect();
    add(&mut accumulator, partition, 0, &rows);
    state.merge(partition, accumulator.take()).unwrap()
}

/// Start and end in seconds, and how many rows.
fn counts(groups: &[Group]) -> Vec<(i64, i64, i64)> {
    let count = |group: &Group| match group.measures.first() {
        Some(Value::Int64(count)) => *count,
        _ => 0,
    };
    groups.iter().map(|group| (group.window.0 / SECOND, group.end.0 / SECOND, count(group))).collect()
}

#[test]
fn a_row_lies_in_each_window_that_hops_over_it() {
    let of = counting(Kind::Hopping { size: seconds(10), slide: seconds(5) }, &[], 0);
    let mut state = State::new(&of, &fields(), 1).unwrap();
    assert_eq!(feed(&mut state, &of, 0, &[0, 4, 7, 12]), 0);
    assert_eq!(counts(&state.close()), [(-5, 5, 2), (0, 10, 3)]);
    assert_eq!(counts(&state.changed()), [(5, 15, 2), (10, 20, 1)]);
    assert_eq!(feed(&mut state, &of, 0, &[8]), 1, "for one of its two windows");
    assert_eq!(counts(&state.changed()), [(5, 15, 3)]);
    assert_eq!(feed(&mut state, &of, 0, &[20, 3]), 2, "for both");
}

#[test]
fn a_row_between_joins_two_sessions() {
    let of = counting(Kind::Session { gap: seconds(10) }, &[], 0);
    let mut state = State::new(&of, &fields(), 2).unwrap();
    feed(&mut state, &of, 0, &[0, 3, 16]);
    assert_eq!(counts(&state.changed()), [(0, 13, 2), (16, 26, 1)]);
    assert_eq!(counts(&state.gone()), []);
    feed(&mut state, &of, 1, &[9]);
    assert_eq!(counts(&state.gone()), [(0, 13, 0), (16, 26, 0)]);
    assert_eq!(counts(&state.changed()), [(0, 26, 4)]);
    feed(&mut state, &of, 1, &[5]);
    assert_eq!((counts(&state.gone()), counts(&state.changed())), (vec![], vec![(0, 26, 5)]));
    // Ten seconds apart is apart.
    feed(&mut state, &of, 0, &[26]);
    assert_eq!(counts(&state.changed()), [(26, 36, 1)]);
}

#[test]
fn sessions_close_a_gap_after_their_end_all_of_one_gap_at_once() {
    let of = counting(Kind::Session { gap: seconds(10) }, &[], 0);
    let mut state = State::new(&of, &fields(), 1).unwrap();
    feed(&mut state, &of, 0, &[1, 4, 29]);
    assert_eq!(counts(&state.close()), [], "it ends at 14 s, and closes at 24 s or the next tens");
    feed(&mut state, &of, 0, &[30]);
    let closed = state.close();
    assert_eq!(counts(&closed), [(1, 14, 2)]);
    let span = Span { start: closed[0].window, end: closed[0].end };
    assert_eq!(of.window.lands(span), Timestamp(30 * SECOND));
    assert_eq!(feed(&mut state, &of, 0, &[20]), 1, "alone it would have ended at 30 s");
    assert_eq!(feed(&mut state, &of, 0, &[21]), 0);
    assert_eq!(counts(&state.open_groups()), [(21, 40, 3)]);
}

#[test]
fn sessions_of_groups_are_apart_and_come_back() {
    let of = counting(Kind::Session { gap: seconds(10) }, &["name"], 0);
    let mut state = State::new(&of, &fields(), 1).unwrap();
    let mut accumulator = Accumulator::new(&of, &fields(), Timestamp::MIN).unwrap();
    let row = |at, name| Row { name, ..event(at) };
    add(&mut accumulator, 0, 0, &[row(0, Some("a")), row(1, Some("b")), row(5, Some("a")), row(8, None)]);
    state.merge(0, accumulator.take()).unwrap();
    let stored = state.changed();
    assert_eq!(counts(&stored), [(0, 15, 2), (1, 11, 1), (8, 18, 1)]);
    let progress = state.progress().clone();
    let mut restored = State::restore(&of, &fields(), 1, (&stored, 3), progress).unwrap();
    let mut accumulator = Accumulator::new(&of, &fields(), Timestamp(8 * SECOND)).unwrap();
    add(&mut accumulator, 0, 4, &[row(10, Some("b")), row(16, Some("a"))]);
    restored.merge(0, accumulator.take()).unwrap();
    assert_eq!(counts(&restored.gone()), [(1, 11, 0)]);
    assert_eq!(counts(&restored.changed()), [(1, 20, 2), (16, 26, 1)]);
}

#[test]
fn rows_that_come_again_join_sessions_that_are_open() {
    let of = counting(Kind::Session { gap: seconds(10) }, &[], 0);
    let mut state = State::new(&of, &fields(), 1).unwrap();
    feed(&mut state, &of, 0, &[0, 30]);
    state.close();
    let mut amending = Accumulator::amending(&of, &fields()).unwrap();
    add(&mut amending, 0, 0, &[event(38), event(5), event(20), event(21), event(45)]);
    assert_eq!(state.amend(amending.take()).unwrap(), 2, "5 s and 20 s have closed");
    assert_eq!(counts(&state.open_groups()), [(21, 55, 4)]);
}

#[test]
fn calendars_cut_by_midnights_of_their_zone() {
    let kind = Kind::Calendar { unit: Unit::Day, zone: Zone::named("Europe/London").unwrap() };
    let of = counting(kind, &[], 3600);
    let at = |text: &str| Timestamp::parse(text).unwrap().0 / SECOND;
    let mut state = State::new(&of, &fields(), 1).unwrap();
    feed(&mut state, &of, 0, &[at("2022-03-26T23:59:59Z"), at("2022-03-27T00:00:00Z"), at("2022-03-27T22:59:59Z")]);
    feed(&mut state, &of, 0, &[at("2022-03-27T23:59:59Z")]);
    assert_eq!(counts(&state.close()), [(at("2022-03-26T00:00:00Z"), at("2022-03-27T00:00:00Z"), 1)]);
    feed(&mut state, &of, 0, &[at("2022-03-28T00:00:00Z")]);
    // A day of 23 hours.
    assert_eq!(counts(&state.close()), [(at("2022-03-27T00:00:00Z"), at("2022-03-27T23:00:00Z"), 2)]);
    // Where no calendar reaches, a row is late and moves nothing.
    let before = state.progress().clone();
    let wild = Row { at: Some(i64::MIN), ..event(at("2022-03-28T01:00:00Z")) };
    let mut accumulator = Accumulator::new(&of, &fields(), before.partitions[0].watermark).unwrap();
    add(&mut accumulator, 0, 0, &[wild]);
    assert_eq!(state.merge(0, accumulator.take()).unwrap(), 1);
    assert_eq!(state.progress(), &before);
}
