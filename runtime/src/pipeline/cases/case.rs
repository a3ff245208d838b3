//! A case's folder: what it gives, what it expects.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use super::difference::{differences, is_origin};
use super::input::{self, Step};
use crate::error::{Error, Kind, OrFail, Result, io_kind};

/// The records, a line each.
pub(super) const INPUT: &str = "input.jsonl";
/// The cleaned rows.
pub(super) const ROWS: &str = "expected.jsonl";
/// The records that do not become rows, by their lines in the input, and why.
pub(super) const REJECTED: &str = "rejected.jsonl";
/// The groups of the aggregates, a file each.
pub(super) const AGGREGATES: &str = "aggregates";

/// The lines of a case's files, by the file's path in its folder.
pub(super) type Files = BTreeMap<String, Vec<Line>>;

/// A line of a file: what is expected, or what came.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// Its place in the file, from 1.
    pub(super) number: u64,
    pub(super) fields: Map<String, Json>,
    /// As it is written, a row without its origin.
    pub(super) text: String,
    /// The line of the input that it came from, where that is known.
    pub(super) input: Option<u64>,
}

/// A case of a table.
#[derive(Clone, Debug)]
pub struct Case {
    /// The folder's name.
    pub name: String,
    /// Where it lies.
    pub folder: PathBuf,
    pub(super) input: Vec<Step>,
    /// What it expects, of the files that are there.
    pub(super) files: Files,
}

/// The folders of the cases in `folder`, by name; none where it does not exist.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut cases = Vec::new();
    for entry in folder.read_dir().map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        if path.is_dir() && !name(&path).starts_with('.') {
            cases.push(path);
        }
    }
    cases.sort();
    Ok(cases)
}

impl Case {
    /// Reads a case.
    ///
    /// Errors where it has no input, and where a line cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let input = steps(folder, "the value of a record a line")?;
        if let Some(given) = input.iter().filter_map(Step::record).find(|given| given.table.is_some()) {
            let error = Error::new(Kind::Input, format!("{INPUT}: line {}: a case of a table names none", given.line));
            return Err(error.hint("cases of several tables lie in cases/answers"));
        }
        let mut names = vec![ROWS.to_owned(), REJECTED.to_owned()];
        for entry in folder.join(AGGREGATES).read_dir().into_iter().flatten().flatten() {
            names.push(format!("{AGGREGATES}/{}", name(&entry.path())));
        }
        let mut files = Files::new();
        for file in names.into_iter().filter(|file| file.ends_with(".jsonl") && folder.join(file).exists()) {
            let path = folder.join(&file);
            let text = fs::read_to_string(&path).map_err(failed(&path))?;
            let lines = parse(&text).map_err(|error| error.within(&file))?;
            files.insert(file, lines);
        }
        Ok(Self { name: name(folder), folder: folder.to_owned(), input, files })
    }

    /// How many records it gives.
    pub fn records(&self) -> usize {
        self.input.iter().filter_map(Step::record).count()
    }

    /// Writes what came of it where that is not as expected, and returns the files that it wrote or removed. A new case
    /// gets all of them, another one no aggregate that it leaves out.
    pub(super) fn rewrite(&self, actual: &Files) -> Result<Vec<PathBuf>> {
        let new = !self.files.contains_key(ROWS);
        let mut changed = Vec::new();
        for (file, lines) in actual {
            let path = self.folder.join(file);
            let present = self.files.get(file);
            let wanted = match file.as_str() {
                ROWS => true,
                REJECTED => !lines.is_empty(),
                _ => present.is_some() || (new && !lines.is_empty()),
            };
            if !wanted {
                if present.is_some() {
                    fs::remove_file(&path).map_err(failed(&path))?;
                    changed.push(path);
                }
                continue;
            }
            let only = Files::from([(file.clone(), lines.clone())]);
            if present.is_some() && differences(&self.files, &only, None).is_empty() {
                continue;
            }
            let named = origins(present.map_or(&[], Vec::as_slice));
            let text: String = lines.iter().map(|line| line.with(&named) + "\n").collect();
            fs::create_dir_all(path.parent().unwrap_or(&self.folder)).map_err(failed(&path))?;
            fs::write(&path, text).map_err(failed(&path))?;
            changed.push(path);
        }
        Ok(changed)
    }
}

impl Line {
    /// Reads a line of a file.
    pub(super) fn parse(number: u64, text: &str) -> Result<Self> {
        let fields = serde_json::from_str(text).or_fail(Kind::Input, || format!("line {number} is no JSON object"))?;
        Ok(Self { number, fields, text: text.to_owned(), input: None })
    }

    /// As it is written with these of the fields that say where a row came from.
    fn with(&self, origins: &[&String]) -> String {
        let mut text = self.text.clone();
        for (name, value) in self.fields.iter().filter(|(name, _)| origins.contains(name)) {
            text.truncate(text.len() - 1);
            text += &format!(",{}:{value}}}", Json::from(name.as_str()));
        }
        text
    }
}

/// The fields that say where a row came from, so far as any of the lines names them.
fn origins(lines: &[Line]) -> Vec<&String> {
    lines.iter().flat_map(|line| line.fields.keys()).filter(|name| is_origin(name)).collect()
}

/// The records of a case, and the time that passes; where it has none, it is said what a line of them is.
pub(super) fn steps(folder: &Path, what: &str) -> Result<Vec<Step>> {
    let path = folder.join(INPUT);
    let input = fs::read(&path).map_err(|cause| {
        let error = Error::new(io_kind(&cause), format!("{INPUT}: {cause}"));
        error.hint(format!("write {}, {what}", path.display()))
    })?;
    input::parse(&input).map_err(|error| error.within(INPUT))
}

pub(super) fn parse(text: &str) -> Result<Vec<Line>> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(number, line)| Line::parse(number, line)).collect()
}

pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub(super) fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |cause| Error::new(io_kind(&cause), format!("{path}: {cause}"))
}
