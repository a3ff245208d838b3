//! Batches that are not as described, parameters that nobody takes.

use super::*;
use crate::wit::{Column, FieldType, TextValues, Values};
use crate::{Input, emit};

#[derive(Input)]
struct Raw<'a> {
    n: i64,
    text: Option<&'a str>,
}

#[derive(crate::Output)]
struct Row<'a> {
    text: Option<&'a str>,
    n: i64,
}

fn turn(raw: Raw<'_>) -> Verdict<Row<'_>> {
    emit(Row { n: raw.n, text: raw.text })
}

fn texts(offsets: &[u32], bytes: &[u8]) -> Column {
    let values = Values::Texts(TextValues { offsets: offsets.to_vec(), bytes: bytes.to_vec() });
    Column { validity: None, values }
}

fn numbers(values: &[i64]) -> Column {
    Column { validity: None, values: Values::Int64s(values.to_vec()) }
}

fn check(columns: Vec<Column>, fault: &str) {
    assert_eq!(apply(turn, &Batch { rows: 2, columns }).unwrap_err(), fault);
}

#[test]
fn a_good_batch() {
    let text = Column { validity: Some(vec![0b10]), ..texts(&[0, 0, 3], "aß".as_bytes()) };
    let output = apply(turn, &Batch { rows: 2, columns: vec![numbers(&[1, 2]), text.clone()] }).unwrap();
    assert_eq!(output.rows, Batch { rows: 2, columns: vec![text, numbers(&[1, 2])] });
    assert_eq!((output.sources, output.rejected), (vec![0, 1], vec![]));
}

#[test]
fn validity_is_left_out_where_no_row_is_null() {
    let text = Column { validity: Some(vec![0b11]), ..texts(&[0, 1, 3], b"abc") };
    let output = apply(turn, &Batch { rows: 2, columns: vec![numbers(&[1, 2]), text] }).unwrap();
    assert_eq!(output.rows.columns[0], texts(&[0, 1, 3], b"abc"));
}

#[test]
fn batches_that_are_not_as_described() {
    let n = || numbers(&[1, 2]);
    check(vec![n()], "the batch has 1 columns for 2 fields");
    check(vec![n(), n()], r#"column "text" is of another type than it was declared"#);
    check(vec![numbers(&[1]), n()], r#"column "n" has 1 values for 2 rows"#);
    check(
        vec![Column { validity: Some(vec![0b01]), ..n() }, n()],
        r#"column "n" has a null, although it was declared without"#,
    );
    check(
        vec![n(), Column { validity: Some(vec![]), ..texts(&[0, 1, 2], b"ab") }],
        r#"column "text" has 0 bytes of validity for 2 rows"#,
    );
    for offsets in [&[0, 1][..], &[0, 1, 2, 2], &[1, 1, 2], &[0, 1, 1], &[0, 3, 2], &[]] {
        check(vec![n(), texts(offsets, b"ab")], r#"column "text" has offsets that do not cut 2 into 2"#);
    }
    check(vec![n(), texts(&[0, 1, 2], "ß".as_bytes())], r#"column "text" has an offset within a character"#);
    assert!(
        apply(turn, &Batch { rows: 2, columns: vec![n(), texts(&[0, 1, 2], b"a\xff")] })
            .unwrap_err()
            .starts_with(r#"column "text" is not UTF-8: "#)
    );
}

#[test]
fn the_description() {
    let description = describe(turn, "turn", "1.2.3", "Turns.");
    let shown: Vec<_> =
        description.inputs.iter().map(|field| (field.name.as_str(), field.type_, field.nullable)).collect();
    assert_eq!(shown, [("n", FieldType::Int64, false), ("text", FieldType::Text, true)]);
    assert_eq!(description.outputs.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["text", "n"]);
    assert_eq!((description.version.as_str(), description.parameters.as_str()), ("1.2.3", "{}"));
}

#[test]
fn no_parameters() {
    assert_eq!(configure("{}"), Ok(()));
    assert_eq!(configure(" { \n} "), Ok(()));
    let fault = r#"the transform takes no parameters, only {}, but was given {"a": 1}"#;
    assert_eq!(configure(r#"{"a": 1}"#), Err(fault.to_owned()));
    assert!(configure("").is_err());
    assert!(configure("{").is_err());
    assert!(configure("null").is_err());
}
