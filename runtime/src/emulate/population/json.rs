//! A JSON object, written field by field.

/// An object under way at the end of a buffer.
pub(super) struct Object<'a> {
    into: &'a mut Vec<u8>,
    before: &'static [u8],
}

impl<'a> Object<'a> {
    /// Begins an object at the end of `into`.
    pub(super) fn new(into: &'a mut Vec<u8>) -> Self {
        Self { into, before: b"{\"" }
    }

    /// A field that `write` writes as it stands in JSON.
    pub(super) fn raw(mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        self.key(key, b"\":");
        write(self.into);
        self
    }

    /// A text field, whose inside `write` writes with [`text`].
    pub(super) fn text(mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        self.key(key, b"\":\"");
        write(self.into);
        self.into.push(b'"');
        self
    }

    /// Ends the object.
    pub(super) fn end(self) {
        self.into.push(b'}');
    }

    fn key(&mut self, key: &str, after: &[u8]) {
        self.into.extend_from_slice(self.before);
        self.into.extend_from_slice(key.as_bytes());
        self.into.extend_from_slice(after);
        self.before = b",\"";
    }
}

/// Appends characters of a text: quotes, backslashes, line ends are escaped, everything else is UTF-8 as it is.
pub(super) fn text(into: &mut Vec<u8>, text: &str) {
    if !text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        into.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => into.extend_from_slice(&[b'\\', byte]),
            b'\n' => into.extend_from_slice(b"\\n"),
            b'\t' => into.extend_from_slice(b"\\t"),
            0..b' ' => into.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => into.push(byte),
        }
    }
}

/// Appends a number's digits.
pub(super) fn number(into: &mut Vec<u8>, number: u64) {
    if number >= 10 {
        self::number(into, number / 10);
    }
    into.push(b'0' + (number % 10) as u8);
}

/// Appends ten-thousandths as a decimal fraction without needless zeros: `-2500` is `-0.25`, `10000` is `1.0`.
pub(super) fn decimal(into: &mut Vec<u8>, ten_thousandths: i64) {
    if ten_thousandths < 0 {
        into.push(b'-');
    }
    let size = ten_thousandths.unsigned_abs();
    number(into, size / 10_000);
    into.push(b'.');
    let mut rest = size % 10_000;
    loop {
        into.push(b'0' + (rest / 1_000) as u8);
        rest = rest % 1_000 * 10;
        if rest == 0 {
            break;
        }
    }
}

/// Appends the low `digits` hexadecimal digits of `bits`.
pub(super) fn hex(into: &mut Vec<u8>, bits: u64, digits: u32) {
    for nth in (0..digits).rev() {
        let digit = (bits >> (4 * nth)) as u8 & 15;
        into.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl FnOnce(&mut Vec<u8>), expected: &str) {
        let mut into = Vec::new();
        write(&mut into);
        assert_eq!(String::from_utf8(into).unwrap(), expected);
    }

    #[test]
    fn writes_json() {
        check(
            |to| Object::new(to).raw("a", |to| number(to, 10_203)).text("b", |to| text(to, "é")).end(),
            r#"{"a":10203,"b":"é"}"#,
        );
        check(|to| text(to, "\"a\\b\"\n\t\u{1}"), "\\\"a\\\\b\\\"\\n\\t\\u0001");
        check(|to| hex(to, 0x12ab, 6), "0012ab");
        for (given, expected) in [(0, "0.0"), (-2_500, "-0.25"), (10_000, "1.0"), (1_797_890, "179.789"), (5, "0.0005")]
        {
            check(|to| decimal(to, given), expected);
        }
    }
}
