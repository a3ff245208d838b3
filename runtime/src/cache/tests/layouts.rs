//! Layouts: names, faults, and what becomes of a file when they change.

use rusqlite::Connection;

use super::*;
use crate::cache::{Rebuild, check as faults};

fn check(layout: &Layout, expected: &[&str]) {
    let found: Vec<String> = faults(layout).iter().map(|fault| fault.message().to_owned()).collect();
    assert_eq!(found, expected);
    let folder = Folder::new();
    let opened = Store::open(&folder.file(), layout);
    assert_eq!(
        opened.err().map(|error| error.message().to_owned()),
        (!expected.is_empty()).then(|| expected.join("; "))
    );
}

fn with_queries(queries: &[(&str, &str)]) -> Layout {
    Layout { queries: queries.iter().map(|&(name, sql)| (name.into(), sql.into())).collect(), ..layout() }
}

#[test]
fn every_query_that_does_not_compile_is_named() {
    check(&layout(), &[]);
    let broken = [
        ("a", "SELECT categori FROM pin"),
        ("b", "SELECT 1"),
        ("c", "SELEC 1"),
        ("d", "SELECT * FROM nowhere"),
        ("e", "SELECT 1; DROP TABLE pin"),
    ];
    check(
        &with_queries(&[broken[0], broken[1], broken[3]]),
        &["query \"a\": no such column: categori", "query \"d\": no such table: main.nowhere"],
    );
    check(&with_queries(&broken[1..3]), &["query \"c\": near \"SELEC\": syntax error"]);
    check(&with_queries(&broken[4..]), &["query \"e\": more than one statement"]);
    check(&with_queries(&[("f", "DELETE FROM pin")]), &["query \"f\": near \"DELETE\": syntax error"]);
    check(
        &with_queries(&[("g", "SELECT ind FROM pin WHERE ind = ?")]),
        &["query \"g\": parameters are not allowed in views"],
    );
    check(
        &with_queries(&[("h", "SELECT \"no such column\" FROM pin")]),
        &["query \"h\": no such column: \"no such column\" - should this be a string literal in single-quotes?"],
    );
}

#[test]
fn queries_may_read_one_another_and_end_in_comments() {
    check(&with_queries(&[("a", "SELECT n + 1 AS n FROM b"), ("b", "-- one\nSELECT 1 AS n -- row")]), &[]);
    check(&with_queries(&[("m", "SELECT percentile_approx(ind, 0.5), median(ind) FROM pin")]), &[]);
}

#[test]
fn names_that_need_quotes_work() {
    let folder = Folder::new();
    let odd = table("order", &["group"], &[("group", Type::Int64), ("select-1.x", Type::Text), ("1st", Type::Text)]);
    let layout = Layout {
        pipeline: "p".into(),
        tables: vec![odd.clone(), table("excluded", &["key"], &[("key", Type::Text), ("rowid", Type::Text)])],
        queries: vec![("limit".into(), "SELECT \"select-1.x\" AS \"from\" FROM \"order\"".into())],
        ..Layout::default()
    };
    let mut store = Store::open(&folder.file(), &layout).unwrap();
    let text = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
    for (time, shown) in [(1, "x"), (2, "y"), (1, "z")] {
        let group = Arc::new(Int64Array::from(vec![1])) as ArrayRef;
        let one = batch(vec![("group", group), ("select-1.x", text(shown)), ("1st", text("b"))], &[(time, 0, 0)]);
        let two = batch(vec![("key", text("k")), ("rowid", text(shown))], &[(time, 0, 0)]);
        let (one, two) = (Latest::prepare(&odd, &[one]).unwrap(), Latest::prepare(&layout.tables[1], &[two]).unwrap());
        commit(&mut store, |to| to.upsert("order", &one).and_then(|_| to.upsert("excluded", &two)).map(drop)).unwrap();
    }
    assert_eq!(ask(&folder.file(), "limit"), ["y"]);
    assert_eq!(ask(&folder.file(), "order"), ["1|y|b|2|0|0"]);
    assert_eq!(ask(&folder.file(), "excluded"), ["k|y|2|0|0"]);
}

#[test]
fn names_and_keys_are_checked() {
    let refused = |name: &str| {
        let layout = Layout { tables: vec![table(name, &["a"], &[("a", Type::Int64)])], ..Layout::default() };
        assert!(faults(&layout)[0].message().contains("the name cannot be one of the cache's"), "{name}");
    };
    for name in [
        "",
        "a b",
        "a\"b",
        "a'b",
        "a;b",
        "-a",
        ".a",
        "é",
        "a\0",
        "sqlite_x",
        "Tidemill_ledger",
        "a/b",
        &"a".repeat(129),
    ] {
        refused(name);
    }
    let keyed = |key: &[&str], kind| Layout { tables: vec![table("t", key, &[("a", kind)])], ..Layout::default() };
    check(&keyed(&[], Type::Int64), &["table \"t\": it has no key"]);
    check(&keyed(&["b"], Type::Int64), &["table \"t\": its key \"b\" is not among its cached columns"]);
    check(&keyed(&["a"], Type::Float64), &["table \"t\": its key \"a\" is of a type that cannot be a key"]);
    let twice = table("pin", &["a"], &[("a", Type::Int64), ("A", Type::Text), ("_time", Type::Int64)]);
    let layout = Layout { tables: vec![twice], queries: vec![("PIN".into(), "SELECT 1".into())], ..Layout::default() };
    check(
        &layout,
        &[
            "query \"PIN\": the name is taken; tables, aggregates, rollups and queries share them",
            "table \"pin\": column \"A\": the name is taken; SQLite does not tell cases apart",
            "table \"pin\": column \"_time\": the name cannot be one of the cache's",
        ],
    );
}

