//! What may be set, how it is described, what is refused and in which words.

use serde_json::{Value, json};

use super::*;
use crate::testing;
use crate::{Input, Output, Parameters, Verdict, drop, emit, transform};

/// How prices
/// are cleaned.
#[derive(Debug, PartialEq, Parameters)]
struct Settings {
    /// Words that stand for "no value".
    #[parameter(default = ["N/A", "-"])]
    placeholders: Vec<String>,
    /// Cheaper records are dropped.
    #[parameter(default = 0, minimum = 0, maximum = 1e6)]
    price_min: f64,
    #[parameter(one_of = ["EUR", "USD"])]
    currency: String,
    /// Digits after the point.
    #[parameter(default = 2, minimum = -3, maximum = 6)]
    digits: i64,
    #[parameter(default = false)]
    r#loop: bool,
    #[parameter(maximum = 1)]
    share: Option<f64>,
    #[parameter(default = [], minimum = 1)]
    steps: Vec<f64>,
}

#[derive(Input)]
struct Raw<'a> {
    product: &'a str,
    price: f64,
}

#[derive(Output)]
struct Price<'a> {
    product: Option<&'a str>,
    price: f64,
    currency: &'a str,
}

#[transform]
fn clean<'a>(raw: Raw<'a>, settings: &'a Settings) -> Verdict<Price<'a>> {
    if raw.price < settings.price_min {
        return drop();
    }
    let is_placeholder = settings.placeholders.iter().any(|word| word == raw.product);
    emit(Price { product: (!is_placeholder).then_some(raw.product), price: raw.price, currency: &settings.currency })
}

#[test]
fn the_schema() {
    let expected = json!({
        "type": "object",
        "description": "How prices are cleaned.",
        "properties": {
            "placeholders": {
                "type": "array", "items": {"type": "string"},
                "description": "Words that stand for \"no value\".", "default": ["N/A", "-"],
            },
            "price_min": {
                "type": "number", "minimum": 0.0, "maximum": 1e6,
                "description": "Cheaper records are dropped.", "default": 0.0,
            },
            "currency": {"type": "string", "enum": ["EUR", "USD"]},
            "digits": {"type": "integer", "minimum": -3, "maximum": 6, "description": "Digits after the point.", "default": 2},
            "loop": {"type": "boolean", "default": false},
            "share": {"type": "number", "maximum": 1.0},
            "steps": {"type": "array", "items": {"type": "number", "minimum": 1.0}, "default": []},
        },
        "required": ["currency"],
        "additionalProperties": false,
    });
    let schema: Value = serde_json::from_str(&describe().parameters).unwrap();
    assert_eq!(schema, expected);
}

#[test]
fn what_is_not_given_has_its_default() {
    let expected = Settings {
        placeholders: vec!["N/A".to_owned(), "-".to_owned()],
        price_min: 0.0,
        currency: "EUR".to_owned(),
        digits: 2,
        r#loop: false,
        share: None,
        steps: vec![],
    };
    assert_eq!(Settings::from_json(r#"{"currency": "EUR"}"#).unwrap(), expected);
}

#[test]
fn what_is_given_counts() {
    let given = json!({
        "placeholders": [], "price_min": 3, "currency": "USD", "digits": -3, "loop": true, "share": 0.5, "steps": [1, 2.5],
    });
    let expected = Settings {
        placeholders: vec![],
        price_min: 3.0,
        currency: "USD".to_owned(),
        digits: -3,
        r#loop: true,
        share: Some(0.5),
        steps: vec![1.0, 2.5],
    };
    assert_eq!(Settings::from_json(&given.to_string()).unwrap(), expected);
}

fn check(given: &str, fault: &str) {
    assert_eq!(Settings::from_json(given).unwrap_err(), fault, "{given}");
}

#[test]
fn what_does_not_fit() {
    let known = "known are placeholders, price_min, currency, digits, loop, share, steps";
    check(r#"{"colour": 1}"#, &format!(r#"parameter "colour" is unknown; {known}"#));
    check("{}", r#"parameter "currency" is missing"#);
    check(r#"{"currency": "EURO"}"#, r#"parameter "currency": "EURO" is not one of "EUR", "USD""#);
    check(r#"{"currency": 1}"#, r#"parameter "currency": it is a whole number, not a text"#);
    let with_currency = |more: &str, fault: &str| check(&format!(r#"{{"currency": "EUR", {more}}}"#), fault);
    with_currency(r#""price_min": -0.5"#, r#"parameter "price_min": -0.5 is less than 0.0"#);
    with_currency(r#""price_min": "1""#, r#"parameter "price_min": it is a text, not a number"#);
    with_currency(r#""digits": 7"#, r#"parameter "digits": 7 is more than 6"#);
    let whole = "a whole number of 64 bits";
    with_currency(r#""digits": 1.5"#, &format!(r#"parameter "digits": it is a number with a fraction, not {whole}"#));
    with_currency(r#""loop": null"#, r#"parameter "loop": it is null, not true or false"#);
    with_currency(r#""share": 2"#, r#"parameter "share": 2.0 is more than 1.0"#);
    with_currency(r#""share": null"#, r#"parameter "share": it is null, not a number"#);
    with_currency(r#""placeholders": "a""#, r#"parameter "placeholders": it is a text, not a list"#);
    with_currency(
        r#""placeholders": ["a", 1]"#,
        r#"parameter "placeholders": item 1: it is a whole number, not a text"#,
    );
    with_currency(r#""steps": [1, 0.5]"#, r#"parameter "steps": item 1: 0.5 is less than 1.0"#);
    check("[]", "the parameters are a list, not an object");
    assert!(Settings::from_json("{").unwrap_err().starts_with("the parameters are not JSON: "));
}

#[test]
fn a_transform_is_configured_before_it_runs() {
    let run = || {
        testing::run(&describe(), apply, &[r#"{"product": "tea", "price": 2.5}"#, r#"{"product": "?", "price": 1}"#])
    };
    assert_eq!(run().unwrap_err(), "the transform has no parameters yet: configure comes before apply");
    configure(r#"{"currency": "USD", "price_min": 2}"#).unwrap();
    let outcome = run().unwrap();
    assert_eq!(outcome.rows, [(0, json!({"product": "tea", "price": 2.5, "currency": "USD"}))]);
    assert_eq!(outcome.dropped, [1]);
    configure(r#"{"currency": "EUR", "placeholders": ["?"]}"#).unwrap();
    assert_eq!(run().unwrap().rows[1].1, json!({"product": null, "price": 1.0, "currency": "EUR"}));
    assert!(configure(r#"{"currency": "?"}"#).is_err());
    assert_eq!(run().unwrap().rows[0].1["currency"], "EUR");
}

#[test]
fn the_function_alone() {
    let settings = Settings::from_json(r#"{"currency": "EUR", "placeholders": ["?"]}"#).unwrap();
    let Verdict::Emit(price) = clean(Raw { product: "?", price: 1.0 }, &settings) else { panic!("a price comes out") };
    assert_eq!((price.product, price.currency), (None, "EUR"));
}

#[derive(Debug, PartialEq, Parameters)]
struct Nothing {}

#[test]
fn no_fields_are_no_parameters() {
    assert_eq!(Nothing::from_json("{}"), Ok(Nothing {}));
    assert_eq!(Nothing::from_json(r#"{"a": 1}"#), Err(r#"parameter "a" is unknown; there are none"#.to_owned()));
}
