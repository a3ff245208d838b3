//! Retention of the cache proper: what goes, what stays, and what is known of it afterwards.

use super::*;
use crate::cache::query::Reader;
use crate::commit::{Group, Standing};

fn pruned(store: &mut Store, before: i64, inds: &[i64]) -> u64 {
    let keys: Vec<Vec<Value>> = inds.iter().map(|ind| vec![Value::Int64(*ind)]).collect();
    let mut count = 0;
    commit(store, |to| {
        count = to.prune_rows("pin", &["ind".to_owned()], Timestamp(before), &keys)?;
        Ok(())
    })
    .unwrap();
    count
}

#[test]
fn rows_go_by_age_in_steps_unless_they_are_newer_by_now() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let rows: Vec<Pin> = (0..10).map(|ind| (ind, "a", (10 * ind, 0, ind))).collect();
    commit(&mut store, |to| to.upsert("pin", &latest(&rows)).map(drop)).unwrap();
    let reader = Reader::open(&folder.file()).unwrap();
    assert_eq!(reader.pruned("pin").unwrap(), None);
    let key = ["ind".to_owned()];
    let older = |after: Option<&[Value]>| {
        let keys = reader.older("pin", &key, Timestamp(50), after, 2).unwrap();
        keys.into_iter().map(|key| key[0].to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(older(None), "0 1");
    assert_eq!(older(Some(&[Value::Int64(1)])), "2 3");
    assert_eq!(older(Some(&[Value::Int64(3)])), "4");
    assert_eq!(older(Some(&[Value::Int64(4)])), "");
    // One of them has a newer row by the time that it is to go.
    commit(&mut store, |to| to.upsert("pin", &latest(&[(3, "b", (99, 0, 99))])).map(drop)).unwrap();
    assert_eq!(pruned(&mut store, 50, &[0, 1]), 2);
    assert_eq!(pruned(&mut store, 50, &[2, 3, 4]), 2);
    assert_eq!(ask(&folder.file(), "SELECT ind FROM pin"), ["3", "5", "6", "7", "8", "9"]);
    assert_eq!(reader.pruned("pin").unwrap(), Some(Timestamp(50)));
    // The mark never goes back.
    assert_eq!(pruned(&mut store, 40, &[5]), 0);
    assert_eq!(ask(&folder.file(), "SELECT name, before, count FROM tidemill_pruned"), ["pin|50|4"]);
}

#[test]
fn rows_beyond_a_number() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let rows: Vec<Pin> = (0..10).map(|ind| (ind, "a", (100 - 10 * ind, 0, ind))).collect();
    commit(&mut store, |to| to.upsert("pin", &latest(&rows)).map(drop)).unwrap();
    let reader = Reader::open(&folder.file()).unwrap();
    let check = |rows: u64, expected: Option<i64>| {
        assert_eq!(reader.oldest_of_latest("pin", rows).unwrap(), expected.map(Timestamp), "{rows}");
    };
    check(11, None);
    check(10, None);
    check(9, Some(20));
    check(3, Some(80));
    check(1, Some(100));
}

#[test]
fn keys_of_several_columns_are_walked_through() {
    let folder = Folder::new();
    let columns = [("a", Type::Text), ("b", Type::Int64)];
    let layout =
        Layout { tables: vec![table("pair", &["a", "b"], &columns)], pipeline: "p".into(), ..Layout::default() };
    let mut store = Store::open(&folder.file(), &layout).unwrap();
    let sql = "INSERT INTO pair VALUES ('x', 1, 1, 0, 0), ('x', 2, 1, 0, 1), ('y', 1, 9, 0, 2), ('y', 2, 1, 0, 3)";
    store.connection.execute_batch(sql).unwrap();
    let reader = Reader::open(&folder.file()).unwrap();
    let key = ["a".to_owned(), "b".to_owned()];
    let mut seen = Vec::new();
    let mut after: Option<Vec<Value>> = None;
    while let Some(next) = reader.older("pair", &key, Timestamp(5), after.as_deref(), 1).unwrap().pop() {
        seen.push(next.clone());
        after = Some(next);
    }
    assert_eq!(seen.len(), 3);
    commit(&mut store, |to| to.prune_rows("pair", &key, Timestamp(5), &seen).map(drop)).unwrap();
    assert_eq!(ask(&folder.file(), "pair"), ["y|1|9|0|2"]);
}

#[test]
fn closed_windows_go_and_open_ones_stay() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let group = |start: i64, standing: Standing| Group {
        window: Timestamp(start * 60_000_000),
        end: Timestamp((start + 1) * 60_000_000),
        key: vec![Value::Text("a".into())],
        measures: vec![Value::Int64(start)],
        standing,
        revised: false,
        number: 0,
        stored: false,
        state: vec![1],
    };
    let closed: Vec<_> = (0..5).map(|start| group(start, Standing::Closed)).collect();
    let open = [group(5, Standing::Early)];
    commit(&mut store, |to| to.groups("pins_per_category", [&[], &open, &closed], Timestamp(0))).unwrap();
    let reader = Reader::open(&folder.file()).unwrap();
    let older =
        |minutes: i64| reader.older_groups("pins_per_category", Timestamp(minutes * 60_000_000), i64::MIN, 9).unwrap();
    assert_eq!((older(0).len(), older(2).len(), older(99).len()), (0, 2, 5));
    let groups = older(2);
    commit(&mut store, |to| {
        let count = to.prune_groups("pins_per_category", Timestamp(120_000_000), &groups)?;
        assert_eq!(count, 2);
        Ok(())
    })
    .unwrap();
    assert_eq!(ask(&folder.file(), "SELECT pins FROM pins_per_category ORDER BY 1"), ["2", "3", "4", "5"]);
}

/// What was pruned is no loss to who makes it anew, and what else differs still is.
#[test]
fn what_is_made_anew_is_compared_from_the_mark_on() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let rows: [Pin; 4] = [(1, "a", (10, 0, 0)), (2, "b", (20, 0, 1)), (3, "c", (30, 0, 2)), (4, "d", (40, 0, 3))];
    commit(&mut store, |to| to.upsert("pin", &latest(&rows)).map(drop)).unwrap();
    let strays = || {
        let reader = Reader::open(&folder.file()).unwrap();
        let derived = reader.derive_table(&layout().tables[0]).unwrap().unwrap();
        derived.add(&pins(&rows)).unwrap();
        let strays = derived.strays(crate::cache::Given::Exactly).unwrap();
        strays.into_iter().map(|stray| format!("{:?} {}", stray.what, stray.key[0])).collect::<Vec<_>>()
    };
    assert!(strays().is_empty());
    assert_eq!(pruned(&mut store, 25, &[1, 2]), 2);
    assert!(strays().is_empty());
    store
        .connection
        .execute_batch("DELETE FROM pin WHERE ind = 3; UPDATE pin SET category = 'x' WHERE ind = 4")
        .unwrap();
    assert_eq!(strays(), ["Altered 4", "Missing 3"]);
}
