//! A scanner over one JSON text: complete in what it checks, without recursion into what nobody asked for.

use memchr::{memchr, memchr2};

use crate::text::{TextBuilder, utf8};

/// How deep arrays and objects may stand in one another.
pub(crate) const DEPTH_MAX: usize = 128;

/// Where and why a text is not JSON, or not what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The byte at which it was seen, from 0.
    pub(crate) at: usize,
    /// What stands there, or what should.
    pub(crate) what: &'static str,
}

/// The kind of the value that comes next, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    List,
    Object,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// A place in one JSON text; each method takes what it names and moves past it.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// No backslash anywhere, so that a quote always ends a text.
    plain: bool,
    /// No control character anywhere, so that none can stand in a text.
    clean: bool,
}

/// Whether texts of one length are the same. Most keys are so short that a call for it would take longer than this.
fn same(one: &[u8], other: &[u8]) -> bool {
    debug_assert_eq!(one.len(), other.len());
    match one.len() {
        // Two stretches that overlap are the whole.
        4..=8 => one.first_chunk::<4>() == other.first_chunk() && one.last_chunk::<4>() == other.last_chunk(),
        9..=16 => one.first_chunk::<8>() == other.first_chunk() && one.last_chunk::<8>() == other.last_chunk(),
        17..=32 => one.first_chunk::<16>() == other.first_chunk() && one.last_chunk::<16>() == other.last_chunk(),
        _ => one == other,
    }
}

type Scanned<T> = Result<T, Wrong>;

impl<'a> Scanner<'a> {
    /// A scanner at the start of `bytes`; refuses what is not UTF-8.
    pub(crate) fn new(bytes: &'a [u8]) -> Scanned<Self> {
        let text = utf8(bytes).ok_or(Wrong { at: 0, what: "it is not UTF-8" })?;
        Ok(Self { text, at: 0, plain: memchr(b'\\', bytes).is_none(), clean: is_clean(bytes) })
    }

    /// Skips white space, then `byte`, if both are there.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        self.blanks();
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// Skips `prefix` as it stands, if it is there.
    pub(crate) fn take_all(&mut self, prefix: &[u8]) -> bool {
        let there = self.rest().get(..prefix.len()).is_some_and(|found| same(found, prefix));
        self.at += if there { prefix.len() } else { 0 };
        there
    }

    /// Takes `byte`, after white space, or says what should stand there.
    pub(crate) fn expect(&mut self, byte: u8, what: &'static str) -> Scanned<()> {
        if self.take(byte) { Ok(()) } else { Err(self.wrong(what)) }
    }

    /// Nothing but white space is left.
    pub(crate) fn end(&mut self) -> Scanned<()> {
        self.blanks();
        if self.at == self.text.len() { Ok(()) } else { Err(self.wrong("something follows the value")) }
    }

