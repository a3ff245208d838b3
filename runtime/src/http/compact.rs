//! JSON texts as they are kept: compact, in the order in which they came.

use std::borrow::Cow;

/// A JSON text without white space between its parts, its texts as UTF-8 without needless escapes.
pub(super) fn compact(raw: &str) -> Result<Cow<'_, [u8]>, serde_json::Error> {
    if raw.contains('\\') {
        let mut written = Vec::with_capacity(raw.len());
        let mut to = serde_json::Serializer::new(&mut written);
        let mut from = serde_json::Deserializer::from_str(raw);
        return serde_transcode::transcode(&mut from, &mut to).map(|()| Cow::Owned(written));
    }
    // Without a backslash every quote begins or ends a text, so that white space can be told from text by counting.
    let bytes = raw.as_bytes();
    let Some(first) = first_blank(bytes) else { return Ok(Cow::Borrowed(bytes)) };
    let (start, mut rest) = bytes.split_at(first);
    let mut written = Vec::with_capacity(bytes.len());
    written.extend_from_slice(start);
    while !rest.is_empty() {
        let (outside, inside) = rest.split_at(memchr::memchr(b'"', rest).unwrap_or(rest.len()));
        written.extend(outside.iter().filter(|byte| !byte.is_ascii_whitespace()));
        let end = inside.get(1..).and_then(|inside| memchr::memchr(b'"', inside)).map_or(inside.len(), |end| end + 2);
        let (text, after) = inside.split_at(end);
        written.extend_from_slice(text);
        rest = after;
    }
    Ok(Cow::Owned(written))
}

/// The first white space outside texts, in a JSON text without backslashes.
fn first_blank(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..) {
        let quote = memchr::memchr(b'"', rest);
        let outside = rest.get(..quote.unwrap_or(rest.len()))?;
        if let Some(blank) = outside.iter().position(u8::is_ascii_whitespace) {
            return Some(at + blank);
        }
        at += quote? + 1;
        at += memchr::memchr(b'"', bytes.get(at..)?)? + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_compact() {
        for (written, kept) in [
            (r#"{"a":1}"#, r#"{"a":1}"#),
            ("{ \"a b\" : [ 1 , \"c  d\" ] }", r#"{"a b":[1,"c  d"]}"#),
            (r#"{"a": "\u00e9\n"}"#, "{\"a\":\"é\\n\"}"),
            (r#""\ud83d\ude00""#, "\"😀\""),
            ("12", "12"),
            (r#""""#, r#""""#),
            (r#"{"": ""}"#, r#"{"":""}"#),
        ] {
            let kept_now = compact(written).unwrap();
            assert_eq!(std::str::from_utf8(&kept_now).unwrap(), kept, "{written}");
        }
        assert!(compact(r#""\ud83d""#).is_err());
    }
}
