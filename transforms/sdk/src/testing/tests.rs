//! Every type of field, there and back.

use serde_json::json;

use super::*;
use crate::{Concat, Input, Json, TextList, Timestamp, Verdict, drop, emit, emit_all, reject, run as guest};

#[derive(Input)]
struct All<'a> {
    yes: Option<bool>,
    #[field(name = "type", alias = "kind", alias = "sort")]
    kind: Option<i64>,
    share: Option<f64>,
    at: Option<Timestamp>,
    text: Option<&'a str>,
    any: Option<Json<'a>>,
    points: Option<&'a [f64]>,
    tags: Option<TextList<'a>>,
    #[field(name = "@value")]
    value: &'a [u8],
    #[field(name = "@offset")]
    offset: i64,
}

#[derive(crate::Output)]
struct Same<'a> {
    yes: Option<bool>,
    #[field(name = "type")]
    kind: Option<i64>,
    share: Option<f64>,
    at: Option<Timestamp>,
    text: Option<&'a str>,
    any: Option<Json<'a>>,
    points: Option<Vec<f64>>,
    tags: Option<TextList<'a>>,
    length: i64,
    offset: i64,
}

fn same(all: All<'_>) -> Verdict<Same<'_>> {
    let All { yes, kind, share, at, text, any, points, tags, value, offset } = all;
    let points = points.map(<[f64]>::to_vec);
    emit(Same { yes, kind, share, at, text, any, points, tags, length: value.len() as i64, offset })
}

#[test]
fn all_types_come_back_as_they_went() {
    let whole = json!({
        "yes": true, "type": -7, "share": 0.5, "at": "2018-05-27T11:30:59.25Z", "text": "größe 🦀", "any": {"a": [1, null]},
        "points": [1.0, -2.5], "tags": ["a", "", "ü"],
    });
    let none = json!({"yes": null, "type": null, "share": null, "at": null, "text": null, "any": null, "points": null, "tags": null});
    let description = guest::describe(same, "same", "1", "");
    let mut lines = Vec::new();
    let mut expected = Vec::new();
    for place in 0..40_u32 {
        let record = if place % 3 == 1 { &none } else { &whole };
        lines.push(record.to_string());
        let mut row = record.clone();
        row["length"] = json!(record.to_string().len());
        row["offset"] = json!(place);
        expected.push((place, row));
    }
    let outcome = run(&description, |batch| guest::apply(same, batch), &lines).unwrap();
    assert_eq!(outcome.rows, expected);
    assert_eq!(run(&description, |batch| guest::apply(same, batch), &[] as &[&str]).unwrap(), Outcome::default());
}

#[test]
fn an_alias_counts_where_the_name_is_absent() {
    let description = guest::describe(same, "same", "1", "");
    let kind = |line: &str| {
        let outcome = run(&description, |batch| guest::apply(same, batch), &[line]).unwrap();
        outcome.rows[0].1["type"].clone()
    };
    assert_eq!(kind(r#"{"sort": 3}"#), 3);
    assert_eq!(kind(r#"{"sort": 3, "kind": 2}"#), 2);
    assert_eq!(kind(r#"{"sort": 3, "kind": 2, "type": 1}"#), 1);
}

#[derive(Input)]
struct Number {
    n: i64,
}

#[derive(crate::Output)]
struct Word<'a> {
    word: Concat<'a, 2>,
    list: [f64; 2],
    owned: Vec<String>,
    bytes: Vec<u8>,
}

fn words(number: Number) -> Verdict<Word<'static>> {
    let word = |end| Word { word: Concat(["n", end]), list: [1.0, 2.0], owned: vec!["x".to_owned()], bytes: vec![7] };
    match number.n {
        0 => drop(),
        1 => reject("one is no number"),
        2 => emit_all([word("a"), word("b")]),
        3 => emit_all([]),
        n => reject(format!("{n} is too many")),
    }
}

#[test]
fn a_record_may_become_several_rows_or_none() {
    let lines = [r#"{"n": 2}"#, r#"{"n": 0}"#, r#"{"n": 1}"#, r#"{"n": 3}"#, r#"{"n": 4}"#];
    let outcome = run(&guest::describe(words, "words", "1", ""), |batch| guest::apply(words, batch), &lines).unwrap();
    let row = |word| (0, json!({"word": word, "list": [1.0, 2.0], "owned": ["x"], "bytes": [7]}));
    assert_eq!(outcome.rows, [row("na"), row("nb")]);
    assert_eq!(outcome.rejected, [(2, "one is no number".to_owned()), (4, "4 is too many".to_owned())]);
    assert_eq!(outcome.dropped, [1, 3]);
}

#[test]
fn a_record_that_does_not_fit_is_an_error() {
    let run = |line: &str| run(&guest::describe(words, "words", "1", ""), |batch| guest::apply(words, batch), &[line]);
    assert_eq!(run("{}").unwrap_err(), r#"record 0: field "n" is missing"#);
    assert_eq!(run(r#"{"n": "2"}"#).unwrap_err(), r#"record 0: field "n" is not of its type: "2""#);
    assert!(run("{").unwrap_err().starts_with("record 0: not JSON: "));
}
