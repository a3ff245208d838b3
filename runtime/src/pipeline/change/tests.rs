//! Each way in which a table's fields may become others.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::decode::Unwrap;
use crate::expression::Grouping;
use crate::schema::Type;
use crate::window::spec::{Aggregate, Kind as WindowKind, MEMORY_MAX, Measure, Time, Window};

fn field(name: &str, kind: Type, nullable: bool) -> Field {
    Field { name: name.to_owned(), aliases: Vec::new(), kind, nullable }
}

/// A table of id (its key), price (cached), country (grouped by), and note, which the pipeline file does not name.
fn before() -> Vec<Field> {
    vec![
        field("id", Type::Int64, false),
        field("price", Type::Float64, true),
        field("country", Type::Text, true),
        field("note", Type::Text, true),
    ]
}

fn table() -> plan::Table {
    let window = Window {
        kind: WindowKind::Tumbling { size: Duration::from_secs(60) },
        time: Time::Append,
        lateness: Duration::ZERO,
        idle: Duration::from_secs(30),
        future: Duration::from_hours(24),
    };
    let measures = vec![("rows".to_owned(), Measure::Count(None))];
    plan::Table {
        name: "orders".to_owned(),
        topic: "orders".to_owned(),
        unwrap: Unwrap::default(),
        transforms: Vec::new(),
        key: vec!["id".to_owned()],
        cache: vec!["id".to_owned(), "price".to_owned()],
        cases: PathBuf::new(),
        window: Duration::from_secs(10),
        aggregates: vec![Aggregate {
            name: "sales".to_owned(),
            by: vec![Grouping::column("country")],
            window,
            measures,
            memory_max: MEMORY_MAX,
        }],
        retention: plan::Retention::default(),
    }
}

/// What is told of fields that become `after`; a refusal with its hint after a semicolon.
fn check(after: &[Field], accept_breaking: bool, expected: Result<&[&str], &str>) {
    let query = Query { name: "dear".to_owned(), sql: "SELECT max(PRICE) FROM orders".to_owned(), file: None };
    let told = changes(&table(), &[query], &before(), after, accept_breaking);
    let told = told.map_err(|error| format!("{error}; {}", error.next_step().unwrap_or_default()));
    assert_eq!(
        told.as_deref().map_err(String::as_str),
        expected.map(|e| e.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).as_deref().map_err(|e| *e)
    );
}

/// The fields with one changed, or without it.
fn with(name: &str, change: Option<Field>) -> Vec<Field> {
    let mut fields = before();
    let place = fields.iter().position(|field| field.name == name).unwrap_or(fields.len());
    fields.splice(place..(place + 1).min(fields.len()), change);
    fields
}

#[test]
fn what_takes_nothing_from_anyone() {
    check(&before(), false, Ok(&[]));
    let mut turned = before();
    turned.reverse();
    check(&turned, false, Ok(&[]));
    check(
        &with("more", Some(field("more", Type::Boolean, true))),
        false,
        Ok(&[
            "\"more\" (boolean, or null) is added: objects of the lake have it from now on, and those before read as null",
        ]),
    );
    check(
        &with("price", Some(field("price", Type::Float64, false))),
        false,
        Ok(&["\"price\" (float64) is never null from now on"]),
    );
    check(
        &with("id", Some(field("id", Type::Int64, true))),
        false,
        Ok(&["\"id\" (int64, or null) may be null from now on"]),
    );
}

#[test]
fn what_breaks_readers_of_the_lake_is_accepted_or_refused() {
    let gone = "\"note\" (text, or null) is removed: objects of the lake lack it from now on; SQLite does not have it";
    check(&with("note", None), true, Ok(&[gone]));
    check(
        &with("note", None),
        false,
        Err(&format!(
            "table \"orders\": its fields would change: {gone}; keep the fields, or take it with `tidemill reload orders --accept-breaking`"
        )),
    );
    check(
        &with("note", Some(field("note", Type::Json, true))),
        true,
        Ok(&[
            "\"note\" (text, or null) becomes json: objects of the lake from before and after do not read as one column; SQLite does not have it",
        ]),
    );
    check(
        &with("more", Some(field("more", Type::Int64, false))),
        true,
        Ok(&[
            "\"more\" (int64) is added, and is never null: objects of the lake have it from now on, and those before lack it",
        ]),
    );
}

#[test]
fn what_the_pipeline_file_names_stays() {
    let refusal = |sentence: &str, name: &str| {
        format!(
            "table \"orders\": a field that the pipeline file names would change: {sentence}; keep {name:?}, or stop the pipeline, change the file, and start it with --accept-breaking: what SQLite has of it begins anew"
        )
    };
    for accept in [false, true] {
        check(
            &with("price", None),
            accept,
            Err(&refusal(
                "\"price\" (float64, or null) is removed: objects of the lake lack it from now on; SQLite has it, by cache, and the queries dear may read it",
                "price",
            )),
        );
        check(
            &with("country", Some(field("country", Type::Int64, true))),
            accept,
            Err(&refusal(
                "\"country\" (text, or null) becomes int64: objects of the lake from before and after do not read as one column; SQLite has it, by aggregate \"sales\"",
                "country",
            )),
        );
    }
}
