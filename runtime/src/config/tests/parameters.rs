//! Parameters held against the schema of their transform: each kind of fault, where it is shown, in which words.

use super::{Folder, GOOD, shown};
use crate::config::check_parameters;

/// A schema as the SDK writes them, with one list in it.
const SCHEMA: &str = r#"{
    "type": "object",
    "properties": {
        "currency": {"type": "string", "enum": ["EUR", "USD"], "description": "Of all prices."},
        "rates": {"type": "array", "items": {"type": "number", "minimum": 1, "maximum": 2}},
        "digits": {"type": "integer", "minimum": 0},
        "strict": {"type": ["boolean", "null"]},
        "more": {"type": "object", "properties": {"deep": {"type": "string"}}, "required": ["deep"]},
        "any": {"pattern": "what only the transform knows"}
    },
    "required": ["currency", "rates"],
    "additionalProperties": false
}"#;

/// With these parameters in the good file's place, a transform of this schema finds the faults `expected`.
fn parameters(schema: &str, given: &str, expected: &[&str]) {
    let folder = Folder::new();
    let declared = folder.declare(&GOOD.replace(r#"{ currency = "EUR", rates = [1.5, 2] }"#, given)).unwrap();
    let faults = check_parameters(&declared, "orders", &declared.pipeline.tables[0].transforms[0], schema);
    let found: Vec<_> = faults.iter().map(|fault| shown(&declared, fault)).collect();
    assert_eq!(found, expected, "{given}");
}

#[test]
fn parameters_by_their_schema() {
    let check = |given: &str, expected: &[&str]| parameters(SCHEMA, given, expected);
    check(
        r#"{ currency = "EUR", rates = [1.5, 2], digits = 0, strict = true, any = 7, more = { deep = "", x = 1 } }"#,
        &[],
    );
    check(
        r#"{ currancy = "EUR", rates = [1.5, "2", 0.5, 2.5] }"#,
        &[
            r#"25:1: tables.orders.parameters: "currency" is missing; write currency = "EUR": Of all prices."#,
            r#"25:16: tables.orders.parameters.currancy: unknown key; did you mean "currency"?"#,
            "25:48: tables.orders.parameters.rates[1]: it is a text, not a number",
            "25:53: tables.orders.parameters.rates[2]: 0.5 is less than 1",
            "25:58: tables.orders.parameters.rates[3]: 2.5 is more than 2",
        ],
    );
    check(
        r#"{ currency = "EURO", rates = {}, digits = 1.0, strict = 1, more = {} }"#,
        &[
            r#"25:16: tables.orders.parameters.currency: "EURO" is not known; did you mean "EUR"?"#,
            "25:35: tables.orders.parameters.rates: it is a table, not a list",
            "25:47: tables.orders.parameters.digits: it is a number with a fraction, not a whole number",
            "25:61: tables.orders.parameters.strict: it is a whole number, not true or false or null",
            r#"25:73: tables.orders.parameters.more: "deep" is missing; write deep = "..""#,
        ],
    );
    check(
        r#"{ currency = "USD", rates = [], colour = 1, digits = -1 }"#,
        &[
            "25:46: tables.orders.parameters.colour: unknown key; known are currency, rates, digits, strict, more, any",
            "25:58: tables.orders.parameters.digits: -1 is less than 0",
        ],
    );
    check(
        r#"{ currency = "YEN", rates = [] }"#,
        &[r#"25:16: tables.orders.parameters.currency: "YEN" is not known; known are EUR, USD"#],
    );
}

#[test]
fn parameters_where_there_are_none() {
    parameters("{}", "{}", &[]);
    parameters(
        "{}",
        "{ a = 1 }",
        &["25:16: tables.orders.parameters.a: unknown key; the transform takes no parameters"],
    );
    parameters(r#"{"type": "object"}"#, "{ a = 1 }", &[]);
}

#[test]
fn a_missing_parameter_is_told_at_the_table_that_has_none() {
    let folder = Folder::new();
    let declared = folder.declare(&GOOD.replace(r#"parameters = { currency = "EUR", rates = [1.5, 2] }"#, "")).unwrap();
    let faults = check_parameters(&declared, "orders", &declared.pipeline.tables[0].transforms[0], SCHEMA);
    let found: Vec<_> = faults.iter().map(|fault| shown(&declared, fault)).collect();
    assert_eq!(
        found,
        [
            r#"19:9: tables.orders.parameters: "currency" is missing; write currency = "EUR": Of all prices."#,
            r#"19:9: tables.orders.parameters: "rates" is missing; write rates = []"#,
        ]
    );
}
