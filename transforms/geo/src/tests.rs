//! Places and times of pins as they come and as they come out.

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
        json!({"ind": 0, "timestamp": "2019-01-01 07:21:13", "latitude": -88.8298, "longitude": -170.188, "country": "Albania"}),
        json!({"ind": 0, "country": "Albania", "coordinates": [-88.8298, -170.188], "timestamp": "2019-01-01T07:21:13Z"}),
    );
}

#[test]
fn the_columns_in_their_order() {
    let names: Vec<_> = describe().outputs.into_iter().map(|field| field.name).collect();
    assert_eq!(names.join(" "), "ind country coordinates timestamp");
    assert_eq!(describe().name, "tidemill-transform-geo");
}

#[test]
fn coordinates_need_both() {
    let coordinates = |record: Value, expected: Value| {
        check(record, json!({"ind": 1, "country": null, "coordinates": expected, "timestamp": null}));
    };
    coordinates(json!({"ind": 1, "latitude": 1, "longitude": 2}), json!([1.0, 2.0]));
    coordinates(json!({"ind": 1, "latitude": 0.0, "longitude": -0.5}), json!([0.0, -0.5]));
    coordinates(json!({"ind": 1, "latitude": 1.5}), Value::Null);
    coordinates(json!({"ind": 1, "latitude": null, "longitude": 1.5}), Value::Null);
}

#[test]
fn timestamps() {
    let timestamp = |text: &str, expected: Value| {
        check(
            json!({"index": 1, "timestamp": text}),
            json!({"ind": 1, "country": null, "coordinates": null, "timestamp": expected}),
        );
    };
    timestamp("2018-05-27T11:30:59", json!("2018-05-27T11:30:59Z"));
    timestamp("2018-05-27 11:30:59", json!("2018-05-27T11:30:59Z"));
    timestamp("2018-05-27 11:30:59.25", json!("2018-05-27T11:30:59.25Z"));
    timestamp("2018-05-27T11:30:59.000+0000", json!("2018-05-27T11:30:59Z"));
    timestamp(" 2018-05-27 11:30:59\u{a0}", json!("2018-05-27T11:30:59Z"));
    timestamp("2018:05:27 11:30:59", Value::Null);
    timestamp("2018-02-29 11:30:59", Value::Null);
    timestamp("yesterday", Value::Null);
    timestamp("", Value::Null);
}

#[test]
fn countries() {
    let country = |text: &str, expected: Value| {
        check(
            json!({"ind": 1, "country": text}),
            json!({"ind": 1, "country": expected, "coordinates": null, "timestamp": null}),
        );
    };
    country("Bouvet Island (Bouvetoya)", json!("Bouvet Island (Bouvetoya)"));
    country("Côte d'Ivoire ", json!("Côte d'Ivoire "));
    country("", Value::Null);
    country(" \u{a0}", Value::Null);
}

#[test]
fn records_of_other_tables_are_rejected() {
    let foreign = "the record has no field of a geolocation but its number: it may be meant for another table";
    check_rejected(json!({"ind": 1, "first_name": "Ada", "age": 20, "date_joined": "2015-10-21 21:26:45"}), foreign);
    check_rejected(json!({"index": 1, "title": "a", "category": "art"}), foreign);
    check_rejected(json!({"ind": 1}), foreign);
    let numberless = r#"the record has neither "ind" nor "index""#;
    check_rejected(json!({"country": "Albania"}), numberless);
    check_rejected(json!({}), numberless);
}

#[test]
fn the_function_alone() {
    let raw = Raw { ind: Some(1), latitude: Some(2.0), longitude: Some(3.0), ..Raw::default() };
    assert_eq!(clean(raw), emit(Geo { ind: 1, country: None, coordinates: Some([2.0, 3.0]), timestamp: None }));
}
