//! Streams of v3 records under bytes that nobody meant.

#![allow(clippy::unwrap_used, reason = "a body may panic: that is how it fails")]

use serde::de::IgnoredAny;

use super::record;
use super::split::{Cut, Splitter};

/// How a stream ended: where it stopped being one, or inside an object, or well.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Stray(usize),
    Inside,
    Well,
}

/// A stream that comes in pieces of as many bytes as its first one says: the same objects as in one piece, and each is a record or refused.
pub(crate) fn stream(bytes: &[u8]) {
    let Some((piece, text)) = bytes.split_first() else { return };
    let whole = objects(text, text.len());
    assert_eq!(objects(text, usize::from(*piece)), whole);
    for object in &whole.0 {
        if let Ok(read) = record::read(object) {
            serde_json::from_slice::<IgnoredAny>(object).unwrap();
            let _ = read.incoming();
        }
    }
}

/// The objects of a stream that comes in pieces of this size, white space before each left out, and how it ends.
pub(super) fn objects(stream: &[u8], piece: usize) -> (Vec<Vec<u8>>, End) {
    let (mut splitter, mut buffer, mut objects, mut taken) = (Splitter::default(), Vec::new(), Vec::new(), 0);
    for bytes in stream.chunks(piece.max(1)) {
        buffer.extend_from_slice(bytes);
        loop {
            match splitter.next(&buffer) {
                Cut::Object(end) => {
                    let object: Vec<u8> = buffer.drain(..end).collect();
                    objects.push(object.trim_ascii().to_vec());
                    taken += end;
                }
                Cut::More => break,
                Cut::Stray(at) => return (objects, End::Stray(taken + at)),
            }
        }
    }
    (objects, if splitter.is_inside() { End::Inside } else { End::Well })
}

/// What the target begins with.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"value":{"type":"JSON","data":{"a":"}\""}},"headers":[{"name":"h","value":"AQI="}],"timestamp":"2026-11-22T21:05:00Z"}"#,
        r#" {"key":{"type":"BINARY","data":"AQI="},"partition_id":1}{"value":{"type":"STRING","data":"\u00e9"}} {}"#,
    ];
    texts.iter().map(|text| [&[3], text.as_bytes()].concat()).collect()
}
