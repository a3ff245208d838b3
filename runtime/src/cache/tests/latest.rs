//! The latest row of each key: picked in an epoch, kept over commits.

use arrow_array::{BinaryArray, BooleanArray, Float64Array, ListArray, types::Float64Type};

use super::*;
use crate::cache::TableLayout;

/// Commits each of `epochs` and expects these rows of `pin`.
fn check(epochs: &[&[Pin]], expected: &[&str]) {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    for rows in epochs {
        commit(&mut store, |to| to.upsert("pin", &latest(rows)).map(drop)).unwrap();
    }
    assert_eq!(ask(&folder.file(), "SELECT * FROM pin ORDER BY ind"), expected, "{epochs:?}");
}

#[test]
fn the_latest_place_wins_in_any_order() {
    check(&[&[(1, "a", (1, 0, 0)), (1, "b", (1, 0, 1))]], &["1|b|1|0|1"]);
    check(&[&[(1, "b", (1, 0, 1)), (1, "a", (1, 0, 0))]], &["1|b|1|0|1"]);
    check(&[&[(1, "a", (1, 0, 0))], &[(1, "b", (1, 0, 1))]], &["1|b|1|0|1"]);
    check(&[&[(1, "b", (1, 0, 1))], &[(1, "a", (1, 0, 0))]], &["1|b|1|0|1"]);
    // Time before partition, partition before offset.
    check(&[&[(1, "a", (2, 0, 0))], &[(1, "b", (1, 9, 9))]], &["1|a|2|0|0"]);
    check(&[&[(1, "a", (1, 1, 0))], &[(1, "b", (1, 0, 9))]], &["1|a|1|1|0"]);
    check(&[&[(1, "b", (1, 0, 9)), (1, "a", (1, 1, 0))]], &["1|a|1|1|0"]);
    // The same place again changes nothing.
    check(&[&[(1, "a", (1, 0, 0))], &[(1, "b", (1, 0, 0))]], &["1|a|1|0|0"]);
    // Of two rows of one record, the last.
    check(&[&[(1, "a", (1, 0, 0)), (1, "b", (1, 0, 0))]], &["1|b|1|0|0"]);
    check(
        &[&[(3, "c", (1, 0, 0)), (-1, "a", (1, 0, 1)), (2, "b", (1, 0, 2))]],
        &["-1|a|1|0|1", "2|b|1|0|2", "3|c|1|0|0"],
    );
    check(&[&[]], &[]);
}

#[test]
fn counts_what_it_leaves_out() {
    let rows = latest(&[(1, "a", (1, 0, 0)), (1, "b", (1, 0, 1)), (2, "c", (1, 0, 2))]);
    assert_eq!((rows.rows(), rows.superseded(), rows.unkeyed()), (2, 1, 0));
    let keys = Int64Array::from(vec![Some(1), None, None]);
    let categories = StringArray::from(vec!["a", "b", "c"]);
    let batch =
        batch(vec![("ind", Arc::new(keys)), ("category", Arc::new(categories))], &[(1, 0, 0), (1, 0, 1), (1, 0, 2)]);
    let rows = Latest::prepare(&layout().tables[0], &[batch]).unwrap();
    assert_eq!((rows.rows(), rows.superseded(), rows.unkeyed()), (1, 0, 2));
}

#[test]
fn says_how_many_it_wrote() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let mut to = store.begin().unwrap();
    assert_eq!(to.upsert("pin", &latest(&[(1, "a", (5, 0, 0)), (2, "b", (5, 0, 1))])).unwrap(), 2);
    assert_eq!(to.upsert("pin", &latest(&[(1, "c", (4, 0, 0)), (2, "d", (6, 0, 1))])).unwrap(), 1);
}

#[test]
fn rows_of_many_batches_are_one_set() {
    let batches = [pins(&[(2, "a", (1, 0, 0))]), pins(&[]), pins(&[(1, "b", (1, 0, 1)), (2, "c", (1, 0, 2))])];
    let rows = Latest::prepare(&layout().tables[0], &batches).unwrap();
    assert_eq!((rows.rows(), rows.superseded()), (2, 1));
    assert_eq!(Latest::prepare(&layout().tables[0], &[]).unwrap().rows(), 0);
}

/// Prepares columns of one table, twice with the second rows earlier, and expects what the cache shows.
fn check_columns(table: &TableLayout, columns: Vec<(&str, ArrayRef)>, expected: &[&str]) {
    let folder = Folder::new();
    let layout = Layout { pipeline: "p".into(), tables: vec![table.clone()], ..Layout::default() };
    let mut store = Store::open(&folder.file(), &layout).unwrap();
    let count = columns[0].1.len() as i64;
    for time in [2, 1] {
        let places: Vec<_> = (0..count).map(|offset| (time, 0, offset)).collect();
        let rows = Latest::prepare(table, &[batch(columns.clone(), &places)]).unwrap();
        commit(&mut store, |to| to.upsert(&table.name, &rows).map(drop)).unwrap();
    }
    let names: Vec<String> = table.columns.iter().map(|field| format!("\"{}\"", field.name)).collect();
    let sql = format!("SELECT {}, _offset FROM \"{}\" ORDER BY _offset", names.join(", "), table.name);
    assert_eq!(ask(&folder.file(), &sql), expected);
}

