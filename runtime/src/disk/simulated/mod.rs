//! A disk in memory that does what disks do to those who trust them.
//!
//! What a program reads and what would survive a loss of power are kept apart, for the bytes of a file, its length and the
//! names in a folder. Until a sync, each change waits by itself: a loss of power keeps any of them, whole or in sectors.

mod bytes;
mod faults;
mod handle;
mod operations;
mod seeds;
mod tests;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::bytes::Bytes;
pub(crate) use self::faults::{Fault, Loss, Trouble};
pub(crate) use self::handle::Handle;
pub(crate) use self::seeds::{number, seeds};

const ROOT: &str = "/simulated";

/// A simulated disk; what is below its root is on it until it is dropped.
#[derive(Debug)]
pub(crate) struct Simulated {
    root: PathBuf,
    disk: Disk,
}

/// The same disk for those who have a path on it.
#[derive(Clone, Debug)]
pub(crate) struct Disk(Arc<Mutex<State>>);

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum How {
    Read,
    Write,
    Create,
    CreateNew,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Folder,
    File(usize),
}

/// Names, by their path from the root, which is the empty one.
type Names = BTreeMap<PathBuf, Entry>;

#[derive(Clone, Debug)]
struct State {
    files: Vec<Bytes>,
    names: Names,
    durable_names: Names,
    /// What was changed and not yet synced, in the order in which it was.
    pending: Vec<Pending>,
    faults: Vec<Fault>,
    operations: u64,
    changes: u64,
    /// Counted up when a process ends, whose handles are void from then on.
    life: u64,
    dead: bool,
    trace: u64,
    random: ChaCha8Rng,
}

#[derive(Clone, Debug)]
enum Pending {
    Write {
        file: usize,
        at: u64,
        bytes: Vec<u8>,
    },
    Length {
        file: usize,
        bytes: u64,
    },
    /// Names of one folder that are set, or taken away, together.
    Names {
        folder: PathBuf,
        set: Vec<(PathBuf, Option<Entry>)>,
    },
}

static DISKS: Mutex<BTreeMap<u64, Disk>> = Mutex::new(BTreeMap::new());

/// The simulated disk that a path leads to.
pub(crate) fn at(path: &Path) -> Option<Disk> {
    let number = path.strip_prefix(ROOT).ok()?.components().next()?.as_os_str().to_str()?.parse().ok()?;
    lock(&DISKS).get(&number).cloned()
}

impl Simulated {
    /// An empty disk; what is left to chance follows the seed.
    pub(crate) fn new(seed: u64) -> Self {
        let names = Names::from([(PathBuf::new(), Entry::Folder)]);
        Self::mount(State {
            files: Vec::new(),
            durable_names: names.clone(),
            names,
            pending: Vec::new(),
            faults: Vec::new(),
            operations: 0,
            changes: 0,
            life: 0,
            dead: false,
            trace: 0,
            random: ChaCha8Rng::seed_from_u64(seed),
        })
    }

    /// The same disk once more, under a root of its own.
    pub(crate) fn copy(&self) -> Self {
        Self::mount(self.disk.state().clone())
    }

    fn mount(state: State) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let disk = Disk(Arc::new(Mutex::new(state)));
        lock(&DISKS).insert(number, disk.clone());
        Self { root: Path::new(ROOT).join(number.to_string()), disk }
    }

    /// The folder that stands for the whole disk.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// How many operations there were.
    pub(crate) fn operations(&self) -> u64 {
        self.disk.state().operations
    }

    /// A number for all operations that there were, in their order: equal where they are.
    pub(crate) fn trace(&self) -> u64 {
        self.disk.state().trace
    }

    /// Lets something go wrong.
    pub(crate) fn fail(&self, fault: Fault) {
        self.disk.state().faults.push(fault);
    }

    /// Lets nothing more go wrong.
    pub(crate) fn heal(&self) {
        self.disk.state().faults.clear();
    }

    /// Whether the process has met its death: nothing it does has an effect any more.
    pub(crate) fn is_dead(&self) -> bool {
        self.disk.state().dead
    }

    /// Ends the process; what it had written stays, as the machine goes on.
    pub(crate) fn kill(&self) {
        let mut state = self.disk.state();
        state.life += 1;
        state.dead = false;
    }

    /// Cuts the power: of what was not synced only that stays which `loss` says.
    pub(crate) fn cut_power(&self, loss: Loss) {
        self.kill();
        self.disk.state().lose(loss);
    }

    /// Lets what is left to chance follow another seed.
    pub(crate) fn reseed(&self, seed: u64) {
        self.disk.state().random = ChaCha8Rng::seed_from_u64(seed);
    }

    /// How many changes and syncs there were.
    pub(crate) fn changes(&self) -> u64 {
        self.disk.state().changes
    }

    /// How many changes are not synced.
    pub(crate) fn pending(&self) -> usize {
        self.disk.state().pending.len()
    }

    /// The bytes of a file, looked at from outside.
    pub(crate) fn bytes(&self, path: &Path) -> Vec<u8> {
        let state = self.disk.state();
        let file = state.file(&inside(path)).unwrap();
        state.files[file].cached.clone()
    }

    /// Sets the bytes of a file from outside: what the program reads, and what is durable.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.disk.state();
        let path = inside(path);
        let file = state.file(&path).unwrap_or_else(|_| state.files.len());
        if file == state.files.len() {
            state.files.push(Bytes::default());
        }
        state.forget(file);
        state.files[file] = Bytes { cached: bytes.to_vec(), durable: bytes.to_vec() };
        let state = &mut *state;
        for names in [&mut state.names, &mut state.durable_names] {
            names.extend(path.ancestors().skip(1).map(|folder| (folder.to_owned(), Entry::Folder)));
            names.insert(path.clone(), Entry::File(file));
        }
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        lock(&DISKS).retain(|_, disk| !Arc::ptr_eq(&disk.0, &self.disk.0));
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

