//! Texts taken on trust for the sake of speed: the only `unsafe` that is written by hand.
#![cfg_attr(target_arch = "wasm32", allow(unsafe_code, reason = "one line, measured to matter"))]

use std::ops::Range;

/// The bytes of texts one after another, cut by offsets that are known to rise and to stay inside.
///
/// On the host, where anyone may call, they are checked. Within a component they are not, as for every `string` of the
/// component model: a batch comes from the host alone, and the contract has it hand over only texts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<'a>(#[cfg(not(target_arch = "wasm32"))] &'a str, #[cfg(target_arch = "wasm32")] &'a [u8]);

#[cfg(not(target_arch = "wasm32"))]
impl<'a> Bytes<'a> {
    /// Takes bytes that `offsets` cut into texts; an error says what they are.
    pub(crate) fn open(bytes: &'a [u8], offsets: &[u32]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| format!("is not UTF-8: {error}"))?;
        if offsets.iter().any(|&offset| !text.is_char_boundary(offset as usize)) {
            return Err("has an offset within a character".to_owned());
        }
        Ok(Self(text))
    }

    /// The text between two offsets.
    #[inline(always)]
    pub(crate) fn get(self, range: Range<usize>) -> &'a str {
        self.0.get(range).unwrap_or_default()
    }
}

#[cfg(target_arch = "wasm32")]
impl<'a> Bytes<'a> {
    /// Takes bytes that `_offsets` cut into texts.
    pub(crate) fn open(bytes: &'a [u8], _offsets: &[u32]) -> Result<Self, String> {
        Ok(Self(bytes))
    }

    /// The text between two offsets.
    #[inline(always)]
    pub(crate) fn get(self, range: Range<usize>) -> &'a str {
        // SAFETY: the range is cut by two offsets of the column, and the host, from which every column within a component
        // comes, has checked that what lies between two offsets is UTF-8: it lends the values of an Arrow column of texts.
        unsafe { std::str::from_utf8_unchecked(self.0.get(range).unwrap_or_default()) }
    }
}
