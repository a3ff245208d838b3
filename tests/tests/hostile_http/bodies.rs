//! Hostile bodies of requests that are otherwise in order.

use crate::corpus::{Case, case, post};

/// A request's body with one record of this value, given as it stands.
fn value(text: &str) -> Vec<u8> {
    format!("{{\"records\":[{{\"value\":{text}}}]}}").into_bytes()
}

/// All of them: each is refused whole, or all of it is kept.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, text) in refused_values() {
        cases.push(case(format!("the value {name}"), post(&[], &value(&text)), &[400]));
    }
    for (name, text) in kept_values() {
        cases.push(case(format!("the value {name}"), post(&[], &value(&text)), &[200]).keeps(1));
    }
    for (name, bytes) in refused_bodies() {
        cases.push(case(name, post(&[], &bytes), &[400, 413, 422]));
    }
    cases
}

/// Texts that are no JSON, or stand for no text.
fn refused_values() -> Vec<(String, String)> {
    let mut values: Vec<(String, String)> = [
        "",
        ",",
        "{",
        "}",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\"::1}",
        "'a'",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x41\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\\ud83d\\u0041\"",
        "\"\\ud83dx\"",
        "\"a\nb\"",
        "\"a\tb\"",
        "\"a\0b\"",
        "\"\u{1b}\"",
        "\u{feff}1",
        "01",
        "-01",
        "+1",
        ".5",
        "1.",
        "1.e1",
        "1e",
        "1e+",
        "-",
        "--1",
        "0x10",
        "1_000",
        "1,000",
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "True",
        "TRUE",
        "nul",
        "null1",
        "undefined",
        "// a\n1",
        "/* a */1",
        "# a\n1",
        "1 // a",
        "\u{a0}1",
        "\u{2028}1",
        "\u{2003}1",
        "１",
        "\u{0}",
        "1}]}{\"records\":[{\"value\":2",
        "{\"a\":\"\\ud800\"}",
        "[\"\\udfff\"]",
    ]
    .iter()
    .map(|text| (format!("{text:?}"), (*text).to_owned()))
    .collect();
    // Not just the text: what is deep and has an escape in it is read part by part.
    values.push((
        "of 10,000 lists around an escape".into(),
        format!("{}\"\\n\"{}", "[".repeat(10_000), "]".repeat(10_000)),
    ));
    values.push(("of 5,000 open lists".into(), "[".repeat(5_000)));
    values.push(("of 5,000 open objects".into(), "{\"a\":".repeat(5_000)));
    values.push(("of lists that end as objects".into(), format!("{}1{}", "[".repeat(100), "}".repeat(100))));
    values
}

/// Texts that are JSON, however odd: they are kept as they stand.
fn kept_values() -> Vec<(String, String)> {
    let mut values: Vec<(String, String)> = [
        "null",
        "true",
        "0",
        "-0",
        "1e999",
        "-1e-999",
        "123456789012345678901234567890",
        "0.1e-7",
        "\"\"",
        "\"\\u0000\"",
        "\"\\ud83d\\ude00\"",
        "\"\u{7f}\"",
        "\"\u{202e}\"",
        "\"\u{feff}\"",
        "\"\u{fffe}\"",
        "{}",
        "[]",
        "{\"\":0}",
        "{\"ind\":1,\"ind\":2}",
        "{\"ind\":\"1\"}",
        "{\"ind\":1e999}",
        "{\"ind\":9223372036854775808}",
        "{\"ind\":-1.5}",
        "{\"ind\":null}",
        "{\"ind\":[]}",
        "{\"ind\":{\"ind\":1}}",
        "{\"IND\":1}",
        "{\"\\u0069nd\":1}",
        "{\"__proto__\":1,\"constructor\":{}}",
        "\"'; DROP TABLE thing; --\"",
        "\"\\u001b[31m\"",
        " \n\t1 \r\n",
    ]
    .iter()
    .map(|text| (format!("{text:?}"), (*text).to_owned()))
    .collect();
    values.push(("of 100 lists".into(), format!("{}{}", "[".repeat(100), "]".repeat(100))));
    values.push(("of 7,000 lists".into(), format!("{}{}", "[".repeat(7_000), "]".repeat(7_000))));
    values.push(("of 2,000 objects".into(), format!("{}1{}", "{\"ind\":".repeat(2_000), "}".repeat(2_000))));
    values.push(("of a number of 10,000 digits".into(), "9".repeat(10_000)));
    values.push(("of a fraction of 10,000 digits".into(), format!("0.{}", "1".repeat(10_000))));
    values.push((
        "of 1,000 fields".into(),
        format!("{{{}\"ind\":1}}", (0..1_000).map(|n| format!("\"f{n}\":{n},")).collect::<String>()),
    ));
    values.push(("of a name of 10,000 bytes".into(), format!("{{\"{}\":1}}", "x".repeat(10_000))));
    values.push(("of 2,000 escapes".into(), format!("\"{}\"", "\\u0041".repeat(2_000))));
    values
}

