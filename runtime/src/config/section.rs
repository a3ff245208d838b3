//! A table of the file as it is read: each key asked for once, each value's type checked, the rest unknown.

mod bounds;

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::error::{Error, Result};

use super::fault::{Faults, join, wrong};
use super::{names, units};

/// A table of the file. A reading method gives `None` where the key is absent, and also, with a fault, where its value is wrong.
pub(super) struct Section<'a> {
    path: String,
    table: Option<&'a DeTable<'a>>,
    faults: &'a Faults,
    asked: RefCell<Vec<&'static str>>,
}

/// An item of an array that has texts and tables.
pub(super) enum Item<'a> {
    /// A text, with the dotted path of its place.
    Text { path: String, text: String },
    /// A table.
    Section(Section<'a>),
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(table: &'a DeTable<'a>, faults: &'a Faults) -> Self {
        Self::new(String::new(), Some(table), faults)
    }

    fn new(path: String, table: Option<&'a DeTable<'a>>, faults: &'a Faults) -> Self {
        Self { path, table, faults, asked: RefCell::default() }
    }

    /// The dotted path of `key` in it.
    pub(super) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Says that what `key` holds is wrong.
    pub(super) fn wrong(&self, key: &str, wrong: &Error) {
        self.faults.add(&self.path_of(key), wrong);
    }

    /// Says that the entry at `path`, wherever it is, is wrong.
    pub(super) fn wrong_at(&self, path: &str, wrong: &Error) {
        self.faults.add(path, wrong);
    }

    /// Says that the entry at `path` does not go with others; silent where TOML's own faults may be why.
    pub(super) fn astray_at(&self, path: &str, wrong: &Error) {
        self.faults.add_astray(path, wrong);
    }

    /// The same of what `key` holds.
    pub(super) fn astray(&self, key: &str, wrong: &Error) {
        self.astray_at(&self.path_of(key), wrong);
    }

    /// Says why `key` cannot be here, where it is.
    pub(super) fn refuse(&self, key: &'static str, wrong: &Error) {
        if self.has(key) {
            self.asked.borrow_mut().push(key);
            self.wrong(key, wrong);
        }
    }

    /// Says what is wrong with the section's own name, if something is.
    pub(super) fn judge_name(&self, result: Result<()>) {
        if let Err(error) = result {
            self.faults.add(&self.path, &error);
        }
    }

    /// Says what is wrong with the value of `key`, if something is.
    pub(super) fn judge<T>(&self, key: &str, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.wrong(key, &error)).ok()
    }

    /// Whether `key` is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Whether it is absent or holds nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_none_or(DeTable::is_empty)
    }

    /// Whether `key` holds a list without an item.
    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        let value = self.table.and_then(|table| table.get(key));
        value.is_some_and(|value| matches!(value.get_ref(), DeValue::Array(items) if items.is_empty()))
    }

    /// Sorts what has a path by where that stands.
    pub(super) fn sort_by_place<T>(&self, named: &mut [(T, String)]) {
        named.sort_by_key(|(_, path)| self.faults.place(path));
    }

    /// Says that `key` is missing if it is; silent where the section itself is.
    pub(super) fn need(&self, key: &'static str, example: &str) {
        if self.table.is_some() && !self.has(key) {
            let (path, what) = match self.path.as_str() {
                "" => (key, "the section is missing".to_owned()),
                path => (path, format!("{key:?} is missing")),
            };
            self.faults.add_astray(path, &wrong(what).hint(format!("write {example}")));
        }
    }

    /// A text.
    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        let value = self.get(key)?;
        let DeValue::String(text) = value.get_ref() else { return self.type_fault(key, value, "a text") };
        Some(text.clone().into_owned())
    }

    /// A list of texts; empty where absent.
    pub(super) fn texts(&self, key: &'static str) -> Vec<String> {
        let mut texts = Vec::new();
        let Some(value) = self.get(key) else { return texts };
        let DeValue::Array(items) = value.get_ref() else {
            self.type_fault::<()>(key, value, "a list of texts");
            return texts;
        };
        for (index, item) in items.iter().enumerate() {
            match item.get_ref() {
                DeValue::String(text) => texts.push(text.clone().into_owned()),
                other => self.faults.add(&format!("{}[{index}]", self.path_of(key)), &not_a("a text", other)),
            }
        }
        texts
    }

    /// A whole number within `range`.
    pub(super) fn number(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.get(key)?;
        let DeValue::Integer(number) = value.get_ref() else { return self.type_fault(key, value, "a whole number") };
        let inside = integer(number).and_then(|number| u64::try_from(number).ok()).filter(|n| range.contains(n));
        if inside.is_none() {
            let bounds = format!("{number} is not within {} and {}", range.start(), range.end());
            self.wrong(key, &wrong(bounds));
        }
        inside
    }

    /// True or false.
    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        let DeValue::Boolean(flag) = value.get_ref() else { return self.type_fault(key, value, "true or false") };
        Some(*flag)
    }

    /// A duration of at least `min`.
    pub(super) fn duration(&self, key: &'static str, min: Duration) -> Option<Duration> {
        let found = self.measured(key, "a duration such as \"10s\"", units::duration)?;
        if found < min {
            let bound = format!("{} is less than {}", units::show_duration(found), units::show_duration(min));
            self.wrong(key, &wrong(bound));
            return None;
        }
        Some(found)
    }

    /// A size in bytes within `range`.
    pub(super) fn size(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let found = self.measured(key, "a size such as \"8MiB\"", units::size)?;
        if !range.contains(&found) {
            let (min, max) = (units::show_size(*range.start()), units::show_size(*range.end()));
            self.wrong(key, &wrong(format!("{} is not within {min} and {max}", units::show_size(found))));
            return None;
        }
        Some(found)
    }

    /// A size in bytes within `range`, where it must fit in memory.
    pub(super) fn memory(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<usize> {
        self.size(key, range).and_then(|bytes| usize::try_from(bytes).ok())
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let word = self.text(key)?;
        let found = choices.iter().find(|(name, _)| *name == word).map(|(_, choice)| *choice);
        if found.is_none() {
            let known = choices.iter().map(|(name, _)| *name);
            self.wrong(key, &wrong(format!("{word:?} is not known")).hint(names::meant(&word, known)));
        }
        found
    }

    /// A table; an empty one where absent.
    pub(super) fn section(&self, key: &'static str) -> Section<'a> {
        let table = self.get(key).and_then(|value| match value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => self.type_fault(key, value, "a table"),
        });
        Section::new(self.path_of(key), table, self.faults)
    }

    /// The tables in an array of tables.
    pub(super) fn items(&self, key: &'static str) -> Vec<Section<'a>> {
        let items = self.array(key, "an array of tables").into_iter();
        items.filter_map(|(path, item)| self.item(path, item, "a table")).collect()
    }

    /// The items of an array, each a text or a table.
    pub(super) fn texts_or_items(&self, key: &'static str) -> Vec<Item<'a>> {
        let mut found = Vec::new();
        for (path, item) in self.array(key, "a list of texts or tables") {
            match item {
                DeValue::String(text) => found.push(Item::Text { path, text: text.clone().into_owned() }),
                other => found.extend(self.item(path, other, "a text or a table").map(Item::Section)),
            }
        }
        found
    }

    fn array(&self, key: &'static str, what: &str) -> Vec<(String, &'a DeValue<'a>)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.type_fault::<()>(key, value, what);
            return Vec::new();
        };
        let path = |index| format!("{}[{index}]", self.path_of(key));
        items.iter().enumerate().map(|(index, item)| (path(index), item.get_ref())).collect()
    }

    fn item(&self, path: String, item: &'a DeValue<'a>, what: &str) -> Option<Section<'a>> {
        if let DeValue::Table(table) = item {
            return Some(Section::new(path, Some(table), self.faults));
        }
        self.faults.add(&path, &not_a(what, item));
        None
    }

    /// The tables in this one by their names, in the file's order: `[topics.pin]`, `[topics.geo]`.
    pub(super) fn children(&self) -> Vec<(String, Section<'a>)> {
        let mut children = Vec::new();
        for (name, value) in self.entries() {
            match value {
                DeValue::Table(table) => {
                    let section = Section::new(self.path_of(&name), Some(table), self.faults);
                    children.push((name, section));
                }
                other => self.wrong(&name, &not_a("a table", other)),
            }
        }
        children
    }

    /// The texts in this table by their names, in the file's order.
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (name, value) in self.entries() {
            match value {
                DeValue::String(text) => pairs.push((name, text.clone().into_owned())),
                other => self.wrong(&name, &not_a("a text", other)),
            }
        }
        pairs
    }

    /// This table as a JSON object.
    pub(super) fn json(&self) -> serde_json::Value {
        let mut object = serde_json::Map::new();
        for (name, value) in self.entries() {
            match json(value) {
                Ok(value) => _ = object.insert(name, value),
                Err(error) => self.wrong(&name, &error),
            }
        }
        object.into()
    }

    /// Says which keys nobody asked for.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for (name, _) in self.entries() {
            if !asked.contains(&name.as_str()) {
                let unknown = wrong("unknown key").hint(names::meant(&name, asked.iter().copied()));
                self.faults.add_astray(&self.path_of(&name), &unknown);
            }
        }
    }

    fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().push(key);
        self.table?.get(key)
    }

    fn entries(&self) -> Vec<(String, &'a DeValue<'a>)> {
        let Some(table) = self.table else { return Vec::new() };
        let mut entries: Vec<_> =
            table.iter().map(|(key, value)| (key.get_ref().to_string(), value.get_ref())).collect();
        entries.sort_by_key(|(name, _)| self.faults.place(&self.path_of(name)));
        entries
    }

    fn measured<T>(&self, key: &'static str, what: &str, read: impl Fn(&str) -> Result<T>) -> Option<T> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => self.judge(key, read(text)),
            DeValue::Integer(number) => self.judge(key, read(&number.to_string())),
            _ => self.type_fault(key, value, what),
        }
    }

    fn type_fault<T>(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) -> Option<T> {
        self.wrong(key, &not_a(expected, value.get_ref()));
        None
    }
}

fn not_a(expected: &str, value: &DeValue<'_>) -> Error {
    let got = match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    wrong(format!("it is {got}, not {expected}"))
}

fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn json(value: &DeValue<'_>) -> Result<serde_json::Value> {
    Ok(match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => {
            integer(number).ok_or_else(|| wrong(format!("{number} needs over 64 bits")))?.into()
        }
        DeValue::Float(number) => {
            let finite = number.as_str().parse::<f64>().ok().and_then(serde_json::Number::from_f64);
            finite.ok_or_else(|| wrong(format!("JSON has no number for {number}")))?.into()
        }
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect::<Result<Vec<_>>>()?.into(),
        DeValue::Table(table) => {
            let mut object = serde_json::Map::new();
            for (key, value) in table {
                object.insert(key.get_ref().to_string(), json(value.get_ref())?);
            }
            object.into()
        }
    })
}
