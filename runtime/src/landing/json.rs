//! JSON as the Kafka Connect S3 sink writes it: compact, its numbers and escapes in Java's way, keys in the record's own order.

use std::ops::Range;

use hashbrown::HashMap;

use crate::json::{DEPTH_MAX, Kind, Scanner, Wrong, unescape};

/// Members of an object that are compared one by one; where there are more, their keys are hashed.
const MEMBERS_COMPARED: usize = 32;

/// What a value is, once it has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// A value.
    Value,
    /// The word `null` and nothing else, which the sink cannot tell from no value.
    Null,
}

/// Appends a JSON text to `out` in the sink's form. An error says what is wrong with it, and leaves in `out` what it will.
///
/// Of a key that comes twice in an object the last counts, as it does for the sink's map.
pub(super) fn compact(text: &[u8], out: &mut Vec<u8>) -> Result<Written, String> {
    let not_json = |wrong: Wrong| format!("the value is not JSON: at byte {}: {}", wrong.at, wrong.what);
    let mut from = Scanner::new(text).map_err(not_json)?;
    let written = match from.kind().map_err(not_json)? {
        Kind::Null => Written::Null,
        _ => Written::Value,
    };
    value(&mut from, 0, out).and_then(|()| from.end()).map_err(not_json)?;
    Ok(written)
}

/// Appends a text as a JSON string in the sink's form.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    characters(text, out);
    out.push(b'"');
}

fn value(from: &mut Scanner<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), Wrong> {
    let kind = from.kind()?;
    if depth == DEPTH_MAX && matches!(kind, Kind::List | Kind::Object) {
        return Err(from.wrong("it is nested more than 128 deep"));
    }
    match kind {
        Kind::Null | Kind::Boolean => out.extend_from_slice(match from.literal()? {
            None => b"null",
            Some(true) => b"true",
            Some(false) => b"false",
        }),
        Kind::Number => number(from.number()?, out),
        Kind::Text => text(from, out)?,
        Kind::List => list(from, depth + 1, out)?,
        Kind::Object => object(from, depth + 1, out)?,
    }
    Ok(())
}

fn list(from: &mut Scanner<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), Wrong> {
    from.take(b'[');
    out.push(b'[');
    if !from.take(b']') {
        loop {
            value(from, depth, out)?;
            if !from.take(b',') {
                from.expect(b']', "expected a comma or the end of the list")?;
                break;
            }
            out.push(b',');
        }
    }
    out.push(b']');
    Ok(())
}

fn object(from: &mut Scanner<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), Wrong> {
    from.take(b'{');
    out.push(b'{');
    let mut members = Members::default();
    if !from.take(b'}') {
        loop {
            let start = out.len();
            text(from, out)?;
            let key = start..out.len();
            from.expect(b':', "expected a colon")?;
            out.push(b':');
            value(from, depth, out)?;
            members.add(key, out);
            if !from.take(b',') {
                from.expect(b'}', "expected a comma or the end of the object")?;
                break;
            }
            out.push(b',');
        }
    }
    members.leave_out_earlier(out);
    out.push(b'}');
    Ok(())
}

/// The members of an object that were written, as stretches of the output.
#[derive(Default)]
struct Members {
    all: Vec<Member>,
    /// Where each key came last, once they are many.
    hashed: HashMap<Vec<u8>, usize>,
    /// Whether a key came twice.
    doubled: bool,
}

struct Member {
    key: Range<usize>,
    end: usize,
    /// A later one has its key.
    superseded: bool,
}

impl Members {
    fn add(&mut self, key: Range<usize>, out: &[u8]) {
        let bytes = |range: &Range<usize>| out.get(range.clone()).unwrap_or_default();
        let nth = self.all.len();
        let earlier = if nth < MEMBERS_COMPARED {
            self.all.iter().rposition(|member| bytes(&member.key) == bytes(&key))
        } else {
            if nth == MEMBERS_COMPARED {
                self.hashed = self.all.iter().enumerate().map(|(n, member)| (bytes(&member.key).to_vec(), n)).collect();
            }
            self.hashed.insert(bytes(&key).to_vec(), nth)
        };
        if let Some(member) = earlier.and_then(|earlier| self.all.get_mut(earlier)) {
            member.superseded = true;
            self.doubled = true;
        }
        self.all.push(Member { key, end: out.len(), superseded: false });
    }

    fn leave_out_earlier(&self, out: &mut Vec<u8>) {
        let Some(first) = self.all.first().filter(|_| self.doubled) else { return };
        let mut kept = Vec::new();
        for member in self.all.iter().filter(|member| !member.superseded) {
            if !kept.is_empty() {
                kept.push(b',');
            }
            kept.extend_from_slice(out.get(member.key.start..member.end).unwrap_or_default());
        }
        out.truncate(first.key.start);
        out.extend_from_slice(&kept);
    }
}

fn text(from: &mut Scanner<'_>, out: &mut Vec<u8>) -> Result<(), Wrong> {
    let (inside, escaped) = from.text()?;
    out.push(b'"');
    if escaped {
        unescape(inside, |part| characters(part, out)).map_err(|what| from.wrong(what))?;
    } else {
        characters(inside, out);
    }
    out.push(b'"');
    Ok(())
}

