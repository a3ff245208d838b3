//! What decodes, what does not, and what is said of it.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};

use super::*;
use crate::schema::Type;
use crate::time::Timestamp;

fn field(name: &str, kind: Type, nullable: bool) -> Field {
    Field { name: name.into(), aliases: Vec::new(), kind, nullable }
}

fn batch(values: &[&[u8]]) -> Batch {
    let mut batch = Batch::default();
    for (offset, value) in values.iter().enumerate() {
        let value = Some(*value);
        batch.push(Record { offset: offset as u64, time: Timestamp(5), key: None, value, headers: &[] });
    }
    batch
}

/// Decodes one field `x` out of each of the values; shows each value that came out, and each reason.
fn check(kind: Type, nullable: bool, value: &[u8], expected: Result<Option<&str>, &str>) {
    let mut decoder = Decoder::new(&[field("x", kind, nullable)], 0).unwrap();
    let good = match kind {
        Type::Text => &br#"{"x":"before"}"#[..],
        _ => br#"{"y":0}"#,
    };
    let decoded = decoder.decode(&batch(&[good, value, good]), 0..3).unwrap();
    let shown = String::from_utf8_lossy(value).into_owned();
    match expected {
        Ok(expected) => {
            let row = decoded.sources.iter().position(|&source| source == 1);
            let row = row.unwrap_or_else(|| panic!("{shown}: {:?}", decoded.rejected));
            assert_eq!(show(&decoded.rows, row).as_deref(), expected, "{shown}");
        }
        Err(reason) => {
            let (_, said) = decoded.rejected.iter().find(|(index, _)| *index == 1).unwrap_or_else(|| panic!("{shown}"));
            assert!(said.contains(reason), "{shown}: {said}");
            assert_eq!(decoded.rows.num_rows() + decoded.rejected.len(), 3, "{shown}");
        }
    }
}

fn show(rows: &RecordBatch, row: usize) -> Option<String> {
    let column = rows.column(0);
    (!column.is_null(row)).then(|| match column.data_type() {
        arrow_schema::DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        arrow_schema::DataType::Boolean => column.as_boolean().value(row).to_string(),
        arrow_schema::DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        arrow_schema::DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        arrow_schema::DataType::Timestamp(..) => {
            column.as_primitive::<TimestampMicrosecondType>().value(row).to_string()
        }
        arrow_schema::DataType::Binary => format!("{:?}", column.as_binary::<i32>().value(row)),
        _ => format!("{:?}", column.as_list::<i32>().value(row).slice(0, column.as_list::<i32>().value(row).len())),
    })
}

