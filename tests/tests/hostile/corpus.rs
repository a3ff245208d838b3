//! The entries of `tests/hostile/*.wat`, read as its README says.

use std::fs;
use std::path::{Path, PathBuf};

use tidemill_tests::guest::{self, Places};
use tidemill_tests::place::root;

/// The file that names the entries of a folder.
const LIST: &str = "entries";

/// A hostile component, with what has to come of it.
pub(crate) struct Entry {
    /// Its name, with that of the class before it.
    pub(crate) name: String,
    /// `fine`, or where it ends and with which kind of failure: `load`, `start`, `apply trap`.
    pub(crate) ends: String,
    /// Some words of the message.
    pub(crate) words: String,
    pub(crate) bytes: Vec<u8>,
}

impl Entry {
    pub(crate) fn new(name: &str, expected: &str, bytes: Vec<u8>) -> Self {
        let (ends, words) = expected.split_once(": ").unwrap_or((expected.trim_end_matches(':'), ""));
        Self { name: name.to_owned(), ends: ends.to_owned(), words: words.to_owned(), bytes }
    }
}

/// An entry that was made and lies in a folder.
pub(crate) struct Kept {
    name: String,
    expected: String,
    file: PathBuf,
}

impl Kept {
    pub(crate) fn read(&self) -> Entry {
        Entry::new(&self.name, &self.expected, fs::read(&self.file).expect("the entry's file"))
    }
}

/// Writes entries into a folder.
pub(crate) fn keep(folder: &Path, entries: &[Entry]) {
    let mut list = String::new();
    for (at, entry) in entries.iter().enumerate() {
        fs::write(folder.join(format!("{at}.wasm")), &entry.bytes).expect("the entry's file");
        list.push_str(&format!("{}\t{}: {}\n", entry.name, entry.ends, entry.words));
    }
    fs::write(folder.join(LIST), list).expect("the list");
}

/// The entries that were written into a folder.
pub(crate) fn kept(folder: &Path) -> Vec<Kept> {
    let list = fs::read_to_string(folder.join(LIST)).expect("the list");
    let parts = list.lines().filter_map(|line| line.split_once('\t')).enumerate();
    let kept = parts.map(|(at, (name, expected))| Kept {
        name: name.to_owned(),
        expected: expected.to_owned(),
        file: folder.join(format!("{at}.wasm")),
    });
    kept.collect()
}

/// All entries that are written down, by class.
pub(crate) fn read() -> Vec<Entry> {
    let classes = ["time", "memory", "results", "load", "escape", "protocol"];
    classes.into_iter().flat_map(class).collect()
}

fn class(class: &str) -> Vec<Entry> {
    let file = root().join("tests/hostile").join(class).with_extension("wat");
    let text = fs::read_to_string(file).expect("the class's file");
    text.split("\n;; ## ").skip(1).map(|text| entry(class, text)).collect()
}

fn entry(class: &str, text: &str) -> Entry {
    let (name, rest) = text.split_once("\n;; -> ").expect("a name, then what comes of it");
    let (expected, rest) = rest.split_once('\n').expect("what comes of it, on a line");
    let places: Places = rest.split(";; @").skip(1).filter_map(|place| place.split_once('\n')).map(owned).collect();
    let name = format!("{class}/{name}");
    let bytes = guest::component(&places).unwrap_or_else(|cause| panic!("{name}: {cause}"));
    Entry::new(&name, expected, bytes)
}

fn owned((place, text): (&str, &str)) -> (String, String) {
    (place.to_owned(), text.trim_end().to_owned())
}
