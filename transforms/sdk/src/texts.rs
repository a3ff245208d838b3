//! Texts of an output column as they grow: those that come out as they went in are copied many at once.

use std::ops::Range;

use crate::wit::{Column, TextValues, Values};

/// Texts or byte strings one after another.
///
/// Texts that come out unchanged lie one after another in a column of the input, so a text that begins where the one
/// before it ended only makes the run longer. A run is copied when it breaks, as one stretch of that column's bytes.
#[derive(Debug)]
pub struct TextBuilder<'a> {
    offsets: Vec<u32>,
    bytes: Vec<u8>,
    input: &'a [Column],
    /// The bytes of the input's column where the latest run lies.
    home: &'a [u8],
    /// What of them comes after `bytes`, and is not copied yet.
    run: Range<usize>,
}

impl<'a> TextBuilder<'a> {
    /// An empty column that expects `rows` texts, many of which may be texts of `input`.
    pub(crate) fn new(rows: usize, input: &'a [Column]) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { offsets, bytes: Vec::new(), input, home: &[], run: 0..0 }
    }

    /// How many texts have ended.
    pub(crate) fn count(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Adds to the row that is being written what may be a text of the input.
    #[inline(always)]
    pub(crate) fn add(&mut self, text: &[u8]) {
        // Where an address lies within a column's bytes, what is there is the text: both are borrowed for reading.
        let start = text.as_ptr().addr().wrapping_sub(self.home.as_ptr().addr());
        if start == self.run.end && text.len() <= self.home.len() - start {
            self.run.end += text.len();
        } else {
            self.begin(text);
        }
    }

    /// Adds to the row that is being written what is no text of the input.
    #[inline(always)]
    pub(crate) fn add_made(&mut self, text: &[u8]) {
        self.copy_run();
        self.make_room(text.len());
        append(&mut self.bytes, text);
    }

    /// Ends the row that is being written.
    #[inline(always)]
    pub(crate) fn end(&mut self) {
        // A length beyond u32 is found when the column is finished.
        self.offsets.push((self.bytes.len() + self.run.len()) as u32);
    }

    /// The column, once all rows are in.
    pub(crate) fn finish(mut self) -> Result<TextValues, String> {
        self.copy_run();
        match u32::try_from(self.bytes.len()) {
            Ok(_) => Ok(TextValues { offsets: self.offsets, bytes: self.bytes }),
            Err(_) => Err("has grown beyond 4 GiB".to_owned()),
        }
    }

    /// Begins a run with a text that does not follow the one before it, or copies it if it is none of the input.
    #[inline(never)]
    fn begin(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        if let Some(run) = place(self.home, text) {
            self.copy_run();
            self.run = run;
            return;
        }
        let found = self.input.iter().filter_map(bytes_of).find_map(|home| Some((home, place(home, text)?)));
        match found {
            Some((home, run)) => {
                self.copy_run();
                (self.home, self.run) = (home, run);
            }
            None => self.add_made(text),
        }
    }

    /// Copies the run, if there is one; what is added next does not continue it.
    #[inline(always)]
    fn copy_run(&mut self) {
        if self.run.is_empty() {
            return;
        }
        let broken = self.home.len()..self.home.len();
        let run = self.home.get(std::mem::replace(&mut self.run, broken)).unwrap_or_default();
        self.make_room(run.len());
        append(&mut self.bytes, run);
    }

    #[inline(always)]
    fn make_room(&mut self, more: usize) {
        if self.bytes.capacity() - self.bytes.len() < more {
            self.grow(more);
        }
    }

    /// Makes room for all the rows that are expected, should they be as long as those so far.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        let done = self.offsets.len();
        let ahead = (self.bytes.len() + more) / done * (self.offsets.capacity() - done);
        self.bytes.reserve(more + ahead + ahead / 8);
    }
}

/// The texts of a column of the input, if it has texts.
fn bytes_of(column: &Column) -> Option<&[u8]> {
    match &column.values {
        Values::Texts(texts) | Values::Bytes(texts) | Values::Json(texts) => Some(&texts.bytes),
        Values::TextLists(lists) => Some(&lists.items.bytes),
        _ => None,
    }
}

/// Where in `home` a text lies, by its address.
fn place(home: &[u8], text: &[u8]) -> Option<Range<usize>> {
    let start = text.as_ptr().addr().wrapping_sub(home.as_ptr().addr());
    let end = start.checked_add(text.len())?;
    if end <= home.len() { Some(start..end) } else { None }
}

/// Above this a call to copy pays for itself: within a component it leaves WebAssembly.
const SHORT: usize = 128;

/// Appends bytes that are mostly short: in steps of 16, the last of which may lie over the one before it.
#[inline(always)]
fn append(target: &mut Vec<u8>, bytes: &[u8]) {
    let whole = target.len() + bytes.len();
    if bytes.len() > SHORT {
        target.extend_from_slice(bytes);
    } else if let Some(last) = bytes.last_chunk::<16>() {
        let (steps, _) = bytes.as_chunks::<16>();
        for step in steps {
            target.extend_from_slice(step);
        }
        target.truncate(whole - 16);
        target.extend_from_slice(last);
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        target.extend_from_slice(first);
        target.truncate(whole - 8);
        target.extend_from_slice(last);
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        target.extend_from_slice(first);
        target.truncate(whole - 4);
        target.extend_from_slice(last);
    } else {
        for &byte in bytes {
            target.push(byte);
        }
    }
}

#[cfg(test)]
mod tests;
