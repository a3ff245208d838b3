//! The log on a simulated disk, driven by hand: whatever happens, what was acknowledged or read is there as it was, or an error says that it is not.

mod accidents;
mod errors;
mod power;
mod rot;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::at;
use crate::disk::simulated::{Fault, Simulated, Trouble, number, seeds};
use crate::disk::{self};
use crate::error::{Kind, Result};
use crate::log::options::{Compression, Options};
use crate::log::{Append, Topic, Writer};
use crate::record::{Batch, Source};
use crate::time::Clock;

/// What is known of the records of partition 0.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Acknowledged, or read by someone: an offset and its bytes, for good.
    bound: BTreeMap<u64, String>,
    /// Appends that were sent and not acknowledged: each may be there, whole.
    sent: Vec<Vec<String>>,
}

/// A topic of one partition on a simulated disk.
struct Log {
    disk: Simulated,
    options: Options,
    known: Known,
    open: Option<(Topic, Vec<Writer>)>,
}

/// Small segments, a frame or two each.
fn small_segments() -> Options {
    Options { segment_bytes: 400, compression: Compression::None, ..Options::default() }
}

fn one_segment() -> Options {
    Options { compression: Compression::None, ..Options::default() }
}

impl Log {
    fn new(seed: u64, options: Options) -> Self {
        let disk = Simulated::new(seed);
        disk::create_dir_all(disk.root().join("topics")).unwrap();
        disk::sync_folder(disk.root()).unwrap();
        Self { disk, options, known: Known::default(), open: None }
    }

    /// The disk and what is known, for another future; nobody has it open.
    fn fork(&self) -> Self {
        Self { disk: self.disk.copy(), options: self.options.clone(), known: self.known.clone(), open: None }
    }

    fn open(&mut self) -> Result<()> {
        self.open = None;
        let clock = Arc::new(Clock::manual(at(0)));
        self.open = Some(Topic::recover(&self.disk.root().join("topics"), "pin", &self.options, &clock)?);
        Ok(())
    }

    fn topic(&self) -> &Topic {
        &self.open.as_ref().unwrap().0
    }

    /// Appends together what comes in one group; those that were acknowledged are bound. Whether all were.
    fn append(&mut self, group: &[&[&str]]) -> bool {
        let Some((topic, writers)) = &mut self.open else { return false };
        let mut tickets = Vec::new();
        for values in group {
            let owned = |value: &&str| (*value).to_owned();
            self.known.sent.push(values.iter().map(owned).collect());
            tickets.push(topic.append(0, fill(topic.begin(), values)).ok());
        }
        let sent = self.known.sent.len() - group.len();
        writers.iter_mut().for_each(|writer| while writer.turn() {});
        let mut acknowledged = Vec::new();
        for (nth, (ticket, values)) in tickets.into_iter().zip(group).enumerate() {
            let Some(Some(Ok(appended))) = ticket.map(|mut ticket| ticket.answer()) else { continue };
            for (offset, value) in (appended.first_offset..).zip(values.iter()) {
                let before = self.known.bound.insert(offset, (*value).to_owned());
                assert!(before.is_none(), "offset {offset} was {before:?} and is given to {value:?}");
            }
            acknowledged.push(sent + nth);
        }
        let all = acknowledged.len() == group.len();
        acknowledged.into_iter().rev().for_each(|nth| drop(self.known.sent.remove(nth)));
        all
    }

    /// Ends as a process does that is told to.
    fn close(&mut self) {
        if let Some((topic, mut writers)) = self.open.take() {
            drop(topic.close());
            writers.iter_mut().for_each(|writer| while writer.turn() {});
        }
    }

    /// All that can be read, and what stopped that.
    fn read(&self) -> (BTreeMap<u64, String>, Option<Kind>) {
        let mut rows = BTreeMap::new();
        let mut reader = match self.topic().reader(0, 0) {
            Ok(reader) => reader,
            Err(cause) => return (rows, Some(cause.kind())),
        };
        let mut batch = Batch::default();
        loop {
            batch.clear();
            match reader.read(&mut batch, 1) {
                Err(cause) => return (rows, Some(cause.kind())),
                Ok(()) if batch.is_empty() => return (rows, None),
                Ok(()) => {}
            }
            for record in batch.iter() {
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                assert!(rows.insert(record.offset, value).is_none());
            }
        }
    }

    /// Reads all: nothing that is bound is missing or other than it was, the rest are whole appends that were sent. All of it is
    /// bound from now on.
    fn check(&mut self, what: &str) {
        assert_eq!(self.look(what), None, "{what}");
    }

    /// The same where the disk may refuse to read; what stopped it.
    fn look(&mut self, what: &str) -> Option<Kind> {
        let (rows, stopped) = self.read();
        if stopped.is_some() {
            return stopped;
        }
        for (offset, value) in &self.known.bound {
            assert_eq!(rows.get(offset), Some(value), "{what}: offset {offset}");
        }
        let mut more: Vec<&String> =
            rows.iter().filter(|(offset, _)| !self.known.bound.contains_key(offset)).map(|(_, value)| value).collect();
        for sent in &self.known.sent {
            if more.len() >= sent.len() && more.iter().zip(sent).all(|(found, sent)| *found == sent) {
                more.drain(..sent.len());
            }
        }
        assert!(more.is_empty(), "{what}: nobody sent {more:?}, or not as a whole, or in another order");
        assert!(self.known.bound.keys().all(|&offset| offset < self.topic().end(0)), "{what}");
        self.known.bound = rows;
        if !self.topic().poisoned() {
            // What is not there now has no way back.
            self.known.sent.clear();
        }
        None
    }

    fn segment(&self, base: u64) -> PathBuf {
        self.disk.root().join(format!("topics/pin/0/{base:020}.log"))
    }
}

fn fill(mut append: Append, values: &[&str]) -> Append {
    for value in values {
        append.push(None, Some(value.as_bytes()), b"").unwrap();
    }
    append
}

/// A fault at the `nth` operation from now on.
fn fault(log: &Log, nth: u64, trouble: Trouble, lasting: bool) -> Fault {
    Fault { at: log.disk.operations() + nth, trouble, lasting }
}
