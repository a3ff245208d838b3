//! Questions that programs ask: filters, orders, pages.

use std::time::Duration;

use rusqlite::Connection;

use super::*;
use crate::cache::query::log_bytes;
use crate::cache::question::{Filter, Order, Question, Test};
use crate::error::Kind;

const TIME: Duration = Duration::from_secs(30);

/// Rows of all kinds, with nulls and repeats, as one query.
const MIXED: &str = "SELECT column1 AS name, column2 AS n FROM (VALUES ('b', 2), ('a', 10), (null, 3), ('a', null), ('B', 2.5), ('7', 7), \
     (7, 'seven'), ('b', 2), ('', -1), (x'00ff', 0)) ORDER BY n DESC";

fn mixed(folder: &Folder) -> Reader {
    let layout = Layout { queries: vec![("mixed".into(), MIXED.into())], ..layout() };
    Store::open(&folder.file(), &layout).unwrap();
    Reader::open(&folder.file()).unwrap()
}

fn filter(text: &str) -> Filter {
    let (what, with) = text.split_once('=').unwrap();
    let (column, test) = what.rsplit_once('.').unwrap_or((what, "eq"));
    let test = Test::NAMES.iter().find(|(name, _)| *name == test).unwrap().1;
    Filter { column: column.to_owned(), test, with: with.to_owned() }
}

fn shown(rows: &[Vec<Value>]) -> String {
    let cell = |value: &Value| if *value == Value::Null { "-".to_owned() } else { value.to_string() };
    rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join("|")).collect::<Vec<_>>().join(" ")
}

#[test]
fn filters_compare_numbers_with_numbers() {
    let folder = Folder::new();
    let reader = mixed(&folder);
    let check = |filters: &[&str], expected: &str| {
        let filters = filters.iter().map(|text| filter(text)).collect();
        let order = vec![Order { column: "name".into(), falling: false }];
        let page = reader.ask(&Question { filters, order, ..Question::whole("mixed", 99) }, TIME).unwrap();
        assert_eq!(shown(&page.table.rows), expected);
    };
    check(&["name=b"], "b|2 b|2");
    check(&["name=a", "n.ge=10"], "a|10");
    check(&["n=2"], "b|2 b|2");
    check(&["n=2.0"], "b|2 b|2");
    check(&["n.gt=2"], "-|3 7|seven 7|7 B|2.5 a|10");
    check(&["n.gt=2", "n.le=3"], "-|3 B|2.5");
    check(&["n.lt=0"], "|-1");
    check(&["n=seven"], "7|seven");
    check(&["name=7"], "7|seven 7|7");
    check(&["name.ne=a"], "7|seven |-1 7|7 B|2.5 b|2 b|2 00ff|0");
    check(&["name.ge=b"], "b|2 b|2");
    check(&["n.null=true"], "a|-");
    check(&["name.null=false", "n.null=false", "n.lt=1"], "|-1 00ff|0");
    check(&["name=' OR 1 --"], "");
}

/// Every page size, order and direction gives each row once, in the order of one page with all.
#[test]
fn pages_together_are_the_whole() {
    let folder = Folder::new();
    let reader = mixed(&folder);
    let by = |names: &[(&str, bool)]| -> Vec<Order> {
        names.iter().map(|(column, falling)| Order { column: (*column).to_owned(), falling: *falling }).collect()
    };
    let orders = [
        by(&[]),
        by(&[("name", false)]),
        by(&[("name", true)]),
        by(&[("n", false)]),
        by(&[("n", true), ("name", true)]),
    ];
    for order in orders {
        let all = Question { order: order.clone(), ..Question::whole("mixed", 99) };
        let all = reader.ask(&all, TIME).unwrap();
        assert_eq!((all.table.rows.len(), all.next), (10, None));
        for limit in 1..=11 {
            let (mut rows, mut cursor) = (Vec::new(), None);
            loop {
                let order = order.clone();
                let page = Question { order, cursor, ..Question::whole("mixed", limit) };
                let page = reader.ask(&page, TIME).unwrap();
                assert!(page.table.rows.len() <= limit && page.table.more == page.next.is_some());
                rows.extend(page.table.rows);
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(rows, all.table.rows, "{order:?} by {limit}");
        }
        let last = Question { order: order.clone(), offset: 9, ..Question::whole("mixed", 99) };
        assert_eq!(reader.ask(&last, TIME).unwrap().table.rows, all.table.rows[9..]);
    }
}

#[test]
fn a_page_by_order_holds_its_place_while_rows_come_and_go() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let put = |store: &mut Store, rows: &[Pin]| commit(store, |to| to.upsert("pin", &latest(rows)).map(drop)).unwrap();
    put(&mut store, &[(1, "c", (1, 0, 0)), (2, "d", (1, 0, 1)), (3, "e", (1, 0, 2))]);
    let reader = Reader::open(&folder.file()).unwrap();
    let order = vec![Order { column: "category".into(), falling: false }];
    let first = reader.ask(&Question { order: order.clone(), ..Question::whole("categories", 2) }, TIME).unwrap();
    assert_eq!(shown(&first.table.rows), "c|1 d|1");
    put(&mut store, &[(4, "a", (2, 0, 3)), (5, "dd", (2, 0, 4))]);
    let next = Question { order, cursor: first.next, ..Question::whole("categories", 9) };
    assert_eq!(shown(&reader.ask(&next, TIME).unwrap().table.rows), "dd|1 e|1");
}

