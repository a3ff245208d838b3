//! Late rows by hand, and how windows stand.

use super::*;
use crate::commit::{Group, LateRow, Standing};
use crate::time::Timestamp;
use crate::window::State;

/// Start in seconds, rows, how it stands, whether it was revised.
fn standing(groups: &[Group]) -> Vec<(i64, i64, &'static str, bool)> {
    let counts = counts(groups);
    groups.iter().zip(counts).map(|(of, (start, rows))| (start, rows, of.standing.word(), of.revised)).collect()
}

#[test]
fn what_is_shown_says_whether_it_may_change() {
    let ten = aggregate(&[], Some("at"), 10, 5, &["count()"]);
    let mut state = State::new(&ten, &fields(), 1).unwrap();
    feed(&mut state, &ten, 0, &[event(0), event(9 * SECOND)]);
    state.close();
    assert_eq!(standing(&state.changed()), [(0, 2, "early", false)]);
    feed(&mut state, &ten, 0, &[event(10 * SECOND)]);
    assert_eq!(standing(&state.close()), []);
    assert_eq!(standing(&state.changed()), [(0, 2, "on time", false), (10, 1, "early", false)]);
    feed(&mut state, &ten, 0, &[event(8 * SECOND), event(11 * SECOND)]);
    assert_eq!(standing(&state.close()), []);
    assert_eq!(standing(&state.changed()), [(0, 3, "on time", true), (10, 2, "early", false)]);
    // What comes with the row that closes it is a revision too.
    feed(&mut state, &ten, 0, &[event(7 * SECOND), event(15 * SECOND)]);
    assert_eq!(standing(&state.close()), [(0, 4, "closed", true)]);
    assert_eq!(standing(&state.changed()), [(10, 3, "early", false)]);
    // A group that was not there when time was over.
    feed(&mut state, &ten, 0, &[event(31 * SECOND)]);
    assert_eq!(standing(&state.close()), [(10, 3, "closed", false)]);
    feed(&mut state, &ten, 0, &[event(28 * SECOND)]);
    assert_eq!(standing(&state.close()), []);
    assert_eq!(standing(&state.changed()), [(20, 1, "on time", true), (30, 1, "early", false)]);
    let progress = state.progress().clone();
    let stored = [Group { state: crate::window::encode::encode(&[]), ..state.open_groups()[0].clone() }];
    assert_eq!(stored[0].standing, Standing::OnTime);
    let none = aggregate(&[], Some("at"), 10, 5, &[]);
    let restored = State::restore(&none, &fields(), 1, (&stored, 0), progress).unwrap();
    assert_eq!(restored.open_groups()[0].standing, Standing::OnTime);
}

#[test]
fn late_rows_are_named() {
    let ten = aggregate(&[], Some("at"), 10, 0, &["count()"]);
    let mut state = State::new(&ten, &fields(), 1).unwrap();
    let late = |offset, time: Option<i64>, window: Option<i64>| LateRow {
        partition: 0,
        offset,
        row: 0,
        time: time.map(Timestamp),
        window: window.map(Timestamp),
    };
    let null = Row { append: 5, at: None, ..Row::default() };
    feed(&mut state, &ten, 0, &[event(25 * SECOND), event(3 * SECOND), null, event(21 * SECOND), event(19 * SECOND)]);
    let expected =
        [late(1, Some(3 * SECOND), Some(0)), late(2, None, None), late(4, Some(19 * SECOND), Some(10 * SECOND))];
    assert_eq!(state.late_rows(), expected);
    assert_eq!(state.late_rows(), []);
}

#[test]
fn of_late_rows_of_one_record_each_is_named() {
    let ten = aggregate(&[], None, 10, 0, &["count()"]);
    let mut accumulator = Accumulator::new(&ten, &fields(), Timestamp(99 * SECOND)).unwrap();
    let (rows, times) = batch(&[event(1), event(1), event(1), event(2)]);
    accumulator.add(&rows, Origin { partition: 3, times: &times, offsets: &[7, 7, 7, 8] }).unwrap();
    let named = accumulator.take().late_rows;
    let places: Vec<_> = named.iter().map(|late| (late.partition, late.offset, late.row)).collect();
    assert_eq!(places, [(3, 7, 0), (3, 7, 1), (3, 7, 2), (3, 8, 0)]);
}
