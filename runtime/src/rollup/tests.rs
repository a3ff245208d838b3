//! Rollups as a whole, against what the rows come to when they are counted anew.

mod memory;
mod random;
mod reference;

use super::*;
use crate::expression::{Expression, Grouping, Part, Range, Ranges};
use crate::rolled::Row;
use crate::schema::Type;
use crate::time::Zone;
use crate::value::{Value, ValueRef};

/// The tables of the tests: their columns, the key first.
const TABLES: [(&str, &[(&str, Type)]); 3] = [
    (
        "pin",
        &[
            ("ind", Type::Int64),
            ("category", Type::Text),
            ("followers", Type::Int64),
            ("poster", Type::Text),
            ("score", Type::Float64),
            ("shown", Type::Boolean),
        ],
    ),
    ("geo", &[("ind", Type::Int64), ("country", Type::Text), ("at", Type::Timestamp)]),
    ("user", &[("ind", Type::Int64), ("age", Type::Int64), ("at", Type::Timestamp)]),
];

fn sources() -> Vec<Source> {
    let source = |(name, columns): (&str, &[(&str, Type)])| Source {
        name: name.into(),
        key: vec!["ind".into()],
        columns: columns.iter().map(|&(name, kind)| (name.into(), Some(kind))).collect(),
    };
    TABLES.map(source).to_vec()
}

fn year(column: &str) -> Grouping {
    let expression = Expression::Part { part: Part::Year, column: column.into(), zone: Zone::UTC };
    Grouping { name: "year".into(), expression }
}

fn age_group() -> Grouping {
    let range = |label: &str, least, greatest| Range { label: label.into(), least, greatest };
    let ranges = vec![range("young", 18.0, 35.0), range("old", 36.0, f64::INFINITY)];
    let expression = Expression::Label { column: "age".into(), ranges: Ranges::new(ranges).unwrap() };
    Grouping { name: "age_group".into(), expression }
}

fn rollup(name: &str, tables: &[&str], by: Vec<Grouping>, measures: &[&str]) -> spec::Rollup {
    let (from, join) = tables.split_first().unwrap();
    spec::Rollup {
        name: name.into(),
        from: (*from).into(),
        join: join.iter().map(|&table| table.into()).collect(),
        by,
        measures: measures.iter().map(|&text| (text.into(), spec::parse(text).unwrap())).collect(),
    }
}

fn one(rollup: spec::Rollup) -> Family {
    families(&[rollup], &sources()).unwrap().remove(0)
}

/// A pin of a category with so many followers, as the family of `count by category, sum(followers)` reads it.
fn pin<'a>(category: &'a str, followers: i64) -> Row<'a> {
    Row { tables: 1, values: vec![ValueRef::Text(category), ValueRef::Int64(followers)] }
}

#[test]
fn tables_that_are_joined_are_a_family() {
    let count = |name, tables: &[&str]| rollup(name, tables, vec![], &["count()"]);
    let check = |rollups: &[spec::Rollup], expected: &[&[&str]]| {
        let families = families(rollups, &sources()).unwrap();
        let tables = |family: &Family| {
            let mut tables: Vec<String> = family.tables().to_vec();
            tables.sort();
            tables
        };
        assert_eq!(families.iter().map(tables).collect::<Vec<_>>(), expected);
    };
    check(&[count("a", &["pin"]), count("b", &["geo"])], &[&["pin"], &["geo"]]);
    check(&[count("a", &["pin", "geo"]), count("b", &["user", "pin"])], &[&["geo", "pin", "user"]]);
    check(
        &[count("a", &["pin"]), count("b", &["geo"]), count("c", &["user", "geo"]), count("d", &["geo", "pin"])],
        &[&["geo", "pin", "user"]],
    );
    check(&[], &[]);
}

#[test]
fn what_does_not_fit_is_told() {
    let check = |rollup: spec::Rollup, expected: &[&str]| {
        let told = unfit(&rollup, &sources());
        let told: Vec<String> = told.iter().map(|(place, fault)| format!("{place}: {}", fault.line())).collect();
        assert_eq!(told, expected);
    };
    let by = |column: &str| vec![Grouping::column(column)];
    check(rollup("a", &["pin", "geo"], by("country"), &["sum(followers)", "count(geo.at)"]), &[]);
    check(rollup("a", &["pin", "geo"], by("ind"), &["count()"]), &[]);
    check(
        rollup("a", &["geo", "user"], vec![year("at")], &["sum(category)", "top(at, age)"]),
        &[
            "by[0]: \"geo\" and \"user\" both keep a column \"at\"; write \"geo.at\"",
            "measures.sum(category): no table of the rollup keeps a column \"category\"; kept are ind, country, at, ind, \
             age, at; what else is needed goes into a table's cache",
            "measures.top(at, age): \"geo\" and \"user\" both keep a column \"at\"; write \"geo.at\"",
        ],
    );
    check(
        rollup("a", &["pin"], vec![year("category")], &["mean(poster)", "max(user.age)"]),
        &[
            "by[0]: the column \"category\" is text, which does not fit here; name a column of timestamp",
            "measures.mean(poster): the column \"poster\" is text, which does not fit here; name a column of int64, float64",
            "measures.max(user.age): the rollup does not read a table \"user\"; it reads pin",
        ],
    );
    let mut others = sources();
    others[1].columns[0].1 = Some(Type::Text);
    let told = unfit(&rollup("a", &["pin", "geo"], vec![], &["count()"]), &others);
    assert_eq!(
        told.iter().map(|(place, fault)| format!("{place}: {fault}")).collect::<Vec<_>>(),
        ["join[0]: the keys are of other types: \"ind\" of \"pin\" is int64, and \"ind\" of \"geo\" text"]
    );
}

#[test]
fn an_update_takes_back_what_the_row_said() {
    let by = vec![Grouping::column("category")];
    let mut family = one(rollup("r", &["pin"], by, &["count()", "sum(followers)"]));
    let keep = memory::Memory::default();
    let nothing = Row::default();
    let mut change = |old: &Row<'_>, new: &Row<'_>, expected: &[(&str, i64, i64)]| {
        family.change(&keep, old, new).unwrap();
        assert!(family.write(&keep).unwrap().is_empty());
        let shown = expected.iter().map(|&(category, pins, followers)| {
            vec![Value::Text(category.into()), Value::Int64(pins), Value::Int64(followers)]
        });
        assert_eq!(keep.shown("r"), shown.collect::<Vec<_>>());
    };
    change(&nothing, &pin("art", 5), &[("art", 1, 5)]);
    change(&nothing, &pin("art", 7), &[("art", 2, 12)]);
    change(&pin("art", 5), &pin("art", 5), &[("art", 2, 12)]);
    change(&pin("art", 5), &pin("quotes", 6), &[("art", 1, 7), ("quotes", 1, 6)]);
    change(&pin("art", 7), &nothing, &[("quotes", 1, 6)]);
    change(&pin("quotes", 6), &nothing, &[]);
    assert!(keep.is_empty(), "nothing is kept of groups that are gone");
}

#[test]
fn a_row_that_was_never_in_is_told() {
    let mut family = one(rollup("r", &["pin"], vec![Grouping::column("category")], &["sum(followers)"]));
    let keep = memory::Memory::default();
    let error = family.change(&keep, &pin("art", 5), &pin("art", 6)).unwrap_err();
    assert!(is_astray(&error) && error.message().starts_with("rollup \"r\""), "{error}");
    family.clear();
    family.change(&keep, &Row::default(), &pin("art", 6)).unwrap();
    family.write(&keep).unwrap();
    assert_eq!(keep.shown("r").len(), 1);
}
