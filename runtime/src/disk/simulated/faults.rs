//! What can go wrong: operations that fail or lie, and what a loss of power leaves.

use std::collections::BTreeMap;
use std::path::Path;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Entry, Pending, State, apply, below, bytes};

/// How much of a write reaches the disk at once.
const SECTOR_BYTES: u64 = 512;

/// Something that goes wrong at an operation, counted from 1; or at it and at all after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) at: u64,
    pub(crate) trouble: Trouble,
    pub(crate) lasting: bool,
}

/// How an operation goes wrong; what cannot go wrong in this way goes well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It fails with this error of the system. A sync that fails calls what it could not keep clean.
    Error(i32),
    /// A write writes less than it was given.
    Short,
    /// A sync answers well and keeps nothing.
    Lie,
    /// A write reaches the page cache and never the disk, whoever syncs it.
    Lost,
    /// A write reaches the disk so many bytes behind its place.
    Misdirected(u64),
    /// The process ends in the middle of it.
    Death,
}

/// What a loss of power keeps of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing.
    All,
    /// Those changes, in the order in which they were made, whose bit is set.
    But(u64),
    /// What the seed says: the first changes of each file and folder or any of them, whole or in sectors.
    Random,
}

impl State {
    pub(super) fn lose(&mut self, loss: Loss) {
        let pending = std::mem::take(&mut self.pending);
        let mut random = self.random.clone();
        let mut ordered: BTreeMap<String, Option<u64>> = BTreeMap::new();
        for (nth, change) in pending.into_iter().enumerate() {
            match loss {
                Loss::All => {}
                Loss::But(kept) => {
                    if kept.checked_shr(nth as u32).unwrap_or(0) & 1 == 1 {
                        self.keep(change);
                    }
                }
                Loss::Random => {
                    let of = match &change {
                        Pending::Write { file, .. } | Pending::Length { file, .. } => format!("file {file}"),
                        Pending::Names { folder, .. } => format!("folder {folder:?}"),
                    };
                    // A file's or folder's changes stay in their order up to some point, or each by itself.
                    let first = |random: &mut ChaCha8Rng| random.random::<bool>().then(|| below(random, 6));
                    let left = ordered.entry(of).or_insert_with(|| first(&mut random));
                    match left {
                        Some(0) => {}
                        Some(left) => {
                            *left -= 1;
                            let torn = *left == 0 && random.random();
                            self.keep_some(change, torn, &mut random);
                        }
                        None if random.random() => {
                            let torn = random.random_range(0..3) == 0;
                            self.keep_some(change, torn, &mut random);
                        }
                        None => {}
                    }
                }
            }
        }
        self.random = random;
        self.files.iter_mut().for_each(|file| file.cached.clone_from(&file.durable));
        self.names = self.durable_names.clone();
        // What lies in a folder that is gone cannot be reached.
        let names = self.names.clone();
        let reached = |path: &Path| path.ancestors().skip(1).all(|folder| names.get(folder) == Some(&Entry::Folder));
        self.names.retain(|path, _| reached(path));
        self.durable_names = self.names.clone();
    }

    pub(super) fn keep(&mut self, change: Pending) {
        match change {
            Pending::Write { file, at, bytes } => bytes::write(&mut self.files[file].durable, at, &bytes),
            Pending::Length { file, bytes } => self.files[file].durable.resize(bytes as usize, 0),
            Pending::Names { set, .. } => apply(&mut self.durable_names, &set),
        }
    }

    /// Keeps a change, a torn one only in part: some sectors of a write, others as whatever lay there before.
    fn keep_some(&mut self, change: Pending, torn: bool, random: &mut ChaCha8Rng) {
        let Pending::Write { file, at, bytes } = change else { return self.keep(change) };
        if !torn {
            return self.keep(Pending::Write { file, at, bytes });
        }
        let durable = &mut self.files[file].durable;
        let end = at + bytes.len() as u64;
        if random.random() {
            // The size arrived, and the bytes are those of an older file, or none.
            let before = durable.len();
            durable.resize(before.max(end as usize), 0);
            if random.random() {
                durable.iter_mut().skip(before).for_each(|byte| *byte = random.random());
            }
        }
        let cut = if random.random() { below(random, bytes.len() as u64 + 1) } else { bytes.len() as u64 };
        let mut from = 0;
        while from < cut {
            let to = ((at + from) / SECTOR_BYTES + 1) * SECTOR_BYTES - at;
            let to = to.min(cut);
            // Cut off, it is kept up to there; else any sector may be missing.
            if cut < bytes.len() as u64 || random.random() {
                bytes::write(durable, at + from, &bytes[from as usize..to as usize]);
            }
            from = to;
        }
    }
}