#[test]
fn keys_may_be_of_several_columns_and_types() {
    let text = |values: Vec<&'static str>| Arc::new(StringArray::from(values)) as ArrayRef;
    let int64 = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
    let one = table("t", &["k"], &[("v", Type::Int64), ("k", Type::Text)]);
    check_columns(&one, vec![("v", int64(vec![1, 2, 3])), ("k", text(vec!["b", "", "b"]))], &["2||1", "3|b|2"]);
    let two = table("t", &["b", "a"], &[("a", Type::Int64), ("b", Type::Text)]);
    check_columns(&two, vec![("a", int64(vec![1, 1, 1])), ("b", text(vec!["x", "y", "x"]))], &["1|y|1", "1|x|2"]);
    let flag = Arc::new(BooleanArray::from(vec![true, false, true])) as ArrayRef;
    check_columns(&table("t", &["f"], &[("f", Type::Boolean)]), vec![("f", flag)], &["0|1", "1|2"]);
    let bytes = Arc::new(BinaryArray::from_vec(vec![b"a", b"\xff\0", b"a"])) as ArrayRef;
    check_columns(&table("t", &["f"], &[("f", Type::Bytes)]), vec![("f", bytes)], &["ff00|1", "61|2"]);
    let times = Arc::new(TimestampMicrosecondArray::from(vec![0, 1, 0]).with_timezone("UTC")) as ArrayRef;
    let expected = ["1970-01-01 00:00:00.000001|1", "1970-01-01 00:00:00|2"];
    check_columns(&table("t", &["f"], &[("f", Type::Timestamp)]), vec![("f", times)], &expected);
}

#[test]
fn every_type_is_shown_and_every_type_may_be_null() {
    let lists = ListArray::from_iter_primitive::<Float64Type, _, _>(vec![Some(vec![Some(1.5), Some(2.0)]), None]);
    let (_, offsets, values, nulls) = lists.into_parts();
    let item = Arc::new(arrow_schema::Field::new("item", arrow_schema::DataType::Float64, false));
    let lists = ListArray::new(item, offsets, values, nulls);
    let all = table(
        "t",
        &["k"],
        &[
            ("k", Type::Int64),
            ("flag", Type::Boolean),
            ("real", Type::Float64),
            ("text", Type::Text),
            ("bytes", Type::Bytes),
            ("at", Type::Timestamp),
            ("json", Type::Json),
            ("list", Type::Float64List),
        ],
    );
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("k", Arc::new(Int64Array::from(vec![1, 2]))),
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("real", Arc::new(Float64Array::from(vec![Some(0.5), None]))),
        ("text", Arc::new(StringArray::from(vec![Some("é\u{1F600}'\""), None]))),
        ("bytes", Arc::new(BinaryArray::from_opt_vec(vec![Some(b"\0\x01"), None]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(250_000), None]).with_timezone("UTC"))),
        ("json", Arc::new(StringArray::from(vec![Some("{\"a\":1}"), None]))),
        ("list", Arc::new(lists)),
    ];
    let first = "1|1|0.5|é\u{1F600}'\"|0001|1970-01-01 00:00:00.250000|{\"a\":1}|[1.5,2.0]|0";
    check_columns(&all, columns, &[first, "2|-|-|-|-|-|-|-|1"]);
}

#[test]
fn columns_must_be_those_of_the_layout() {
    let check = |columns: Vec<(&str, ArrayRef)>, words: &str| {
        let error = Latest::prepare(&layout().tables[0], &[batch(columns, &[(1, 0, 0)])]).unwrap_err();
        assert_eq!(error.message(), words);
    };
    let one = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    check(vec![("ind", one())], "table \"pin\": column \"category\" is missing");
    check(vec![("ind", one()), ("category", one())], "table \"pin\": column \"category\" is Int64, not text");
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let other = Latest::prepare(&table("pin", &["a"], &[("a", Type::Int64)]), &[]).unwrap();
    assert!(store.begin().unwrap().upsert("pin", &other).unwrap_err().message().contains("another layout"));
    assert!(store.begin().unwrap().upsert("geo", &other).unwrap_err().message().contains("does not have it"));
}

#[test]
fn what_is_older_than_a_mark_stays_away() {
    let rows = latest(&[(1, "a", (5, 0, 0)), (2, "b", (6, 0, 1)), (3, "c", (7, 0, 2))]);
    let kept = rows.clone().since(Some(Timestamp(6))).unwrap();
    let offsets = |of: &Latest| of.place.offset.values().to_vec();
    assert_eq!((offsets(&kept), kept.rows()), (vec![1, 2], 2));
    assert_eq!(offsets(&rows.since(None).unwrap()), [0, 1, 2]);
}
