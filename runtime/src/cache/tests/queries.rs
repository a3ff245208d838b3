//! Questions: what is answered, and what is not.

use super::*;
use crate::cache::query::Table;
use crate::error::{Kind, Result};

fn filled(folder: &Folder) -> Reader {
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let rows = latest(&[(1, "b", (1, 0, 0)), (2, "a", (1, 0, 1)), (3, "b", (1, 0, 2))]);
    commit(&mut store, |to| to.upsert("pin", &rows).map(drop)).unwrap();
    Reader::open(&folder.file()).unwrap()
}

#[test]
fn names_and_selects_are_answered() {
    let folder = Folder::new();
    let reader = filled(&folder);
    let check = |asked: &str, columns: &[&str], rows: &[&[Value]]| {
        let rows = rows.iter().map(|row| row.to_vec()).collect();
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        assert_eq!(reader.run(asked, 9).unwrap(), Table { columns, rows, more: false }, "{asked}");
    };
    let text = |text: &str| Value::Text(text.to_owned());
    let counted: [&[Value]; 2] = [&[text("a"), Value::Int64(1)], &[text("b"), Value::Int64(2)]];
    check("categories", &["category", "pins"], &counted);
    check(" Categories\n", &["category", "pins"], &counted);
    check("SELECT ind FROM pin WHERE category = 'a'", &["ind"], &[&[Value::Int64(2)]]);
    check(
        "-- of all\n/* two */ with t AS (SELECT 1.5 AS x) SELECT x, null AS y FROM t;",
        &["x", "y"],
        &[&[Value::Float64(1.5), Value::Null]],
    );
    check("VALUES (x'00ff')", &["column1"], &[&[Value::Bytes(vec![0, 255])]]);
    check("SELECT percentile_approx(ind, 0.5) AS m FROM pin", &["m"], &[&[Value::Int64(2)]]);
    check("SELECT `category` FROM `pin` WHERE `ind` = 1", &["category"], &[&[text("b")]]);
}

#[test]
fn no_more_rows_are_kept_than_asked_for() {
    let folder = Folder::new();
    let reader = filled(&folder);
    let check = |rows_max, rows, more| {
        let answer = reader.run("pin", rows_max).unwrap();
        assert_eq!((answer.rows.len(), answer.more), (rows, more), "{rows_max}");
    };
    check(0, 0, true);
    check(2, 2, true);
    check(3, 3, false);
    check(4, 3, false);
}

#[test]
fn only_reading_is_answered() {
    let folder = Folder::new();
    let reader = filled(&folder);
    let before = std::fs::read(folder.file()).unwrap();
    let check = |asked: &str, words: &str| {
        let error: Result<Table> = reader.run(asked, 9);
        let error = error.unwrap_err();
        assert!(error.kind() == Kind::Input && error.message().contains(words), "{asked}: {error}");
    };
    for asked in [
        "DELETE FROM pin",
        "INSERT INTO pin DEFAULT VALUES",
        "WITH t AS (SELECT 1) DELETE FROM pin",
        "WITH t AS (SELECT 1) INSERT INTO pin (ind) SELECT * FROM t RETURNING ind",
        "CREATE TABLE t (a)",
        "CREATE TEMP TABLE t (a)",
        "DROP VIEW categories",
        "ATTACH 'x.db' AS x",
        "PRAGMA journal_mode = delete",
        "PRAGMA user_version",
        "EXPLAIN SELECT 1",
        "BEGIN IMMEDIATE",
        "VACUUM INTO 'x.db'",
        "SELECT 1; DELETE FROM pin",
        "",
        "   -- nothing",
        "/* no end",
        "a b",
    ] {
        check(asked, "only one SELECT, WITH or VALUES");
    }
    check("SELECT load_extension('x')", "not authorized");
    check("SELECT absent FROM pin", "no such column: absent");
    check("SELECT \"art\"", "no such column");
    check("select", "incomplete input");
    assert_eq!(std::fs::read(folder.file()).unwrap(), before);
    let unknown = reader.run("categorys", 9).unwrap_err();
    assert_eq!((unknown.kind(), unknown.next_step()), (Kind::Missing, Some("there are categories")));
}

#[test]
fn names_what_it_holds() {
    let folder = Folder::new();
    let reader = filled(&folder);
    assert_eq!(reader.pipeline().unwrap(), "pinterest");
    assert_eq!(reader.queries().unwrap(), ["categories"]);
    assert_eq!(reader.tables().unwrap(), ["pin"]);
    assert_eq!(reader.aggregates().unwrap(), ["pins_per_category"]);
    assert_eq!(reader.instance_id().unwrap(), Store::open(&folder.file(), &layout()).unwrap().instance_id());
}

#[test]
fn a_query_ends_when_it_is_interrupted() {
    let folder = Folder::new();
    let reader = filled(&folder);
    let interrupter = reader.interrupter();
    let endless = "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t";
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        // Again and again, for the first may come before the query began.
        threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                interrupter.interrupt();
                std::thread::yield_now();
            }
        });
        assert_eq!(reader.run(endless, 1).unwrap_err().kind(), Kind::Busy);
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_query_ends_in_its_time() {
    let folder = Folder::new();
    let reader = filled(&folder);
    let endless = "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t";
    let time = std::time::Duration::from_millis(20);
    let error = reader.run_within(endless, 1, time).unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::Busy, "query: it took longer than 20ms"));
    assert_eq!(reader.run_within("pin", 9, time * 1_000).unwrap().rows.len(), 3, "the next one has its own time");
}

