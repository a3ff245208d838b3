//! Objects of JSON one after the other, told apart as their bytes come.

/// Where the next object of a stream ends, as far as its bytes were looked at.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    /// The bytes that were looked at.
    seen: usize,
    /// Braces that are open.
    depth: usize,
    in_text: bool,
    /// The byte before was a backslash in a text.
    escaped: bool,
}

/// What the bytes hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// An object, which ends before this position; white space may stand before it.
    Object(usize),
    /// No whole one yet.
    More,
    /// At this position stands what begins no object.
    Stray(usize),
}

impl Splitter {
    /// Looks on in `bytes`, which begin where the last object ended. After an object the next one's bytes begin behind it.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Cut {
        let mut at = self.seen;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.escaped {
                self.escaped = false;
                at += 1;
                continue;
            }
            if self.in_text {
                let Some(found) = memchr::memchr2(b'"', b'\\', rest) else {
                    at = bytes.len();
                    break;
                };
                self.escaped = rest.get(found) == Some(&b'\\');
                self.in_text = self.escaped;
                at += found + 1;
                continue;
            }
            if self.depth == 0 {
                match rest.iter().position(|byte| !byte.is_ascii_whitespace()) {
                    None => {
                        at = bytes.len();
                        break;
                    }
                    Some(found) if rest.get(found) == Some(&b'{') => {
                        self.depth = 1;
                        at += found + 1;
                    }
                    Some(found) => return Cut::Stray(at + found),
                }
                continue;
            }
            let Some(found) = memchr::memchr3(b'"', b'{', b'}', rest) else {
                at = bytes.len();
                break;
            };
            at += found + 1;
            match rest.get(found) {
                Some(b'"') => self.in_text = true,
                Some(b'{') => self.depth += 1,
                _ => self.depth -= 1,
            }
            if self.depth == 0 {
                *self = Self::default();
                return Cut::Object(at);
            }
        }
        self.seen = at;
        Cut::More
    }

    /// Whether an object has begun.
    pub(super) fn is_inside(&self) -> bool {
        self.depth > 0
    }

    /// So many bytes were taken from the front, none of them of an object.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.seen = self.seen.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fuzz::{End, objects};

    #[test]
    fn wherever_it_is_cut() {
        for (text, expected, end) in [
            ("", &[][..], End::Well),
            (" \r\n\t ", &[], End::Well),
            ("{}", &["{}"], End::Well),
            (r#"{"a":1}{"b":{}} {"c":"}"}"#, &[r#"{"a":1}"#, r#"{"b":{}}"#, r#"{"c":"}"}"#], End::Well),
            (r#"{"a":"\"}"}{"b":"\\"}"#, &[r#"{"a":"\"}"}"#, r#"{"b":"\\"}"#], End::Well),
            (r#"{"a":"é\u007d"}"#, &[r#"{"a":"é\u007d"}"#], End::Well),
            (r#"{"a":1"#, &[], End::Inside),
            (r#"{}{"#, &["{}"], End::Inside),
            ("{} [{}]", &["{}"], End::Stray(3)),
            ("{} 1", &["{}"], End::Stray(3)),
            ("{} }", &["{}"], End::Stray(3)),
            ("{}  ,", &["{}"], End::Stray(4)),
        ] {
            for piece in 1..=text.len().max(1) {
                let found = objects(text.as_bytes(), piece);
                let expected: Vec<Vec<u8>> = expected.iter().map(|object| object.as_bytes().to_vec()).collect();
                assert_eq!((&found.0, &found.1), (&expected, &end), "{text:?} in pieces of {piece}");
            }
        }
    }
}
