//! Text columns from bytes, checked once: the only place with `unsafe`.
#![expect(unsafe_code, reason = "Arrow's own check walks the text a second time; the one here is complete and faster")]

use arrow_array::StringArray;
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use crate::error::{Error, Kind, Result};

/// A text column: row `i` is `bytes[offsets[i]..offsets[i + 1]]`.
///
/// Errors when the offsets do not begin at 0, fall, or end elsewhere than the bytes do; when the bytes
/// are not UTF-8; when an offset cuts a character; when `nulls` is of another length.
pub fn text_column(offsets: Vec<i32>, bytes: Vec<u8>, nulls: Option<NullBuffer>) -> Result<StringArray> {
    let wrong = |what: &str| Error::new(Kind::Input, format!("text column: {what}"));
    let rows = offsets.len().checked_sub(1).ok_or_else(|| wrong("it has no offsets"))?;
    if offsets.first() != Some(&0) || offsets.last().map(|&end| end as usize) != Some(bytes.len()) {
        return Err(wrong("its offsets do not span its bytes"));
    }
    if !offsets.is_sorted() {
        return Err(wrong("its offsets fall"));
    }
    if nulls.as_ref().is_some_and(|nulls| nulls.len() != rows) {
        return Err(wrong("its validity is of another length"));
    }
    let Ok(text) = simdutf8::basic::from_utf8(&bytes) else {
        let at = std::str::from_utf8(&bytes).err().map_or(0, |fault| fault.valid_up_to());
        let row = offsets.partition_point(|&start| start as usize <= at).saturating_sub(1);
        return Err(wrong(&format!("row {row} is not UTF-8")));
    };
    let cut = |&at: &i32| !text.is_char_boundary(at as usize);
    if !text.is_ascii()
        && let Some(row) = offsets.iter().position(cut)
    {
        return Err(wrong(&format!("row {row} begins inside a character")));
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    // SAFETY: the offsets begin at 0, never fall and end with the bytes; the bytes are UTF-8, each offset lies
    // between two characters, and the validity has a bit for each row: all that `StringArray::try_new` checks.
    Ok(unsafe { StringArray::new_unchecked(offsets, Buffer::from_vec(bytes), nulls) })
}

/// A text column while it grows: as only texts go in, nothing has to be checked when it is finished.
#[derive(Debug)]
pub struct TextBuilder {
    ends: Vec<i32>,
    bytes: Vec<u8>,
}

impl Default for TextBuilder {
    fn default() -> Self {
        Self { ends: vec![0], bytes: Vec::new() }
    }
}

impl TextBuilder {
    /// Adds to the row that is open.
    #[inline]
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Ends the row that is open. A column that would be over 2 GiB keeps what it can address.
    #[inline]
    pub fn end_row(&mut self) {
        match i32::try_from(self.bytes.len()) {
            Ok(end) => self.ends.push(end),
            Err(_) => {
                let end = self.ends.last().copied().unwrap_or(0);
                self.bytes.truncate(end as usize);
                self.ends.push(end);
            }
        }
    }

    /// Rows that have ended.
    pub fn rows(&self) -> usize {
        self.ends.len() - 1
    }

    /// Forgets the rows from `rows` on, and the one that is open.
    pub fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows + 1);
        self.bytes.truncate(self.ends.last().map_or(0, |&end| end as usize));
    }

    /// The rows as a column; an open row is forgotten. The next rows begin with as much room as these took.
    ///
    /// Errors when `nulls` is of another length.
    pub fn finish(&mut self, nulls: Option<NullBuffer>) -> Result<StringArray> {
        self.truncate(self.rows());
        if nulls.as_ref().is_some_and(|nulls| nulls.len() != self.rows()) {
            return Err(Error::new(Kind::Input, "text column: its validity is of another length"));
        }
        let room = |len: usize| len + len / 8;
        let mut ends = Vec::with_capacity(room(self.ends.len()));
        ends.push(0);
        let bytes = Vec::with_capacity(room(self.bytes.len()));
        let (ends, bytes) = (std::mem::replace(&mut self.ends, ends), std::mem::replace(&mut self.bytes, bytes));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        // SAFETY: the fields are private, and every method keeps this: `bytes` is one `str` after another, and `ends`
        // begins at 0, never falls, and holds only places where a row of whole `str`s had ended; the last is the length
        // of `bytes`, by the call above. The validity has a bit for each row.
        Ok(unsafe { StringArray::new_unchecked(offsets, Buffer::from_vec(bytes), nulls) })
    }
}

/// The bytes as text, where they are UTF-8.
pub fn utf8(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(offsets: &[i32], bytes: &[u8], rows: Option<&[&str]>) {
        let got = text_column(offsets.to_vec(), bytes.to_vec(), None).ok();
        let got = got.as_ref().map(|column| column.iter().flatten().collect::<Vec<_>>());
        assert_eq!(got.as_deref(), rows, "{offsets:?} over {bytes:?}");
    }

    #[test]
    fn builds_row_by_row() {
        let mut builder = TextBuilder::default();
        for row in [&["a", "é"][..], &[], &["lost"]] {
            row.iter().for_each(|text| builder.push(text));
            builder.end_row();
        }
        builder.truncate(2);
        builder.push("open");
        let column = builder.finish(None).unwrap();
        assert_eq!(column.iter().flatten().collect::<Vec<_>>(), ["aé", ""]);
        builder.push("next");
        builder.end_row();
        assert_eq!(builder.finish(None).unwrap().value(0), "next");
        assert!(builder.finish(Some(NullBuffer::new_null(1))).is_err());
    }

    #[test]
    fn takes_only_what_is_text() {
        check(&[0, 1, 3], "aé".as_bytes(), Some(&["a", "é"]));
        check(&[0], b"", Some(&[]));
        check(&[], b"", None);
        check(&[0, 2, 3], "aé".as_bytes(), None);
        check(&[0, 2], b"\xff\xfe", None);
        check(&[0, 2, 1, 3], b"abc", None);
        check(&[1, 3], b"abc", None);
        check(&[0, 2], b"abc", None);
        check(&[0, -1], b"", None);
    }
}