/// Appends the characters of a text: those beyond the basic plane as two escapes, the others as they are where that can be.
fn characters(text: &str, out: &mut Vec<u8>) {
    // A fold without an early end is what the compiler turns into vector code.
    let plain = |plain, byte| plain & (0x20..0xF0).contains(&byte) & (byte != b'"') & (byte != b'\\');
    if text.bytes().fold(true, plain) {
        return out.extend_from_slice(text.as_bytes());
    }
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\0'..' ' | '\u{10000}'.. => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.extend_from_slice(format!("\\u{unit:04X}").as_bytes());
                }
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Whole numbers keep their digits; those with a fraction or an exponent become doubles, written as Java writes them.
fn number(digits: &str, out: &mut Vec<u8>) {
    let is_whole = !digits.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    match digits.parse::<f64>() {
        Ok(double) if !is_whole && double.is_finite() => out.extend_from_slice(java_double(double).as_bytes()),
        _ if digits == "-0" => out.push(b'0'),
        // What no double holds keeps its digits too.
        _ => out.extend_from_slice(digits.as_bytes()),
    }
}

/// A double by the rules of Java's `Double.toString`: the fewest digits that tell it from its neighbours, at least one after the
/// point, with an exponent below 0.001 and from ten million on.
fn java_double(double: f64) -> String {
    let shortest = format!("{double:e}");
    // Where one digit would do, Java takes of those with two the nearest.
    let two = format!("{double:.1e}");
    let one_digit = !shortest.contains('.') && two.parse() == Ok(double);
    let shortest = if one_digit { two } else { shortest };
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if double != 0.0 && !(-3..7).contains(&exponent) {
        let point = if mantissa.contains('.') { "" } else { ".0" };
        return format!("{mantissa}{point}E{exponent}");
    }
    let plain = double.to_string();
    let point = if plain.contains('.') { "" } else { ".0" };
    format!("{plain}{point}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_the_sink_does() {
        let check = |text: &str, expected: &str| {
            let mut out = Vec::new();
            let shown = match compact(text.as_bytes(), &mut out) {
                Ok(_) => String::from_utf8(out).unwrap(),
                Err(reason) => reason,
            };
            assert_eq!(shown, expected, "{text}");
        };
        for same in ["{}", "[]", "null", "true", "0", "\"\"", "{\"b\":1,\"a\":[{\"c\":null},false]}", "\"é–Ж\u{2028}\""]
        {
            check(same, same);
        }
        check(" { \"b\" : 1 , \"a\" : [ 1 , 2 ] } \r\n", "{\"b\":1,\"a\":[1,2]}");
        check("\"😀𝐁\"", "\"\\uD83D\\uDE00\\uD835\\uDC01\"");
        check("\"\\ud83d\\ude00\\u00e9\\u0041\"", "\"\\uD83D\\uDE00éA\"");
        check("\"\\u0000\\u001f\\b\\f\\n\\r\\t\\\"\\\\\\/\u{7f}\"", "\"\\u0000\\u001F\\b\\f\\n\\r\\t\\\"\\\\/\u{7f}\"");
        check("{\"k\\u00e9😀\":1}", "{\"ké\\uD83D\\uDE00\":1}");
        check("{\"a\":1,\"b\":2,\"a\":3,\"\\u0061\":4}", "{\"b\":2,\"a\":4}");
        check("{\"a\":1,\"a\":2}", "{\"a\":2}");
        check("[{\"a\":{\"x\":1},\"a\":{}},5]", "[{\"a\":{}},5]");
        check("\"\\ud83d\"", "the value is not JSON: at byte 8: half a character is escaped");
        check("{\"a\":1", "the value is not JSON: at byte 6: expected a comma or the end of the object");
        check("[1,]", "the value is not JSON: at byte 3: expected a value");
        check("1 2", "the value is not JSON: at byte 2: something follows the value");
        check("", "the value is not JSON: at byte 0: it ends where a value should stand");
        check(&"[".repeat(129), "the value is not JSON: at byte 128: it is nested more than 128 deep");
        check(&format!("{}{}", "[".repeat(128), "]".repeat(128)), &format!("{}{}", "[".repeat(128), "]".repeat(128)));
    }

    #[test]
    fn of_many_keys_the_last_counts_too() {
        let many: Vec<String> = (0..100).chain(0..100).map(|key| format!("\"k{key}\":{key}")).collect();
        let mut out = Vec::new();
        compact(format!("{{{}}}", many.join(",")).as_bytes(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("{{{}}}", many[100..].join(",")));
    }

    #[test]
    fn numbers_are_javas() {
        let check = |digits: &str, expected: &str| {
            let mut out = Vec::new();
            number(digits, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{digits}");
        };
        let same =
            ["7528", "-1", "9223372036854775807", "123456789012345678901234567890", "28.4595", "-82.6768", "0.001"];
        for digits in same.iter().chain(&["9999999.0", "1.0E7", "1.234E-5", "-1.5E300", "4.9E-324", "1e999"]) {
            check(digits, digits);
        }
        check("1.50", "1.5");
        check("1e2", "100.0");
        check("1E7", "1.0E7");
        check("12345678.9", "1.23456789E7");
        check("0.00099", "9.9E-4");
        check("-0", "0");
        check("-0.0", "-0.0");
        check("0e5", "0.0");
        check("0.1234567890123456789", "0.12345678901234568");
    }
}
