//! Runs of texts that come out as they went in, and what breaks them.

use super::*;

fn column(texts: &[&str]) -> Column {
    let bytes: Vec<u8> = texts.concat().into_bytes();
    let ends = texts.iter().scan(0, |end, text| {
        *end += text.len() as u32;
        Some(*end)
    });
    let offsets = std::iter::once(0).chain(ends).collect();
    Column { validity: None, values: Values::Texts(TextValues { offsets, bytes }) }
}

/// The text `index` of a column.
fn text(column: &Column, index: usize) -> &[u8] {
    let Values::Texts(texts) = &column.values else { return &[] };
    &texts.bytes[texts.offsets[index] as usize..texts.offsets[index + 1] as usize]
}

/// What is done for a row.
enum Row {
    /// The text of this place in the first column.
    First(usize),
    /// The text of this place in the second column.
    Second(usize),
    /// What is left of a text of the first column without its first byte.
    Tail(usize),
    /// A text that is in no column.
    Literal(&'static str),
    /// A text that the transform made.
    Made(&'static str),
    /// Two texts of the first column as one.
    Both(usize, usize),
    Null,
}
use Row::*;

fn check(rows: &[Row]) {
    let long = "long ".repeat(100);
    let first = column(&["alpha", "", "beta", "a sentinel", &long, "größe", "z"]);
    let second = column(&["eins", "zwei", "drei", ""]);
    let input = [first.clone(), Column { validity: None, values: Values::Int64s(vec![1]) }, second.clone()];
    let mut builder = TextBuilder::new(1, &input);
    let (mut offsets, mut bytes) = (vec![0], Vec::new());
    for row in rows {
        let (parts, expected): (Vec<&[u8]>, Vec<&[u8]>) = match row {
            First(at) => (vec![text(&input[0], *at)], vec![text(&first, *at)]),
            Second(at) => (vec![text(&input[2], *at)], vec![text(&second, *at)]),
            Tail(at) => (vec![&text(&input[0], *at)[1..]], vec![&text(&first, *at)[1..]]),
            Literal(text) => (vec![text.as_bytes()], vec![text.as_bytes()]),
            Made(text) => {
                builder.add_made(text.as_bytes());
                (vec![], vec![text.as_bytes()])
            }
            Both(a, b) => (vec![text(&input[0], *a), text(&input[0], *b)], vec![text(&first, *a), text(&first, *b)]),
            Null => (vec![], vec![]),
        };
        parts.into_iter().for_each(|part| builder.add(part));
        builder.end();
        bytes.extend(expected.concat());
        offsets.push(bytes.len() as u32);
    }
    assert_eq!(builder.count(), rows.len());
    assert_eq!(builder.finish().unwrap(), TextValues { offsets, bytes });
}

#[test]
fn runs() {
    check(&[]);
    check(&[First(0)]);
    check(&[First(0), First(1), First(2), First(3), First(4), First(5), First(6)]);
    check(&[First(4), First(5)]);
}

#[test]
fn a_null_stands_between() {
    check(&[Null, First(0), Null, First(1), First(2), Null]);
    check(&[Null, Null]);
}

#[test]
fn a_sentinel_was_between() {
    check(&[First(0), First(1), First(2), Null, First(4), First(5)]);
    check(&[First(2), First(4), First(6)]);
}

#[test]
fn empty_texts() {
    check(&[First(1), First(1), Literal(""), First(0), Literal(""), First(1), Made(""), First(2), Second(3), First(3)]);
    check(&[Literal(""), Made("")]);
}

#[test]
fn the_same_text_twice_or_an_earlier_one() {
    check(&[First(0), First(0), First(2), First(2), First(4), First(4), First(0), First(1), First(2)]);
}

#[test]
fn texts_of_another_column() {
    check(&[First(0), Second(0), Second(1), First(2), First(3), Second(2), First(4), Second(3), First(5)]);
}

#[test]
fn made_texts_between() {
    check(&[First(0), Made("x"), First(1), First(2), Made("y"), Made("z"), First(3), Literal("w"), First(4)]);
    check(&[Literal("w"), First(0), First(1), Literal("alpha"), First(2)]);
}

#[test]
fn what_begins_within_a_text() {
    check(&[Tail(0), Tail(2), Tail(3), First(4), Tail(4), First(5)]);
    check(&[First(0), Tail(2), First(3)]);
}

#[test]
fn two_texts_in_a_row() {
    check(&[Both(0, 1), Both(2, 3), Both(3, 2), First(3), Both(4, 0)]);
}

#[test]
fn a_run_ends_where_its_column_does() {
    let all = b"home and beyond";
    let (home, beyond) = all.split_at(4);
    assert_eq!(place(home, &all[1..4]), Some(1..4));
    assert_eq!(place(home, &all[1..5]), None);
    assert_eq!(place(&all[1..4], home), None);
    let mut builder = TextBuilder { home, run: 0..4, ..TextBuilder::new(2, &[]) };
    builder.end();
    builder.add(beyond);
    builder.end();
    assert_eq!(builder.finish().unwrap(), TextValues { offsets: vec![0, 4, 15], bytes: all.to_vec() });
}

#[test]
fn every_length_is_appended_whole() {
    let source: Vec<u8> = (0..=255).cycle().take(300).collect();
    let (mut target, mut expected) = (Vec::new(), Vec::new());
    for len in 0..290 {
        let bytes = &source[len % 7..len % 7 + len];
        append(&mut target, bytes);
        expected.extend_from_slice(bytes);
        assert!(target == expected, "{len}");
    }
}