    /// What the next value is.
    pub(crate) fn kind(&mut self) -> Scanned<Kind> {
        self.blanks();
        match self.peek() {
            Some(b'"') => Ok(Kind::Text),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b'n') => Ok(Kind::Null),
            Some(b't' | b'f') => Ok(Kind::Boolean),
            Some(b'[') => Ok(Kind::List),
            Some(b'{') => Ok(Kind::Object),
            Some(_) => Err(self.wrong("expected a value")),
            None => Err(self.wrong("it ends where a value should stand")),
        }
    }

    /// A text as it stands between the quotes, and whether there are escapes in it.
    pub(crate) fn text(&mut self) -> Scanned<(&'a str, bool)> {
        self.expect(b'"', "expected a text")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.rest();
            let found = if self.plain { memchr(b'"', rest) } else { memchr2(b'"', b'\\', rest) };
            let Some(found) = found else { return Err(self.wrong("a text does not end")) };
            self.at += found;
            if self.peek() == Some(b'"') {
                break;
            }
            escaped = true;
            self.at += 2; // the backslash and what it escapes, which may be a quote
            if self.at > self.text.len() {
                return Err(Wrong { at: start, what: "a text does not end" });
            }
        }
        let inside = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        if !self.clean && !is_clean(inside.as_bytes()) {
            return Err(Wrong { at: start, what: "a control character stands in a text" });
        }
        Ok((inside, escaped))
    }

    /// Adds a text's characters to the open row of `into`, escapes resolved.
    pub(crate) fn text_into(&mut self, into: &mut TextBuilder) -> Scanned<()> {
        let (inside, escaped) = self.text()?;
        if !escaped {
            into.push(inside);
            return Ok(());
        }
        let start = self.at - 1 - inside.len();
        unescape(inside, |part| into.push(part)).map_err(|what| Wrong { at: start, what })
    }

    /// A text's characters, escapes resolved.
    pub(crate) fn owned_text(&mut self) -> Scanned<String> {
        let (inside, escaped) = self.text()?;
        let mut plain = String::with_capacity(inside.len());
        if escaped {
            let start = self.at - 1 - inside.len();
            unescape(inside, |part| plain.push_str(part)).map_err(|what| Wrong { at: start, what })?;
        } else {
            plain.push_str(inside);
        }
        Ok(plain)
    }

    /// A number's characters.
    pub(crate) fn number(&mut self) -> Scanned<&'a str> {
        self.blanks();
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.take_all(b"0") {
            if self.digits() > 0 {
                return Err(Wrong { at: start, what: "a number begins with a zero" });
            }
        } else if self.digits() == 0 {
            return Err(self.wrong("expected a digit"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.wrong("expected a digit"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return Err(self.wrong("expected a digit"));
            }
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    /// One of the three literals.
    pub(crate) fn literal(&mut self) -> Scanned<Option<bool>> {
        self.blanks();
        for (word, value) in [(&b"null"[..], None), (b"true", Some(true)), (b"false", Some(false))] {
            if self.take_all(word) {
                return Ok(value);
            }
        }
        Err(self.wrong("expected a value"))
    }

    /// Any value, checked and left; gives its bytes as they stand.
    pub(crate) fn skip(&mut self) -> Scanned<&'a str> {
        self.blanks();
        let start = self.at;
        let mut open = Vec::new(); // a bool for each list or object that is open: whether it is an object
        loop {
            match self.kind()? {
                Kind::Text => drop(self.text()?),
                Kind::Number => drop(self.number()?),
                Kind::Null | Kind::Boolean => drop(self.literal()?),
                kind => {
                    self.at += 1;
                    if open.len() == DEPTH_MAX {
                        return Err(self.wrong("it is nested more than 128 deep"));
                    }
                    let object = kind == Kind::Object;
                    if !self.take(if object { b'}' } else { b']' }) {
                        open.push(object);
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
            }
            // A value has ended: what may follow it depends on what it stands in.
            loop {
                let Some(&object) = open.last() else {
                    return Ok(self.text.get(start..self.at).unwrap_or_default());
                };
                if self.take(b',') {
                    if object {
                        self.key()?;
                    }
                    break;
                }
                self.expect(if object { b'}' } else { b']' }, "expected a comma or the end of what is open")?;
                open.pop();
            }
        }
    }

    /// An object's key and the colon after it; the key as it stands, and whether there are escapes in it.
    pub(crate) fn key(&mut self) -> Scanned<(&'a str, bool)> {
        let key = self.text()?;
        self.expect(b':', "expected a colon")?;
        Ok(key)
    }

    /// `what` at this place.
    pub(crate) fn wrong(&self, what: &'static str) -> Wrong {
        Wrong { at: self.at, what }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn digits(&mut self) -> usize {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }
}

/// Whether no byte is a control character. A fold without an early end is what the compiler turns into vector code.
#[inline]
fn is_clean(bytes: &[u8]) -> bool {
    bytes.iter().fold(u8::MAX, |least, &byte| least.min(byte)) >= 0x20
}

/// Hands on the parts of what an escaped text stands for.
pub(crate) fn unescape(mut inside: &str, mut push: impl FnMut(&str)) -> Result<(), &'static str> {
    while let Some((before, rest)) = inside.split_once('\\') {
        push(before);
        let mut after = rest.chars();
        let plain = match after.next().ok_or("an escape is cut short")? {
            '"' => "\"",
            '\\' => "\\",
            '/' => "/",
            'b' => "\u{8}",
            'f' => "\u{c}",
            'n' => "\n",
            'r' => "\r",
            't' => "\t",
            'u' => {
                let (character, rest) = code_point(after.as_str())?;
                inside = rest;
                push(character.encode_utf8(&mut [0; 4]));
                continue;
            }
            _ => return Err("an escape is unknown"),
        };
        push(plain);
        inside = after.as_str();
    }
    push(inside);
    Ok(())
}

/// The character after `\u`, which may be written as two halves, and what follows it.
fn code_point(digits: &str) -> Result<(char, &str), &'static str> {
    const LONE: &str = "half a character is escaped";
    let (high, rest) = four_digits(digits)?;
    if let Some(character) = char::from_u32(high) {
        return Ok((character, rest));
    }
    let (low, rest) = four_digits(rest.strip_prefix("\\u").ok_or(LONE)?)?;
    if !(0xD800..0xDC00).contains(&high) || !(0xDC00..0xE000).contains(&low) {
        return Err(LONE);
    }
    let character = char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).ok_or(LONE)?;
    Ok((character, rest))
}

fn four_digits(digits: &str) -> Result<(u32, &str), &'static str> {
    const WRONG: &str = "an escape is not four hexadecimal digits";
    let (four, rest) = digits.split_at_checked(4).ok_or(WRONG)?;
    let mut value = 0;
    for digit in four.chars() {
        value = value * 16 + digit.to_digit(16).ok_or(WRONG)?;
    }
    Ok((value, rest))
}
