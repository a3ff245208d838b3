//! The lines of the log: one for each thing that is noted, whatever it was given to say.

use std::io::{self, Write};

/// Writes a line at a time, with what could end it early or move a terminal's cursor escaped.
pub(super) struct Lines<W> {
    into: W,
    /// Whether colours are written, which begin with an escape.
    ansi: bool,
}

impl<W: Write> Lines<W> {
    /// Lines that go there.
    pub(super) fn new(into: W, ansi: bool) -> Self {
        Self { into, ansi }
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let (text, end) = match line.strip_suffix(b"\n") {
            Some(text) => (text, &b"\n"[..]),
            None => (line, &[][..]),
        };
        let odd = |byte: &u8| byte.is_ascii_control() && !(self.ansi && *byte == 0x1b);
        if !text.iter().any(odd) {
            self.into.write_all(line)?;
            return Ok(line.len());
        }
        let mut escaped = Vec::with_capacity(text.len() + 16);
        for byte in text {
            match odd(byte) {
                true => escaped.extend(byte.escape_ascii()),
                false => escaped.push(*byte),
            }
        }
        escaped.extend_from_slice(end);
        self.into.write_all(&escaped)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line() {
        let check = |ansi: bool, line: &str, expected: &str| {
            let mut written = Vec::new();
            Lines::new(&mut written, ansi).write_all(line.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), expected, "{line:?}");
        };
        check(false, "INFO plain é\n", "INFO plain é\n");
        check(false, "INFO a\r\nINFO b\n", "INFO a\\r\\nINFO b\n");
        check(false, "\x1b[31mred\x07\0\n", "\\x1b[31mred\\x07\\x00\n");
        check(true, "\x1b[31mred\x07\n", "\x1b[31mred\\x07\n");
        check(false, "a\nb", "a\\nb");
    }
}
