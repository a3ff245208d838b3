//! The payload of a frame: its records one behind the other, each with three lengths in front.
//!
//! | bytes | field |
//! |---|---|
//! | 4 | length of the key, little endian; `u32::MAX` for none |
//! | 4 | length of the value; `u32::MAX` for a tombstone |
//! | 4 | length of the headers |
//! | | key, value, headers |
//!
//! Offsets are not stored: a record's is the frame's base and its place in the frame. So a batch takes the payload
//! as it is, and only the spans are computed.

use std::ops::Range;

use lz4_flex::block;

use super::frame::Header;
use crate::record::Span;

/// The largest payload, decompressed.
pub(super) const BYTES_MAX: usize = 64 << 20;
/// What a record takes besides its own bytes.
pub(super) const RECORD_HEADER_BYTES: usize = 12;

const NONE: u32 = u32::MAX;

/// Writes a record behind those in `into`.
pub(super) fn push(into: &mut Vec<u8>, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[u8]) {
    let len = |bytes: Option<&[u8]>| bytes.map_or(NONE, |bytes| bytes.len() as u32).to_le_bytes();
    into.extend_from_slice(&len(key));
    into.extend_from_slice(&len(value));
    into.extend_from_slice(&len(Some(headers)));
    into.extend_from_slice(key.unwrap_or_default());
    into.extend_from_slice(value.unwrap_or_default());
    into.extend_from_slice(headers);
}

/// Compresses `raw` into `into`; whether that made it smaller.
pub(super) fn compress(raw: &[u8], into: &mut Vec<u8>) -> bool {
    into.resize(block::get_maximum_output_size(raw.len()), 0);
    let written = block::compress_into(raw, into).unwrap_or(usize::MAX);
    into.truncate(written);
    written < raw.len()
}

/// Appends a stored payload, decompressed, to a batch's buffer, and the spans of the records from offset `from` on.
///
/// Says what is wrong where the payload does not hold what `header` promises.
pub(super) fn unpack(
    header: &Header,
    stored: &[u8],
    from: u64,
    data: &mut Vec<u8>,
    spans: &mut Vec<Span>,
) -> Result<(), &'static str> {
    let start = data.len();
    debug_assert!(start + header.raw_bytes <= u32::MAX as usize, "spans are of 32 bits");
    if header.lz4 {
        data.resize(start + header.raw_bytes, 0);
        let written = block::decompress_into(stored, data.get_mut(start..).unwrap_or_default());
        if written.ok() != Some(header.raw_bytes) {
            return Err("its payload does not decompress");
        }
    } else {
        data.extend_from_slice(stored);
    }
    spans.reserve(header.count as usize);
    let mut at = start;
    for offset in header.base..header.end() {
        let (span, next) = span(data, at, offset, header).ok_or("its payload is cut short")?;
        if offset >= from {
            spans.push(span);
        }
        at = next;
    }
    if at == data.len() { Ok(()) } else { Err("its payload is longer than its records") }
}

fn span(data: &[u8], at: usize, offset: u64, header: &Header) -> Option<(Span, usize)> {
    let (key_len, rest) = data.get(at..)?.split_first_chunk::<4>()?;
    let (value_len, rest) = rest.split_first_chunk::<4>()?;
    let (headers_len, _) = rest.split_first_chunk::<4>()?;
    let mut end = at + RECORD_HEADER_BYTES;
    let mut take = |len: &[u8; 4]| -> Option<Range<u32>> {
        let len = Some(u32::from_le_bytes(*len)).filter(|&len| len != NONE)?;
        let begin = end;
        end += len as usize;
        Some(begin as u32..end as u32)
    };
    let (key, value, headers) = (take(key_len), take(value_len), take(headers_len)?);
    (end <= data.len()).then_some((Span { offset, time: header.time, key, value, headers }, end))
}
