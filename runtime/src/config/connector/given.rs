//! The keys of a connector's configuration, each with its line, each asked for once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::fault::{Fault, Place, fault_at};

/// What was written, less what has been asked for.
pub(super) struct Given {
    file: PathBuf,
    entries: BTreeMap<String, (String, u32)>,
    /// The line of each key, also of those that were asked for.
    lines: BTreeMap<String, u32>,
    faults: RefCell<Vec<Fault>>,
}

impl Given {
    /// Reads properties, or JSON: an object of texts, or one that has it under `config`.
    pub(super) fn read(file: &Path, text: &str) -> Result<Self, Vec<Fault>> {
        let entries = if text.trim_start().starts_with('{') { json(file, text)? } else { properties(text) };
        let lines = entries.iter().map(|(key, (_, line))| (key.clone(), *line)).collect();
        Ok(Self { file: file.to_owned(), entries, lines, faults: RefCell::default() })
    }

    /// A value; it does not count as left any more.
    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        self.entries.remove(key).map(|(value, _)| value)
    }

    /// Whether a key is left.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Whether a key was there.
    pub(super) fn was(&self, key: &str) -> bool {
        self.lines.contains_key(key)
    }

    /// A whole number.
    pub(super) fn number(&mut self, key: &str) -> Option<i64> {
        let value = self.take(key)?;
        let number = value.trim().parse().ok();
        if number.is_none() {
            self.fault(key, &format!("{value:?} is no whole number"));
        }
        number
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.take(key)?;
        let flag = value.trim().to_lowercase().parse().ok();
        if flag.is_none() {
            self.fault(key, &format!("{value:?} is neither true nor false"));
        }
        flag
    }

    /// Takes the keys that begin so.
    pub(super) fn take_all(&mut self, prefix: &str) -> Vec<String> {
        let keys: Vec<String> = self.entries.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
        keys.iter().for_each(|key| drop(self.entries.remove(key)));
        keys
    }

    /// Notes that something would be otherwise here.
    pub(super) fn fault(&self, key: &str, what: &str) {
        let line = self.lines.get(key).copied().unwrap_or(1);
        let fault = fault_at(&self.file, Place { line, column: 1 }, format!("{key}: {what}"));
        self.faults.borrow_mut().push(fault);
    }

    /// What is left is not known, and may change the result.
    pub(super) fn refuse_others(&mut self) {
        for key in std::mem::take(&mut self.entries).into_keys() {
            self.fault(&key, "is not known here; take it out if it changes nothing");
        }
    }

    /// All faults, by their lines.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = self.faults.borrow().clone();
        faults.sort_by_key(|fault| fault.line);
        faults
    }
}

fn json(file: &Path, text: &str) -> Result<BTreeMap<String, (String, u32)>, Vec<Fault>> {
    let wrong = |line: usize, what: String| {
        vec![fault_at(file, Place { line: u32::try_from(line).unwrap_or(1), column: 1 }, what)]
    };
    let whole: serde_json::Value =
        serde_json::from_str(text).map_err(|cause| wrong(cause.line(), format!("JSON: {cause}")))?;
    let inner = whole.get("config").and_then(serde_json::Value::as_object);
    let outer = whole.as_object().into_iter().flatten().filter(|(key, _)| inner.is_none() || *key == "name");
    let mut entries = BTreeMap::new();
    for (key, value) in outer.chain(inner.into_iter().flatten()) {
        let line = text.lines().position(|line| line.contains(&format!("\"{key}\""))).unwrap_or(0) + 1;
        let value = match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Number(_) | serde_json::Value::Bool(_) => value.to_string(),
            other => return Err(wrong(line, format!("{key}: {other} is not a text"))),
        };
        entries.insert(key.clone(), (value, u32::try_from(line).unwrap_or(1)));
    }
    Ok(entries)
}

/// Lines of `key=value` or `key: value`, as Java reads them: `#` and `!` begin comments, a backslash at the end goes on.
fn properties(text: &str) -> BTreeMap<String, (String, u32)> {
    let mut entries = BTreeMap::new();
    let mut lines = text.lines().zip(1..);
    while let Some((first, number)) = lines.next() {
        let mut whole = first.trim().to_owned();
        if whole.is_empty() || whole.starts_with(['#', '!']) {
            continue;
        }
        while whole.ends_with('\\') && !whole.ends_with("\\\\") {
            whole.pop();
            match lines.next() {
                Some((more, _)) => whole.push_str(more.trim_start()),
                None => break,
            }
        }
        let end = whole.find(['=', ':']).unwrap_or(whole.len());
        let (key, rest) = whole.split_at(end);
        entries.insert(unescaped(key.trim()), (unescaped(rest.get(1..).unwrap_or_default().trim()), number));
    }
    entries
}

fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match (character, character == '\\') {
            (_, true) => match rest.next() {
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some('r') => plain.push('\r'),
                Some('u') => {
                    let digits: String = rest.by_ref().take(4).collect();
                    plain.extend(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32));
                }
                Some(other) => plain.push(other),
                None => {}
            },
            (other, false) => plain.push(other),
        }
    }
    plain
}
