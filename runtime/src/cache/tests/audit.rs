//! What an audit is told: all lines in order, letters that do not balance, rows that are not those which were given.

use super::*;
use crate::cache::{Differs, Given};

fn reader(folder: &Folder) -> Reader {
    Reader::open(&folder.file()).unwrap()
}

#[test]
fn all_lines_come_in_order_although_few_are_in_memory() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let lines: Vec<Epoch> = (1..=1_300).map(|n| epoch(0, n, n - 1, n)).collect();
    commit(&mut store, |to| {
        to.epoch(&epoch(1, 1, 0, 4))?;
        lines.iter().try_for_each(|line| to.epoch(line))
    })
    .unwrap();
    let reader = reader(&folder);
    let read: Vec<Epoch> = reader.lines("pin", 0).map(Result::unwrap).collect();
    assert!(read == lines);
    assert_eq!(reader.partitions().unwrap(), [("pin".to_owned(), 0), ("pin".to_owned(), 1)]);
    assert_eq!(reader.position("pin", 0).unwrap().map(|at| (at.epoch, at.next, at.rows)), Some((1_300, 1_300, 1_300)));
    assert_eq!(reader.line_at("pin", 0, 700).unwrap().map(|line| line.epoch), Some(701));
    assert_eq!(reader.line_at("pin", 0, 1_300).unwrap(), None);
}

#[test]
fn a_held_state_stays_while_others_commit() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    commit(&mut store, |to| to.epoch(&epoch(0, 1, 0, 2))).unwrap();
    let held = reader(&folder);
    held.hold().unwrap();
    commit(&mut store, |to| to.epoch(&epoch(0, 2, 2, 4))).unwrap();
    assert_eq!((held.lines("pin", 0).count(), reader(&folder).lines("pin", 0).count()), (1, 2));
}

#[test]
fn what_is_declared_later_says_where_it_begins() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    assert_eq!(reader(&folder).begun("pin").unwrap(), []);
    commit(&mut store, |to| to.epoch(&epoch(0, 1, 0, 7)).and_then(|()| to.epoch(&epoch(1, 1, 0, 3)))).unwrap();
    drop(store);
    let mut changed = layout();
    changed.aggregates[0].definition = "tumbling 2m".into();
    drop(Store::open(&folder.file(), &changed).unwrap());
    assert_eq!(reader(&folder).begun("pins_per_category").unwrap(), [(0, 7), (1, 3)]);
    assert_eq!(reader(&folder).begun("pin").unwrap(), []);
}

#[test]
fn rows_that_are_not_those_given_are_told() {
    let check = |alter: &str, expected: &[(i64, Differs, (u32, u64))]| {
        let folder = Folder::new();
        let mut store = Store::open(&folder.file(), &layout()).unwrap();
        let rows = [(1, "a", (1, 0, 0)), (2, "b", (1, 0, 1)), (1, "c", (2, 0, 2)), (3, "d", (2, 1, 0))];
        commit(&mut store, |to| to.upsert("pin", &latest(&rows)).map(drop)).unwrap();
        store.connection.execute_batch(alter).unwrap();
        let reader = reader(&folder);
        let derived = reader.derive_table(&layout().tables[0]).unwrap().unwrap();
        // One row at a time, as rows come apart in an object.
        rows[..3].iter().for_each(|row| derived.add(&pins(&[*row])).unwrap());
        derived.absent(1, 0, 5).unwrap();
        let strays = derived.strays(Given::Exactly).unwrap();
        let found: Vec<_> = strays.iter().map(|stray| (stray.key.clone(), stray.what, stray.place.unwrap())).collect();
        let expected: Vec<_> =
            expected.iter().map(|&(key, what, place)| (vec![Value::Int64(key)], what, place)).collect();
        assert_eq!(found, expected, "{alter}");
    };
    check("", &[]);
    check("UPDATE pin SET category = 'x' WHERE ind = 1", &[(1, Differs::Altered, (0, 2))]);
    check("UPDATE pin SET category = NULL WHERE ind = 2", &[(2, Differs::Altered, (0, 1))]);
    check("UPDATE pin SET category = 'x' WHERE ind = 3", &[]);
    check("DELETE FROM pin WHERE ind = 2", &[(2, Differs::Missing, (0, 1))]);
    check("INSERT INTO pin VALUES (9, 'z', 1, 0, 6)", &[(9, Differs::Unknown, (0, 6))]);
    let other = TableLayout { key: vec!["category".into()], ..layout().tables[0].clone() };
    let folder = Folder::new();
    drop(Store::open(&folder.file(), &layout()).unwrap());
    assert!(reader(&folder).derive_table(&other).unwrap().is_none(), "it is declared otherwise");
}
