//! Faults of a pipeline file: what is wrong, where it stands, what to write instead.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, Kind};

/// One fault, shown as `pipelines/orders.toml:14:3: tables.pin.window: "10" has no unit; write "10s"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The entry and what is wrong with it.
    pub what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.what)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

/// A point in a file, counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Place {
    /// Where a file begins.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The place of a byte of `text`.
    pub(super) fn of(text: &str, byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Self { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
    }
}

/// Where each entry of a pipeline file stands, by its dotted path: `tables.pin.cache[2]`.
#[derive(Clone, Debug)]
pub struct Places {
    file: PathBuf,
    at: HashMap<String, Place>,
}

impl Places {
    fn new(file: &Path, text: &str, root: &DeTable<'_>) -> Self {
        let mut places = Self { file: file.to_owned(), at: HashMap::new() };
        places.enter(text, "", root);
        places
    }

    /// The place of the entry at `path`, or of the nearest that would hold it.
    pub fn get(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(&place) = self.at.get(path) {
                return place;
            }
            let Some(end) = path.rfind(['.', '[']) else { return Place::START };
            path = path.get(..end).unwrap_or_default();
        }
    }

    /// The fault that the entry at `path` is `wrong`; its hint becomes the suggestion.
    pub fn fault(&self, path: &str, wrong: &Error) -> Fault {
        let suggestion = wrong.next_step().map(str::to_owned);
        Fault { suggestion, ..fault_at(&self.file, self.get(path), format!("{path}: {}", wrong.message())) }
    }

    fn enter(&mut self, text: &str, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = join(path, key.get_ref());
            self.at.insert(path.clone(), Place::of(text, key.span().start));
            match value.get_ref() {
                DeValue::Table(table) => self.enter(text, &path, table),
                DeValue::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        let path = format!("{path}[{index}]");
                        self.at.insert(path.clone(), Place::of(text, item.span().start));
                        if let DeValue::Table(table) = item.get_ref() {
                            self.enter(text, &path, table);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// The faults found so far.
pub(super) struct Faults {
    places: Places,
    // Lines that TOML could not read: what was made of them is a guess, and no ground for further faults.
    broken_lines: BTreeSet<u32>,
    // The line from which a list or an inline table that is not closed swallowed all.
    guess_from: u32,
    found: RefCell<Vec<Fault>>,
}

impl Faults {
    /// Begins with what TOML itself found: one fault a line, since the others there follow from it.
    pub(super) fn new(file: &Path, text: &str, root: &DeTable<'_>, syntax: &[toml::de::Error]) -> Self {
        let swallowed = swallowed_from(text, syntax);
        let mut found = Vec::new();
        if let Some(line) = swallowed {
            let what = "TOML: a list or an inline table before this line is not closed".to_owned();
            let suggestion = Some("write ] or } after its last item".to_owned());
            found.push(Fault { suggestion, ..fault_at(file, Place { line, column: 1 }, what) });
        }
        let (guess_from, mut broken_lines) = (swallowed.unwrap_or(u32::MAX), BTreeSet::from_iter(swallowed));
        for error in syntax {
            let fault = syntax_fault(file, text, error);
            if fault.line < guess_from && broken_lines.insert(fault.line) {
                found.push(fault);
            }
        }
        Self { places: Places::new(file, text, root), broken_lines, guess_from, found: RefCell::new(found) }
    }

    pub(super) fn place(&self, path: &str) -> Place {
        self.places.get(path)
    }

    /// The entry at `path` is wrong.
    pub(super) fn add(&self, path: &str, wrong: &Error) {
        let fault = self.places.fault(path, wrong);
        if fault.line < self.guess_from && !self.broken_lines.contains(&fault.line) {
            self.found.borrow_mut().push(fault);
        }
    }

    /// Something is not where it should be; silent where TOML's own faults may be why.
    pub(super) fn add_astray(&self, path: &str, wrong: &Error) {
        if self.broken_lines.is_empty() {
            self.add(path, wrong);
        }
    }

    /// Where all stands, and the faults by their places.
    pub(super) fn into_parts(self) -> (Places, Vec<Fault>) {
        let mut found = self.found.into_inner();
        found.sort_by_key(|fault| (fault.line, fault.column));
        (self.places, found)
    }
}

/// The first line that TOML took for a part of the list or inline table before it, which has no end.
fn swallowed_from(text: &str, syntax: &[toml::de::Error]) -> Option<u32> {
    let said = |error: &toml::de::Error, words: &[&str]| words.iter().any(|&word| error.message().contains(word));
    if !syntax.iter().any(|error| said(error, &["unclosed array", "unclosed inline table"])) {
        return None;
    }
    let inside = ["`=` in array", "between key-value pairs", "inline table element"];
    let inside = syntax.iter().filter(|error| said(error, &inside));
    inside.map(|error| Place::of(text, error.span().map_or(0, |span| span.start)).line).min()
}

fn syntax_fault(file: &Path, text: &str, error: &toml::de::Error) -> Fault {
    let span = error.span().unwrap_or(0..0);
    let said = error.message().split(", expected").next().unwrap_or_default();
    let (what, suggestion) = match text.get(span.clone()).unwrap_or_default().trim() {
        "" if said.starts_with("string values must be quoted") => ("the value is missing", None),
        bare if said.starts_with("string values must be quoted") => (said, Some(format!("write {bare:?}"))),
        _ => (said, None),
    };
    Fault { suggestion, ..fault_at(file, Place::of(text, span.start), format!("TOML: {what}")) }
}

/// A fault without a suggestion.
pub(super) fn fault_at(file: &Path, place: Place, what: String) -> Fault {
    Fault { file: file.to_owned(), line: place.line, column: place.column, what, suggestion: None }
}

/// What is wrong with an entry, in words that follow its path.
pub(super) fn wrong(what: impl Into<String>) -> Error {
    Error::new(Kind::Input, what)
}

/// The path of `key` in the table at `path`, quoted where TOML would have it so.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}
