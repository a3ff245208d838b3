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
    let text = simdutf8::basic::from_utf8(&bytes).map_err(|_| wrong("it is not UTF-8"))?;
    if !text.is_ascii() && !offsets.iter().all(|&at| text.is_char_boundary(at as usize)) {
        return Err(wrong("an offset cuts a character"));
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    // SAFETY: the offsets begin at 0, never fall and end with the bytes; the bytes are UTF-8, each offset lies
    // between two characters, and the validity has a bit for each row: all that `StringArray::try_new` checks.
    Ok(unsafe { StringArray::new_unchecked(offsets, Buffer::from_vec(bytes), nulls) })
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
