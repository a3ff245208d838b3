//! Records as they come out of a topic: many in one buffer, each with its offset, time, key, value and headers.

use std::ops::Range;
use std::thread::Thread;

use crate::error::Result;
use crate::time::Timestamp;

/// One record, borrowed from its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place in the partition.
    pub offset: u64,
    /// When it was appended.
    pub time: Timestamp,
    /// Its key, if it has one; an empty key is a key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone, an empty value is a value.
    pub value: Option<&'a [u8]>,
    /// Its headers as stored; [`headers`] reads them.
    pub headers: &'a [u8],
}

impl Record<'_> {
    /// The bytes that it holds, without what frames them.
    pub fn bytes(&self) -> usize {
        self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len) + self.headers.len()
    }
}

/// A run of records of one partition, by rising offset, all in one buffer that is used again and again.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    data: Vec<u8>,
    spans: Vec<Span>,
}

/// Where a record lies in its batch's buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The record's offset.
    pub offset: u64,
    /// Its append time.
    pub time: Timestamp,
    /// Its key's bytes, if it has a key.
    pub key: Option<Range<u32>>,
    /// Its value's bytes, unless it is a tombstone.
    pub value: Option<Range<u32>>,
    /// Its headers' bytes.
    pub headers: Range<u32>,
}

impl Batch {
    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.data.clear();
        self.spans.clear();
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// How many bytes its records take.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The record at `index`, counted from the first in the batch.
    pub fn get(&self, index: usize) -> Option<Record<'_>> {
        self.spans.get(index).map(|span| self.at(span))
    }

    /// The records in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.spans.iter().map(|span| self.at(span))
    }

    /// The records of a stretch in order; none where the batch does not reach.
    pub fn range(&self, indexes: Range<usize>) -> impl Iterator<Item = Record<'_>> {
        self.spans.get(indexes).unwrap_or_default().iter().map(|span| self.at(span))
    }

    /// Copies a record to the end.
    pub fn push(&mut self, record: Record<'_>) {
        let key = record.key.map(|bytes| self.keep(bytes));
        let value = record.value.map(|bytes| self.keep(bytes));
        let headers = self.keep(record.headers);
        self.spans.push(Span { offset: record.offset, time: record.time, key, value, headers });
    }

    /// Lets `fill` append bytes to the buffer, and spans that lie inside it; an error leaves the batch as it was.
    ///
    /// `fill` is given the buffer and the list; what it found in the buffer before stays untouched.
    pub fn extend(&mut self, fill: impl FnOnce(&mut Vec<u8>, &mut Vec<Span>) -> Result<()>) -> Result<()> {
        let (bytes, records) = (self.data.len(), self.spans.len());
        let filled = fill(&mut self.data, &mut self.spans);
        if filled.is_err() {
            self.data.truncate(bytes);
            self.spans.truncate(records);
        }
        filled
    }

    fn at(&self, span: &Span) -> Record<'_> {
        let bytes = |range: &Range<u32>| self.data.get(range.start as usize..range.end as usize).unwrap_or_default();
        Record {
            offset: span.offset,
            time: span.time,
            key: span.key.as_ref().map(bytes),
            value: span.value.as_ref().map(bytes),
            headers: bytes(&span.headers),
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<u32> {
        let start = self.data.len() as u32;
        self.data.extend_from_slice(bytes);
        start..self.data.len() as u32
    }
}

/// A partition as a worker reads it; an implementation a backend.
pub trait Source: Send {
    /// Appends the next records to `batch`, about `bytes_max` of them and at least one, and moves on; adds none when there are none yet.
    fn read(&mut self, batch: &mut Batch, bytes_max: usize) -> Result<()>;

    /// Goes to `offset`: the next read begins there. No record gets an earlier time than `floor`, up to which time has
    /// come before. Where the offset is no longer kept, this or the next read fails with `Kind::Missing`.
    fn seek(&mut self, offset: u64, floor: Timestamp) -> Result<()>;

    /// The offset after the last that can be read now, where it is known.
    fn end(&self) -> Option<u64>;

    /// The thread to unpark when there is more to read.
    fn wake(&mut self, reader: Thread);

    /// A time before which no record can come any more, given that all up to `next` were read and it is `now`;
    /// `None` while there is more to read, or where the backend cannot promise it.
    fn settled(&mut self, next: u64, now: Timestamp) -> Option<Timestamp>;
}

/// Writes a header after those in `into`: two lengths (u32, little endian; `u32::MAX` for no value), then the bytes.
pub fn push_header(into: &mut Vec<u8>, name: &[u8], value: Option<&[u8]>) {
    into.extend_from_slice(&(name.len() as u32).to_le_bytes());
    into.extend_from_slice(&value.map_or(u32::MAX, |v| v.len() as u32).to_le_bytes());
    into.extend_from_slice(name);
    into.extend_from_slice(value.unwrap_or_default());
}

/// Reads headers as [`push_header`] wrote them; stops at the first that is cut short.
pub fn headers(mut stored: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    std::iter::from_fn(move || {
        let (name_len, rest) = stored.split_first_chunk::<4>()?;
        let (value_len, rest) = rest.split_first_chunk::<4>()?;
        let (name, rest) = rest.split_at_checked(u32::from_le_bytes(*name_len) as usize)?;
        let value_len = u32::from_le_bytes(*value_len);
        let (value, rest) = rest.split_at_checked(if value_len == u32::MAX { 0 } else { value_len as usize })?;
        stored = rest;
        Some((name, (value_len != u32::MAX).then_some(value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_was_pushed() {
        let mut stored = Vec::new();
        push_header(&mut stored, b"a", Some(b"1"));
        push_header(&mut stored, b"b", None);
        let record = Record { offset: 7, time: Timestamp(3), key: Some(b""), value: None, headers: &stored };
        let mut batch = Batch::default();
        batch.push(record);
        batch.push(Record { offset: 9, key: None, value: Some(b"v"), ..record });
        assert_eq!(batch.get(0), Some(record));
        assert_eq!(batch.iter().map(|r| r.offset).collect::<Vec<_>>(), [7, 9]);
        assert_eq!(headers(&stored).collect::<Vec<_>>(), [(&b"a"[..], Some(&b"1"[..])), (b"b", None)]);
    }

    #[test]
    fn a_failed_fill_leaves_nothing() {
        let mut batch = Batch::default();
        let failed = batch.extend(|data, _| {
            data.push(1);
            Err(crate::error::Error::new(crate::error::Kind::Corrupt, "frame: cut"))
        });
        assert!(failed.is_err() && batch.bytes() == 0);
    }
}