/// Bodies that are no request.
fn refused_bodies() -> Vec<(String, Vec<u8>)> {
    let mut bodies: Vec<(String, Vec<u8>)> = [
        "",
        " ",
        "null",
        "1",
        "\"a\"",
        "[]",
        "{}",
        "[{\"value\":1}]",
        "{\"records\":1}",
        "{\"records\":null}",
        "{\"records\":[]}",
        "{\"records\":{}}",
        "{\"records\":[null]}",
        "{\"records\":[1]}",
        "{\"records\":[[]]}",
        "{\"records\":[{\"value\":1}],}",
        "{\"records\":[{\"value\":1}]}}",
        "{\"records\":[{\"value\":1}]}{}",
        "{\"records\":[{\"value\":1}]} x",
        "{\"records\":[{\"value\":1}],\"records\":[]}",
        "{\"records\":[{\"value\":1,\"value\":2}]}",
        "{\"records\":[{\"key\":1,\"key\":2}]}",
        "{\"records\":[{\"value\":1}],\"x\":1}",
        "{\"records\":[{\"value\":1,\"x\":1}]}",
        "{\"Records\":[{\"value\":1}]}",
        "{\"records\":[{\"Value\":1}]}",
        "{\"records\":[{\"value\":1,\"partition\":\"0\"}]}",
        "{\"records\":[{\"value\":1,\"partition\":0.5}]}",
        "{\"records\":[{\"value\":1,\"partition\":1e3}]}",
        "{\"records\":[{\"value\":1,\"partition\":99999999999999999999}]}",
        "{\"records\":[{\"value\":1,\"partition\":true}]}",
        "{\"records\":[{\"value\":1},{\"value\":}]}",
        "{\"records\":[{\"value\":1},{\"value\":\"\\ud800\"}]}",
        "\u{feff}{\"records\":[{\"value\":1}]}",
        "records=1&value=2",
        "<records/>",
        "value: 1",
    ]
    .iter()
    .map(|text| (format!("the body {text:?}"), text.as_bytes().to_vec()))
    .collect();
    let raw: [(&str, &[u8]); 8] = [
        ("a broken text", b"{\"records\":[{\"value\":\"\xff\"}]}"),
        ("an overlong slash", b"{\"records\":[{\"value\":\"\xc0\xaf\"}]}"),
        ("a surrogate in bytes", b"{\"records\":[{\"value\":\"\xed\xa0\x80\"}]}"),
        ("half a character", b"{\"records\":[{\"value\":\"\xe2\x82\"}]}"),
        ("a character past the last", b"{\"records\":[{\"value\":\"\xf4\x90\x80\x80\"}]}"),
        ("a broken name", b"{\"records\":[{\"value\":{\"\xff\":1}}]}"),
        ("UTF-16", b"\xff\xfe{\0\"\0r\0"),
        ("NULs after it", b"{\"records\":[{\"value\":1}]}\0\0"),
    ];
    bodies.extend(raw.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())));
    let many = |count: usize| format!("{{\"records\":[{}]}}", vec!["{\"value\":1}"; count].join(",")).into_bytes();
    bodies.push(("51 records, one too many".into(), many(51)));
    bodies.push(("5,000 records".into(), many(5_000)));
    bodies.push(("64 KiB and a byte".into(), vec![b' '; (64 << 10) + 1]));
    bodies.push(("64 KiB of blanks".into(), vec![b' '; 64 << 10]));
    bodies.push(("64 KiB of open lists".into(), vec![b'['; 64 << 10]));
    bodies.push(("60,000 zeros".into(), vec![0; 60_000]));
    bodies
}