#[test]
fn what_looks_like_reading_and_is_not_is_refused() {
    let folder = Folder::new();
    let reader = filled(&folder);
    for asked in [
        "SELECT * FROM pragma_journal_mode",
        "WITH t AS (SELECT * FROM pragma_database_list) SELECT * FROM t",
        "SELECT load_extension('x')",
        "SELECT LOAD_EXTENSION('x', 'y')",
    ] {
        let error = reader.run(asked, 9).unwrap_err();
        let words = ["only one SELECT, WITH or VALUES", "not authorized to use function"];
        assert_eq!(error.kind(), Kind::Input, "{asked}: {error}");
        assert!(words.iter().any(|words| error.message().contains(words)), "{asked}: {error}");
    }
}

/// The ten queries of `pipelines/sql`, over a few rows made by hand.
#[test]
fn the_named_queries_answer() {
    let answers: [(&str, &str, &[&str]); 10] = [
        (
            "popular_category_by_country",
            include_str!("../../../../pipelines/sql/plain/popular_category_by_country.sql"),
            &["Aruba|art|1", "Aruba|travel|1", "Chad|art|2"],
        ),
        (
            "category_posts_by_year",
            include_str!("../../../../pipelines/sql/plain/category_posts_by_year.sql"),
            &["2018|art|1", "2018|travel|1", "2022|art|2"],
        ),
        (
            "popular_category_by_year",
            include_str!("../../../../pipelines/sql/plain/popular_category_by_year.sql"),
            &["2018|art|1", "2018|travel|1", "2022|art|2"],
        ),
        (
            "top_user_by_country",
            include_str!("../../../../pipelines/sql/plain/top_user_by_country.sql"),
            &["Aruba|Ann|90", "Chad|Bob|70", "Chad|Cem|70"],
        ),
        (
            "country_with_top_user",
            include_str!("../../../../pipelines/sql/plain/country_with_top_user.sql"),
            &["Aruba|90"],
        ),
        (
            "popular_category_by_age_group",
            include_str!("../../../../pipelines/sql/plain/popular_category_by_age_group.sql"),
            &["18-24|art|1", "18-24|travel|1", "36-50|art|1", "+50|art|1", "+50|quotes|1"],
        ),
        (
            "median_followers_by_age_group",
            include_str!("../../../../pipelines/sql/plain/median_followers_by_age_group.sql"),
            &["18-24|10", "36-50|70", "+50|70"],
        ),
        (
            "users_joined_by_year",
            include_str!("../../../../pipelines/sql/plain/users_joined_by_year.sql"),
            &["2015|3", "2017|1", "2020|1"],
        ),
        (
            "median_followers_by_join_year",
            include_str!("../../../../pipelines/sql/plain/median_followers_by_join_year.sql"),
            &["2015|70", "2017|70", "2020|-"],
        ),
        (
            "median_followers_by_join_year_and_age_group",
            include_str!("../../../../pipelines/sql/plain/median_followers_by_join_year_and_age_group.sql"),
            &["18-24|2015|10", "36-50|2015|70", "+50|2017|70", "+50|2020|-"],
        ),
    ];
    let folder = Folder::new();
    let (int, text, time) = (Type::Int64, Type::Text, Type::Timestamp);
    let layout = Layout {
        pipeline: "pinterest".into(),
        tables: vec![
            table("pin", &["ind"], &[("ind", int), ("category", text), ("follower_count", int), ("poster_name", text)]),
            table("geo", &["ind"], &[("ind", int), ("country", text), ("timestamp", time)]),
            table("user", &["ind"], &[("ind", int), ("age", int), ("date_joined", time)]),
        ],
        queries: answers.iter().map(|&(name, sql, _)| (name.into(), sql.into())).collect(),
        ..Layout::default()
    };
    let store = Store::open(&folder.file(), &layout).unwrap();
    let rows = "INSERT INTO pin VALUES (1, 'art', 10, 'Ann', 1, 0, 0), (2, 'travel', 90, 'Ann', 1, 0, 1), \
         (3, 'art', 70, 'Bob', 1, 0, 2), (4, 'art', 70, 'Cem', 1, 0, 3), (5, 'quotes', null, null, 1, 0, 4); \
         INSERT INTO geo VALUES (1, 'Aruba', '2018-01-01 00:00:00', 1, 0, 0), (2, 'Aruba', '2018-12-31 23:59:59.999999', 1, 0, 1), \
         (3, 'Chad', '2022-12-31 23:59:59', 1, 0, 2), (4, 'Chad', '2022-01-01 00:00:00', 1, 0, 3), (6, 'Chad', '2017-12-31 23:59:59', 1, 0, 4); \
         INSERT INTO user VALUES (1, 18, '2015-10-21 00:00:00', 1, 0, 0), (2, 24, '2015-10-21 00:00:00', 1, 0, 1), \
         (3, 50, '2015-10-21 00:00:00', 1, 0, 2), (4, 51, '2017-10-21 00:00:00', 1, 0, 3), (5, 60, '2020-12-31 00:00:00', 1, 0, 4), \
         (6, 30, '2021-01-01 00:00:00', 1, 0, 5)";
    store.connection.execute_batch(rows).unwrap();
    for (name, _, expected) in answers {
        assert_eq!(ask(&folder.file(), name), expected, "{name}");
    }
}