#[test]
fn texts() {
    let text = |value: &str, expected| check(Type::Text, true, value.as_bytes(), expected);
    text(r#"{"x":"a"}"#, Ok(Some("a")));
    text("\t{ \"w\" : [1, {\"x\":2}] , \"x\"\n: \"a\" } ", Ok(Some("a")));
    text(r#"{"x":""}"#, Ok(Some("")));
    text(r#"{"x":null}"#, Ok(None));
    text("{}", Ok(None));
    text(r#"{"x":"q\"\\\/\b\f\n\r\t\u00e9"}"#, Ok(Some("q\"\\/\u{8}\u{c}\n\r\té")));
    text(r#"{"x":"\ud83d\ude00😀"}"#, Ok(Some("😀😀")));
    text(r#"{"\u0078":"escaped key"}"#, Ok(Some("escaped key")));
    text(r#"{"x":"first","x":"last"}"#, Ok(Some("last")));
    text(r#"{"x":"\ud83d"}"#, Err("half a character"));
    text(r#"{"x":"\ude00\ud83d"}"#, Err("half a character"));
    text(r#"{"x":"\ud83dab"}"#, Err("half a character"));
    text(r#"{"x":"\q"}"#, Err("an escape is unknown"));
    text(r#"{"x":"\u12g4"}"#, Err("four hexadecimal digits"));
    text("{\"x\":\"a\u{1}\"}", Err("control character"));
    text(r#"{"x":"a"#, Err("a text does not end"));
    text(r#"{"x":"a\"#, Err("a text does not end"));
    text(r#"{"x":1}"#, Err(r#"field "x": expected text, found a number"#));
    text(r#"{"x":{}}"#, Err("found an object"));
    check(Type::Text, true, b"{\"x\":\"\xff\"}", Err("not UTF-8"));
    check(Type::Text, false, b"{\"y\":\"a\"}", Err(r#"field "x" is missing"#));
}

#[test]
fn numbers() {
    let whole = |value: &str, expected| check(Type::Int64, true, value.as_bytes(), expected);
    whole(r#"{"x":0}"#, Ok(Some("0")));
    whole(r#"{"x":-9223372036854775808}"#, Ok(Some("-9223372036854775808")));
    whole(r#"{"x":12.0}"#, Ok(Some("12")));
    whole(r#"{"x":1e3}"#, Ok(Some("1000")));
    whole(r#"{"x":1.5}"#, Err("not a whole number"));
    whole(r#"{"x":9223372036854775808}"#, Err("not a whole number of 64 bits"));
    whole(r#"{"x":1e300}"#, Err("not a whole number"));
    whole(r#"{"x":01}"#, Err("begins with a zero"));
    whole(r#"{"x":-}"#, Err("expected a digit"));
    whole(r#"{"x":+1}"#, Err("expected a value"));
    whole(r#"{"x":1.}"#, Err("expected a digit"));
    whole(r#"{"x":"1"}"#, Err("found a text"));
    let float = |value: &str, expected| check(Type::Float64, true, value.as_bytes(), expected);
    float(r#"{"x":-88.8298}"#, Ok(Some("-88.8298")));
    float(r#"{"x":1}"#, Ok(Some("1")));
    float(r#"{"x":1e999}"#, Err("beyond the floating point numbers"));
    float(r#"{"x":NaN}"#, Err("expected a value"));
}

#[test]
fn other_types() {
    check(Type::Boolean, true, br#"{"x":true}"#, Ok(Some("true")));
    check(Type::Boolean, true, br#"{"x":1}"#, Err("expected boolean, found a number"));
    check(Type::Timestamp, true, br#"{"x":"1970-01-01 00:00:01"}"#, Ok(Some("1000000")));
    check(Type::Timestamp, true, br#"{"x":"soon"}"#, Err("not a time"));
    check(Type::Bytes, true, br#"{"x":"AQI="}"#, Ok(Some("[1, 2]")));
    check(Type::Bytes, true, br#"{"x":"?"}"#, Err("not base64"));
    check(Type::Json, true, br#"{"x": {"a":[1, null]} }"#, Ok(Some(r#"{"a":[1, null]}"#)));
    check(Type::Json, true, br#"{"x":null}"#, Ok(Some("null")));
    check(Type::Float64List, true, br#"{"x":[1,2.5]}"#, Ok(Some("PrimitiveArray<Float64>\n[\n  1.0,\n  2.5,\n]")));
    check(Type::Float64List, true, br#"{"x":[1,null]}"#, Err("something else than numbers"));
    check(Type::TextList, true, br#"{"x":["a","\n"]}"#, Ok(Some("StringArray\n[\n  \"a\",\n  \"\\n\",\n]")));
    check(Type::TextList, true, br#"{"x":[]}"#, Ok(Some("StringArray\n[\n]")));
    check(Type::TextList, true, br#"{"x":["a",1]}"#, Err("something else than texts"));
}

#[test]
fn what_is_no_object() {
    let deep = |depth: usize| format!("{{\"y\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    check(Type::Text, true, deep(128).as_bytes(), Ok(None));
    check(Type::Text, true, deep(129).as_bytes(), Err("nested more than 128 deep"));
    check(Type::Text, true, deep(100_000).as_bytes(), Err("nested more than 128 deep"));
    for (value, reason) in [
        (&b""[..], "it ends where a value should stand"),
        (b"[]", "the value is a list, not an object"),
        (b"\"a\"", "the value is a text"),
        (b"{", "a text"),
        (b"{\"x\"}", "expected a colon"),
        (b"{\"x\":}", "expected a value"),
        (b"{\"x\":\"a\",}", "expected a text"),
        (b"{\"x\":\"a\"}}", "something follows"),
        (b"{\"x\":\"a\" \"y\":1}", "expected a comma"),
        (b"{\"y\":[1 2]}", "expected a comma"),
        (b"{\"y\":[1,]}", "expected a value"),
        (b"{\"y\":{\"a\":1,}}", "expected a text"),
        (b"{\"y\":tru}", "expected a value"),
        (b"\xef\xbb\xbf{}", "expected a value"),
    ] {
        check(Type::Text, true, value, Err(reason));
    }
}

#[test]
fn names_and_aliases() {
    let mut ind = field("ind", Type::Int64, false);
    ind.aliases = vec!["index".into(), "Index".into()];
    let mut decoder = Decoder::new(&[ind], 0).unwrap();
    let values: [&[u8]; 5] = [
        br#"{"index":1}"#,
        br#"{"index":1,"ind":2}"#,
        br#"{"ind":3,"Index":4,"index":5}"#,
        br#"{"INDEX":6}"#,
        br#"{"index":7}"#,
    ];
    let decoded = decoder.decode(&batch(&values), 0..5).unwrap();
    assert_eq!(decoded.rows.column(0).as_primitive::<Int64Type>().values(), &[1, 2, 3, 7]);
    assert_eq!(decoded.sources, [0, 1, 2, 4]);
    assert_eq!(decoded.rejected, [(3, r#"field "ind" is missing"#.to_owned())]);
}

#[test]
fn parts_of_the_record() {
    let fields = INPUTS.map(|(name, kind)| field(name, kind, name == "@key"));
    let mut headers = Vec::new();
    record::push_header(&mut headers, b"h", Some(b"\x01"));
    let mut records = Batch::default();
    records.push(Record { offset: 9, time: Timestamp(5), key: None, value: Some(b"\xff"), headers: &headers });
    records.push(Record { offset: 10, time: Timestamp(6), key: Some(b"k"), value: None, headers: &[] });
    let decoded = Decoder::new(&fields, 3).unwrap().decode(&records, 0..2).unwrap();
    assert_eq!(decoded.rejected, [(1, r#"field "@value" is missing"#.to_owned())]);
    let row = |column: usize| decoded.rows.column(column);
    assert_eq!(row(0).as_binary::<i32>().value(0), b"\xff");
    assert!(row(1).is_null(0));
    assert_eq!(row(2).as_string::<i32>().value(0), r#"[["h","AQ=="]]"#);
    assert_eq!(row(3).as_primitive::<TimestampMicrosecondType>().value(0), 5);
    assert_eq!(row(4).as_primitive::<Int64Type>().value(0), 3);
    assert_eq!(row(5).as_primitive::<Int64Type>().value(0), 9);
}

#[test]
fn a_bad_record_leaves_its_neighbours_alone() {
    let fields = [field("a", Type::Text, true), field("n", Type::Int64, false)];
    let mut decoder = Decoder::new(&fields, 0).unwrap();
    let values: [&[u8]; 4] =
        [br#"{"a":"1","n":1}"#, br#"{"a":"lost","n":"x"}"#, br#"{"a":"2"}"#, br#"{"n":3,"a":"3"}"#];
    for _ in 0..2 {
        let decoded = decoder.decode(&batch(&values), 0..4).unwrap();
        assert_eq!(decoded.sources, [0, 3]);
        assert_eq!(decoded.rows.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["1", "3"]);
    }
}

#[test]
fn a_key_is_told_from_one_that_differs_in_any_letter() {
    for length in 1..40 {
        let key = "k".repeat(length);
        let mut decoder = Decoder::new(&[field(&key, Type::Int64, true)], 0).unwrap();
        let value = |key: &str| format!("{{\"{key}\":7}}").into_bytes();
        let mut values = vec![value(&key), value(&key)];
        for place in 0..length {
            // After the key itself, so that the decoder guesses it.
            let mut other = key.clone().into_bytes();
            other[place] = b'x';
            values.extend([value(&String::from_utf8(other).unwrap()), value(&key)]);
        }
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let decoded = decoder.decode(&batch(&values), 0..values.len()).unwrap();
        let found: Vec<bool> =
            decoded.rows.column(0).as_primitive::<Int64Type>().iter().map(|v| v == Some(7)).collect();
        let expected: Vec<bool> = (0..values.len()).map(|nth| nth < 2 || nth % 2 == 1).collect();
        assert_eq!(found, expected, "keys of {length} letters");
    }
}