impl State {
    /// Counts an operation and notes it in the trace; an error where it is to fail altogether, or nobody is left to do it.
    fn operate(&mut self, operation: impl Hash) -> io::Result<()> {
        match self.trouble(operation)? {
            Some(Trouble::Error(code)) => Err(io::Error::from_raw_os_error(code)),
            Some(Trouble::Death) => Err(self.die()),
            _ => Ok(()),
        }
    }

    /// The same for who looks at what goes wrong.
    fn trouble(&mut self, operation: impl Hash) -> io::Result<Option<Trouble>> {
        if self.dead {
            return Err(ended());
        }
        self.operations += 1;
        let now = self.operations;
        let mut hasher = DefaultHasher::new();
        (self.trace, operation).hash(&mut hasher);
        self.trace = hasher.finish();
        Ok(self
            .faults
            .iter()
            .find(|fault| fault.at == now || fault.lasting && fault.at < now)
            .map(|fault| fault.trouble))
    }

    fn die(&mut self) -> io::Error {
        self.dead = true;
        ended()
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(Entry::File(file)) => Ok(*file),
            Some(Entry::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn folder_of(&self, path: &Path) -> io::Result<()> {
        let there = path.parent().is_some_and(|folder| self.names.get(folder) == Some(&Entry::Folder));
        if there { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn set_names(&mut self, set: Vec<(PathBuf, Option<Entry>)>) {
        let folder = set.last().and_then(|(path, _)| path.parent()).unwrap_or(Path::new("")).to_owned();
        self.changes += 1;
        apply(&mut self.names, &set);
        self.pending.push(Pending::Names { folder, set });
    }

    fn set_length(&mut self, file: usize, bytes: u64) {
        self.changes += 1;
        self.files[file].cached.resize(bytes as usize, 0);
        self.pending.push(Pending::Length { file, bytes });
    }

    fn write(&mut self, file: usize, at: u64, bytes: &[u8]) {
        self.changes += 1;
        bytes::write(&mut self.files[file].cached, at, bytes);
        self.pending.push(Pending::Write { file, at, bytes: bytes.to_vec() });
    }

    fn sync_file(&mut self, file: usize) {
        self.changes += 1;
        for change in std::mem::take(&mut self.pending) {
            match change {
                Pending::Write { file: of, at, bytes } if of == file => {
                    bytes::write(&mut self.files[file].durable, at, &bytes);
                }
                Pending::Length { file: of, bytes } if of == file => self.files[file].durable.resize(bytes as usize, 0),
                other => self.pending.push(other),
            }
        }
    }

    fn sync_names(&mut self, folder: &Path) {
        self.changes += 1;
        for change in std::mem::take(&mut self.pending) {
            match change {
                Pending::Names { folder: of, set } if of == folder => apply(&mut self.durable_names, &set),
                other => self.pending.push(other),
            }
        }
    }
}

fn apply(names: &mut Names, set: &[(PathBuf, Option<Entry>)]) {
    for (path, entry) in set {
        match entry {
            Some(entry) => names.insert(path.clone(), *entry),
            None => names.remove(path),
        };
    }
}

fn inside(path: &Path) -> PathBuf {
    path.components().skip(3).collect()
}

fn ended() -> io::Error {
    io::Error::other("the process has ended")
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number below `end`.
fn below(random: &mut ChaCha8Rng, end: u64) -> u64 {
    random.random_range(0..end.max(1))
}
