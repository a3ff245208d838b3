//! Values out of what wraps them.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::*;

fn unwrap(steps: &[&str]) -> Unwrap {
    let mut unwrap = Unwrap::default();
    steps.iter().for_each(|step| unwrap.push(step).unwrap());
    unwrap
}

fn check(steps: &[&str], value: &str, expected: Result<&str, &str>) {
    let unwrap = unwrap(steps);
    let found = unwrap.apply(value.as_bytes()).map(|value| String::from_utf8(value.into_owned()).unwrap());
    assert_eq!(found.as_deref().map_err(String::as_str), expected, "{steps:?} of {value}");
}

const ALL: &[&str] = &["json-text", "base64", "field:value", "json-text"];
const ROW: &str = r#"{"ind":7,"title":"caf\u00e9"}"#;

#[test]
fn each_form_gives_the_same_value() {
    for value in [
        ROW.to_owned(),
        json!(ROW).to_string(),
        format!(" {} \n", json!(ROW)),
        BASE64.encode(ROW),
        BASE64.encode(ROW).trim_end_matches('=').to_owned(),
        json!(BASE64.encode(ROW)).to_string(),
        format!(r#"{{"value":{ROW}}}"#),
        format!(r#"{{ "key": [1, {{"value": 2}}], "v\u0061lue" : {ROW} , "more": null }}"#),
        format!(r#"{{"value":1,"value":{ROW}}}"#),
        json!({ "value": ROW }).to_string(),
        json!(json!({ "value": ROW }).to_string()).to_string(),
        BASE64.encode(format!(r#"{{"value":{ROW}}}"#)),
        json!(BASE64.encode(json!({ "value": ROW }).to_string())).to_string(),
    ] {
        check(ALL, &value, Ok(ROW));
    }
}

#[test]
fn a_step_is_passed_over_where_the_value_has_not_its_form() {
    check(&[], "\"x\"", Ok("\"x\""));
    for value in ["", "1", "null", "[\"x\"]", "{}", "{\"a\":1}"] {
        check(&["json-text", "field:value"], value, Ok(value));
    }
    for value in ["", "\"eA==\"", "[1]", "{\"a\":1}"] {
        check(&["base64"], value, Ok(value));
    }
    // Once each: what is wrapped twice needs a step twice.
    check(&["json-text"], r#""\"x\"""#, Ok("\"x\""));
    check(&["json-text", "json-text"], r#""\"x\"""#, Ok("x"));
    check(&["field:value"], r#"{"value":{"value":1}}"#, Ok(r#"{"value":1}"#));
    check(&["field:a:b"], r#"{"a:b":[1, 2]}"#, Ok("[1, 2]"));
    check(&["field:Data"], r#"{"data":1}"#, Ok(r#"{"data":1}"#));
}

#[test]
fn what_has_the_form_and_is_broken_is_no_value() {
    check(&["json-text"], "\"x", Err("unwrap \"json-text\": at byte 1: a text does not end"));
    check(&["json-text"], "\"x\" y", Err("unwrap \"json-text\": at byte 4: something follows the value"));
    check(&["json-text"], r#""\q""#, Err("unwrap \"json-text\": at byte 4: an escape is unknown"));
    check(
        &["field:value"],
        "{\"value\":1",
        Err("unwrap \"field:value\": at byte 10: expected a comma or the end of the object"),
    );
    check(&["field:value"], "{\"value\":}", Err("unwrap \"field:value\": at byte 9: expected a value"));
    check(&["field:value"], "{\"value\":1} x", Err("unwrap \"field:value\": at byte 12: something follows the value"));
    check(&["base64"], "eyJ*", Err("unwrap \"base64\": Invalid symbol 42, offset 3."));
    check(&["base64"], "a", Err("unwrap \"base64\": Invalid input length: 1"));
    // The step that fails is named, whichever it is.
    check(ALL, "\"e*\"", Err("unwrap \"base64\": Invalid symbol 42, offset 1."));
    assert_eq!(
        unwrap(&["json-text"]).apply(b"\"\xff\""),
        Err("unwrap \"json-text\": at byte 0: it is not UTF-8".to_owned())
    );
}

#[test]
fn steps_that_are_not_known() {
    let check = |step: &str, expected: &str| {
        let error = Unwrap::default().push(step).unwrap_err();
        assert_eq!(format!("{error}; {}", error.next_step().unwrap_or_default()), expected, "{step}");
    };
    check("json", "\"json\" is not known; known are json-text, base64, field:NAME");
    check("fields:value", "\"fields:value\" is not known; known are json-text, base64, field:NAME");
    check("base64:x", "\"base64:x\" is not known; known are json-text, base64, field:NAME");
    check("field:", "the field has no name; write \"field:NAME\" with the field that holds the value");
    check("field", "\"field\" is not known; known are json-text, base64, field:NAME");
}

/// A text of all kinds of characters.
fn text(random: &mut ChaCha8Rng) -> String {
    const CHARACTERS: [char; 10] = ['a', '"', '\\', '/', '\n', '\u{1}', ' ', '=', '\u{e9}', '\u{1f600}'];
    (0..random.random_range(0..8)).map(|_| CHARACTERS[random.random_range(0..CHARACTERS.len())]).collect()
}

/// A value of any shape that a row's field may have.
fn value(random: &mut ChaCha8Rng, depth: u32) -> Value {
    match random.random_range(0..if depth == 0 { 4 } else { 6 }) {
        0 => Value::Null,
        1 => random.random::<bool>().into(),
        2 => random.random::<i64>().into(),
        3 => text(random).into(),
        4 => (0..random.random_range(0..3)).map(|_| value(random, depth - 1)).collect(),
        _ => (0..random.random_range(0..3)).map(|_| (text(random), value(random, depth - 1))).collect(),
    }
}

#[test]
fn whatever_wraps_a_row_is_taken_off() {
    for seed in 0..5_000 {
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        let row: serde_json::Map<String, Value> =
            (0..random.random_range(0..6)).map(|nth| (format!("{nth}{}", text(random)), value(random, 2))).collect();
        let row = Value::from(row).to_string();
        let mut steps: Vec<String> = Vec::new();
        let mut wrapped = row.clone();
        for _ in 0..random.random_range(0..6) {
            let (step, next) = match random.random_range(0..3) {
                0 => ("json-text".to_owned(), json!(wrapped).to_string()),
                1 => ("base64".to_owned(), BASE64.encode(&wrapped)),
                _ => {
                    // What is not JSON by itself stands in a field as a text.
                    let name = format!("w{}", text(random));
                    let inside = serde_json::from_str(&wrapped).unwrap_or_else(|_| Value::from(wrapped.as_str()));
                    if inside.is_string() && !wrapped.starts_with('"') {
                        steps.insert(0, "json-text".to_owned());
                    }
                    (format!("field:{name}"), json!({ "before": 1, name: inside }).to_string())
                }
            };
            // A number of steps that find nothing to do stand between.
            if random.random_range(0..4) == 0 {
                steps.insert(0, "field:nowhere".to_owned());
            }
            steps.insert(0, step);
            wrapped = next;
        }
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let expected = serde_json::from_str::<Value>(&row).unwrap();
        let found = unwrap(&steps).apply(wrapped.as_bytes()).unwrap_or_else(|why| panic!("{seed}: {why}: {wrapped}"));
        assert_eq!(serde_json::from_slice::<Value>(&found).unwrap(), expected, "{seed}: {steps:?} of {wrapped}");
    }
}
