//! The states of open groups: whatever was bundled and bundled anew, the newest of each is there, and what is not what was written is said.

use super::*;
use crate::commit::{Group, Standing};
use crate::error::Kind;

const NAME: &str = "pins_per_category";
const AT: Timestamp = Timestamp(7);

fn group(number: i64, state: Vec<u8>, stored: bool) -> Group {
    Group {
        window: Timestamp(0),
        end: Timestamp(60_000_000),
        key: vec![Value::Text(format!("{number:03}"))],
        measures: vec![Value::Int64(1)],
        standing: Standing::Early,
        revised: false,
        number,
        stored,
        state,
    }
}

/// What the `nth` commit stores of a group.
fn state(number: i64, nth: usize) -> Vec<u8> {
    [number.to_le_bytes().as_slice(), &vec![nth as u8; 3000 + 7 * nth]].concat()
}

fn bundles(folder: &Folder, whole: bool) -> usize {
    let sql = format!("SELECT count(*) FROM tidemill_states_{NAME} WHERE whole = {whole}");
    ask(&folder.file(), &sql)[0].parse().unwrap()
}

#[test]
fn the_newest_of_each_open_group_counts_and_old_ones_go() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let mut expected: Vec<(i64, Vec<u8>)> = (1..=40).map(|number| (number, state(number, 0))).collect();
    let all: Vec<Group> = expected.iter().map(|(number, state)| group(*number, state.clone(), false)).collect();
    commit(&mut store, |to| to.groups(NAME, [&[], &all, &[]], AT)).unwrap();
    let mut made_anew = 0;
    for nth in 1..=60 {
        // Some change, the first closes, and now and then the process begins again.
        let closed = group(expected.remove(0).0, Vec::new(), true);
        let closed = Group { standing: Standing::Closed, ..closed };
        let opened = 40 + nth as i64;
        expected.push((opened, Vec::new()));
        let changed: Vec<Group> = expected
            .iter_mut()
            .filter(|(number, _)| (number + nth as i64) % 3 == 0 || *number == opened)
            .map(|(number, known)| {
                *known = state(*number, nth);
                group(*number, known.clone(), *number != opened)
            })
            .collect();
        if nth % 5 == 0 {
            // One that comes to nothing, though it would have bundled all anew.
            let large = group(1_000, vec![0; 1 << 20], false);
            let mut dropped = store.begin().unwrap();
            dropped.groups(NAME, [&[], &[large], &[]], AT).unwrap();
            drop(dropped);
        }
        let before = bundles(&folder, false);
        commit(&mut store, |to| to.groups(NAME, [&[], &changed, &[closed]], AT)).unwrap();
        made_anew += usize::from(bundles(&folder, false) < before);
        if nth % 7 == 0 {
            drop(store);
            store = Store::open(&folder.file(), &layout()).unwrap();
        }
        let found = store.groups(NAME).unwrap().into_iter().map(|group| (group.number, group.state));
        assert!(found.eq(expected.iter().cloned()), "after {nth} commits");
    }
    assert!(made_anew >= 3 && bundles(&folder, true) == 1, "{made_anew} times");
    let stored = "SELECT sum(length(states)) < 2 * 40 * 3600 + 300000 FROM tidemill_states_pins_per_category";
    assert_eq!(ask(&folder.file(), stored), ["1"], "what no longer counts is left out");
}

#[test]
fn large_states_are_more_than_one_bundle() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let large = |number: i64| group(number, vec![number as u8; 1 << 20], false);
    let groups: Vec<Group> = (1..=10).map(large).collect();
    commit(&mut store, |to| to.groups(NAME, [&[], &groups, &[]], AT)).unwrap();
    assert_eq!(bundles(&folder, true), 2, "none has much more than four MiB");
    let found: Vec<Vec<u8>> = store.groups(NAME).unwrap().into_iter().map(|group| group.state).collect();
    assert!(found.iter().eq(groups.iter().map(|group| &group.state)));
}

#[test]
fn what_is_not_what_was_written_is_said() {
    let cases = [
        ("UPDATE {} SET states = substr(states, 1, 30)", "is not what was written"),
        ("UPDATE {} SET states = zeroblob(40)", "is not what was written"),
        ("UPDATE {} SET states = x''", "is not what was written"),
        ("DELETE FROM {}", "has lost its state"),
    ];
    for (sql, says) in cases {
        let folder = Folder::new();
        let mut store = Store::open(&folder.file(), &layout()).unwrap();
        let groups = [group(1, state(1, 0), false), group(2, state(2, 0), false)];
        commit(&mut store, |to| to.groups(NAME, [&[], &groups, &[]], AT)).unwrap();
        execute(&folder.file(), &sql.replace("{}", "tidemill_states_pins_per_category"));
        let error = store.groups(NAME).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{sql}");
        assert!(error.message().contains(says), "{sql}: {}", error.message());
    }
    // Nor are they bundled anew when one is missing.
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    commit(&mut store, |to| to.groups(NAME, [&[], &[group(1, state(1, 0), false)], &[]], AT)).unwrap();
    execute(&folder.file(), "DELETE FROM tidemill_states_pins_per_category");
    let large = group(2, vec![0; 1 << 20], false);
    let error = commit(&mut store, |to| to.groups(NAME, [&[], &[large], &[]], AT)).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
}
