//! Users as they come and as they come out.

use serde_json::{Value, json};
use tidemill_sdk::testing;

use super::*;

fn check(record: Value, expected: Value) {
    let outcome = testing::run(&describe(), apply, &[record.to_string()]).unwrap();
    assert_eq!(outcome.rows, [(0, expected)], "{record}");
}

fn check_rejected(record: Value, reason: &str) {
    let outcome = testing::run(&describe(), apply, &[record.to_string()]).unwrap();
    assert_eq!((outcome.rows, outcome.rejected), (vec![], vec![(0, reason.to_owned())]), "{record}");
}

#[test]
fn a_whole_record() {
    check(
        json!({"ind": 5730, "first_name": "Rachel", "last_name": "Davis", "age": 36, "date_joined": "2015-12-08T20:02:43"}),
        json!({"ind": 5730, "user_name": "Rachel Davis", "age": 36, "date_joined": "2015-12-08T20:02:43Z"}),
    );
}

#[test]
fn the_columns_in_their_order() {
    let names: Vec<_> = describe().outputs.into_iter().map(|field| field.name).collect();
    assert_eq!(names.join(" "), "ind user_name age date_joined");
    assert_eq!(describe().name, "tidemill-transform-user");
}

#[test]
fn names() {
    let name = |first: Value, last: Value, expected: Value| {
        check(
            json!({"ind": 1, "first_name": first, "last_name": last, "age": 20}),
            json!({"ind": 1, "user_name": expected, "age": 20, "date_joined": null}),
        );
    };
    name(json!("Ada"), json!("Lovelace"), json!("Ada Lovelace"));
    name(json!("Zoë 🦀"), json!("Иванова"), json!("Zoë 🦀 Иванова"));
    name(json!("Mary Ann"), json!("van  Dyke"), json!("Mary Ann van  Dyke"));
    name(json!("Ada"), Value::Null, json!("Ada"));
    name(Value::Null, json!("Lovelace"), json!("Lovelace"));
    name(json!(" \u{a0}"), json!("Lovelace"), json!("Lovelace"));
    name(json!("Ada"), json!(""), json!("Ada"));
    name(json!(""), Value::Null, Value::Null);
    name(Value::Null, Value::Null, Value::Null);
}

#[test]
fn dates_joined() {
    let joined = |text: &str, expected: Value| {
        check(
            json!({"index": 1, "date_joined": text}),
            json!({"ind": 1, "user_name": null, "age": null, "date_joined": expected}),
        );
    };
    joined("2015-10-21 21:26:45", json!("2015-10-21T21:26:45Z"));
    joined("2015-10-21T21:26:45", json!("2015-10-21T21:26:45Z"));
    joined("2015-10-21T21:26:45.5Z", json!("2015-10-21T21:26:45.5Z"));
    joined("\t2015-10-21 21:26:45 ", json!("2015-10-21T21:26:45Z"));
    joined("2015:10:21 21:26:45", Value::Null);
    joined("2015-10-21", Value::Null);
    joined("", Value::Null);
}

#[test]
fn records_of_other_tables_are_rejected() {
    let foreign = "the record has no field of a user but its number: it may be meant for another table";
    check_rejected(json!({"index": 1, "title": "a", "poster_name": "b", "category": "art"}), foreign);
    check_rejected(json!({"ind": 1, "country": "Albania", "timestamp": "2019-01-01 07:21:13"}), foreign);
    check_rejected(json!({"ind": 1}), foreign);
    let numberless = r#"the record has neither "ind" nor "index""#;
    check_rejected(json!({"first_name": "Ada", "last_name": "B"}), numberless);
    check_rejected(json!({}), numberless);
}

#[test]
fn the_function_alone() {
    let raw = Raw { ind: Some(1), first_name: Some("Ada"), last_name: Some("B"), ..Raw::default() };
    let name = Some(Concat(["Ada", " ", "B"]));
    assert_eq!(clean(raw), emit(User { ind: 1, user_name: name, age: None, date_joined: None }));
}