#[test]
fn what_is_wrong_is_said() {
    let folder = Folder::new();
    let reader = mixed(&folder);
    let order = |column: &str| vec![Order { column: column.to_owned(), falling: false }];
    let whole = || Question::whole("mixed", 9);
    let check = |question: Question, kind: Kind, words: &str| {
        let error = reader.ask(&question, TIME).unwrap_err();
        assert!(error.kind() == kind && error.line().contains(words), "{error}");
    };
    check(Question::whole("pin", 9), Kind::Missing, "query \"pin\": it does not exist; there are mixed");
    check(Question { filters: vec![filter("nam=b")], ..whole() }, Kind::Input, "its columns are name, n");
    check(Question { filters: vec![filter("\"n\"=b")], ..whole() }, Kind::Input, "column \"\\\"n\\\"\"");
    check(Question { filters: vec![filter("n.null=b")], ..whole() }, Kind::Input, "\"b\" is not true or false");
    check(Question { order: order("m"), ..whole() }, Kind::Input, "column \"m\"");
    let by_name = reader.ask(&Question { order: order("name"), ..Question::whole("mixed", 1) }, TIME).unwrap().next;
    check(Question { cursor: by_name.clone(), ..whole() }, Kind::Input, "it is not one of this question");
    for cursor in ["", "x", "AAAA", "////"] {
        let question = Question { cursor: Some(cursor.to_owned()), order: order("n"), ..whole() };
        check(question, Kind::Input, "it is not one of this question");
    }
    let endless = "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) AS n FROM t";
    let other = Folder::new();
    let layout = Layout { queries: vec![("endless".into(), endless.into())], ..layout() };
    Store::open(&other.file(), &layout).unwrap();
    let reader = Reader::open(&other.file()).unwrap();
    let late = reader.ask(&Question::whole("endless", 9), Duration::from_millis(20)).unwrap_err();
    assert_eq!((late.kind(), late.message()), (Kind::Busy, "query: it took longer than 20ms"));
}

#[test]
fn the_version_changes_with_the_file() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let reader = Reader::open(&folder.file()).unwrap();
    let first = reader.version().unwrap();
    assert_eq!(reader.version().unwrap(), first);
    reader.run("pin", 9).unwrap();
    assert_eq!(reader.version().unwrap(), first, "reading changes nothing");
    commit(&mut store, |to| to.upsert("pin", &latest(&[(1, "a", (1, 0, 0))])).map(drop)).unwrap();
    assert_ne!(reader.version().unwrap(), first);
}

/// A reader that has begun and does not end holds up no commit, and sees the state that it began with.
#[test]
fn a_long_read_holds_up_no_commit() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let reading = Connection::open(folder.file()).unwrap();
    reading.execute_batch("BEGIN; SELECT count(*) FROM pin;").unwrap();
    for number in 1..=50 {
        let place = (number, 0, number - 1);
        commit(&mut store, |to| to.upsert("pin", &latest(&[(number, "a", place)])).map(drop)).unwrap();
    }
    let count = |connection: &Connection| {
        connection.query_row("SELECT count(*) FROM pin", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(count(&reading), 0);
    reading.execute_batch("COMMIT").unwrap();
    assert_eq!(count(&reading), 50);
}

/// A reader keeps the log growing for as long as it reads, and no longer: then it is begun anew, and cut to its bound.
#[test]
fn the_log_grows_while_somebody_reads_and_is_folded_back_after() {
    const PAGES: i64 = 8;
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let bound = PAGES * 16_384;
    store.connection.pragma_update(None, "wal_autocheckpoint", PAGES).unwrap();
    store.connection.pragma_update(None, "journal_size_limit", bound).unwrap();
    let mut number = 0;
    let mut commits = |store: &mut Store, count: i64| {
        for _ in 0..count {
            number += 1;
            let rows = [(number, "a", (number, 0, number - 1))];
            commit(store, |to| to.upsert("pin", &latest(&rows)).map(drop)).unwrap();
        }
        log_bytes(&folder.file())
    };
    let quiet = commits(&mut store, 100);
    let reader = Reader::open(&folder.file()).unwrap();
    reader.connection.execute_batch("BEGIN; SELECT count(*) FROM pin;").unwrap();
    let read = commits(&mut store, 100);
    reader.connection.execute_batch("COMMIT").unwrap();
    let after = commits(&mut store, 10);
    let bound = u64::try_from(bound).unwrap();
    assert!(quiet <= 2 * bound && read > 10 * bound && after <= 2 * bound, "{quiet} {read} {after}");
}