/// Opens a file of [`layout`] with a row in it under another layout; expects these notes, and what is left of `pin`.
fn check_change(change: impl FnOnce(&mut Layout), notes: &[&str], left: Option<&[&str]>) {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    assert!(store.notes().is_empty());
    commit(&mut store, |to| {
        to.epoch(&epoch(0, 1, 0, 1))?;
        to.upsert("pin", &latest(&[(1, "a", (1, 0, 0))])).map(drop)
    })
    .unwrap();
    drop(store);
    let mut changed = layout();
    change(&mut changed);
    let store = Store::open(&folder.file(), &changed).unwrap();
    assert_eq!(store.notes(), notes);
    assert_eq!(store.positions().unwrap().len(), 1, "positions stay");
    match left {
        Some(rows) => assert_eq!(ask(&folder.file(), "pin"), rows),
        None => assert!(Reader::open(&folder.file()).unwrap().run("pin", 1).is_err()),
    }
    drop(store);
    assert!(Store::open(&folder.file(), &changed).unwrap().notes().is_empty(), "a change is told once");
}

#[test]
fn a_file_follows_its_layout() {
    let changed = "table \"pin\": its columns or its definition changed; its rows begin anew";
    let kept: Option<&[&str]> = Some(&["1|a|1|0|0"]);
    check_change(|_| (), &[], kept);
    check_change(|to| to.tables.push(table("geo", &["ind"], &[("ind", Type::Int64)])), &[], kept);
    check_change(|to| to.tables[0].columns.push(field("poster", Type::Text)), &[changed], Some(&[]));
    check_change(|to| to.tables[0].columns[1].kind = Type::Bytes, &[changed], Some(&[]));
    check_change(|to| to.tables[0].key = vec!["category".into()], &[changed], Some(&[]));
    check_change(|to| to.queries[0].1 = "SELECT 1".into(), &[], kept);
    check_change(|to| to.queries.clear(), &[], kept);
    let gone = "table \"pin\": it is no longer declared; its rows are gone from the cache";
    check_change(|to| (to.tables, to.queries) = (Vec::new(), Vec::new()), &[gone], None);
    let other = "aggregate \"pins_per_category\": its columns or its definition changed; its rows begin anew";
    check_change(|to| to.aggregates[0].definition = "tumbling 2m".into(), &[other], kept);
    // A name that was a query's is now a table's.
    check_change(
        |to| {
            to.queries = vec![("other".into(), "SELECT 1".into())];
            to.tables.push(table("categories", &["ind"], &[("ind", Type::Int64)]));
        },
        &[],
        kept,
    );
}

#[test]
fn what_another_program_altered_is_refused_until_it_is_made_anew() {
    let folder = Folder::new();
    drop(Store::open(&folder.file(), &layout()).unwrap());
    let other = Connection::open(folder.file()).unwrap();
    other
        .execute_batch("ALTER TABLE pin RENAME COLUMN category TO kind; DROP VIEW categories; CREATE TABLE mine (a)")
        .unwrap();
    let refused = || Store::open(&folder.file(), &layout()).err().unwrap();
    assert_eq!(refused().message(), "table \"pin\": another program has altered it");
    Rebuild::begin(&folder.file(), &layout()).unwrap().finish().unwrap();
    let store = Store::open(&folder.file(), &layout()).unwrap();
    assert!(store.notes().is_empty());
    assert!(ask(&folder.file(), "categories").is_empty());
    assert!(ask(&folder.file(), "mine").is_empty(), "a person's own table stays");
    drop(store);
    other.execute_batch("DROP VIEW pins_per_category").unwrap();
    assert_eq!(refused().message(), "aggregate \"pins_per_category\": another program has removed it");
    Rebuild::begin(&folder.file(), &layout()).unwrap().finish().unwrap();
    let taken = Layout { queries: vec![("mine".into(), "SELECT 1".into())], ..layout() };
    assert!(Store::open(&folder.file(), &taken).err().unwrap().message().contains("already exists"));
}

#[test]
fn an_aggregate_is_told_from_what_it_was_before_it_began_anew() {
    let folder = Folder::new();
    let name = "pins_per_category";
    let other = |definition: &str| {
        let mut other = layout();
        other.aggregates[0].definition = definition.into();
        other
    };
    let without = Layout { aggregates: Vec::new(), ..layout() };
    let open = |layout: &Layout| Store::open(&folder.file(), layout).unwrap().renewals(name).unwrap();
    let rebuilt = |layout: &Layout| {
        Rebuild::begin(&folder.file(), layout).unwrap().finish().unwrap();
        Reader::open(&folder.file()).unwrap().renewals(name).unwrap()
    };
    assert_eq!([open(&layout()), open(&layout()), rebuilt(&layout())], [0, 0, 0]);
    assert_eq!([open(&other("tumbling 2m")), open(&other("tumbling 2m"))], [1, 1]);
    assert_eq!([open(&layout()), open(&without), open(&layout())], [2, 2, 3]);
    assert_eq!(
        [rebuilt(&other("tumbling 2m")), rebuilt(&other("tumbling 2m")), open(&other("tumbling 2m"))],
        [4, 4, 4]
    );
    // What it had before is in the lake alone; of what it has now, the last revision shows.
    let window = Timestamp(0);
    let rebuild = Rebuild::begin(&folder.file(), &other("tumbling 2m")).unwrap();
    let shows = |partition: u32| !rebuild.superseded((name, partition), window, 0).unwrap();
    assert_eq!([shows(3), shows(4)], [false, true]);
}
