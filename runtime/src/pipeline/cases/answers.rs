//! Test cases of a pipeline's answers: records of several tables, and what is to be answered once all of them are there.
//!
//! A case is a folder: `input.jsonl` has the records, each with its `"@table"`; `NAME.jsonl` the rows of a named query, or of a rollup,
//! an aggregate or a cached table, which has no order. The rows lie in a cache of their own meanwhile, where the committer's code keeps
//! rollups and windows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use super::case::{Files, INPUT, Line, failed, name, parse, steps};
use super::difference::{Difference, differences};
use super::input::{Given, Step};
use super::play::{Run, table};
use crate::cache::query::{Reader, Table};
use crate::cache::{Latest, Store};
use crate::config::plan::Pipeline;
use crate::error::{Error, Kind, Result};
use crate::pipeline::generation::Chain;
use crate::pipeline::layout::layout;
use crate::pipeline::rollups::Rollups;
use crate::pipeline::worker::CHUNK_ROWS;
use crate::time::Timestamp;

/// An answer of more rows is none that a person reads.
const ROWS_MAX: usize = 100_000;

/// A case of answers.
#[derive(Debug)]
pub struct Question {
    folder: PathBuf,
    input: Vec<Step>,
    expected: Files,
}

/// What was answered.
#[derive(Debug)]
pub struct Answered {
    /// As they are written.
    files: Files,
    /// Those that have an order.
    in_order: BTreeSet<String>,
}

/// The folder that has a pipeline's cases of answers.
pub fn folder(pipeline: &Pipeline) -> PathBuf {
    pipeline.file.with_file_name("cases").join("answers")
}

impl Question {
    /// Reads a case.
    ///
    /// Errors where it has no input, where a line cannot be read, and where one names no table of the pipeline.
    pub fn read(pipeline: &Pipeline, folder: &Path) -> Result<Self> {
        let input = steps(folder, "with {\"@table\": \"NAME\", \"@value\": {..}} a line")?;
        let tables: Vec<&str> = pipeline.tables.iter().map(|table| table.name.as_str()).collect();
        for given in input.iter().filter_map(Step::record) {
            let what = match given.table.as_deref() {
                Some(table) if tables.contains(&table) => continue,
                Some(table) => format!("{INPUT}: line {}: table {table:?}: there is none", given.line),
                None => format!("{INPUT}: line {}: it has no \"@table\"", given.line),
            };
            return Err(Error::new(Kind::Input, what).hint(format!("the tables are {}", tables.join(", "))));
        }
        let mut expected = Files::new();
        for entry in folder.read_dir().map_err(failed(folder))?.flatten() {
            let file = name(&entry.path());
            if file.ends_with(".jsonl") && file != INPUT {
                known(pipeline, &file)?;
                let text = fs::read_to_string(entry.path()).map_err(failed(&entry.path()))?;
                let mut lines = parse(&text).map_err(|error| error.within(file.clone()))?;
                if !is_query(pipeline, &file) {
                    lines.sort_by_cached_key(order);
                }
                expected.insert(file, lines);
            }
        }
        Ok(Self { folder: folder.to_owned(), input, expected })
    }

    /// How many records it gives.
    pub fn records(&self) -> usize {
        self.input.iter().filter_map(Step::record).count()
    }

    /// What it asks for: the names of its files; all named queries where it has none.
    fn asked(&self, pipeline: &Pipeline) -> Vec<String> {
        if self.expected.is_empty() {
            return pipeline.queries.iter().map(|query| query.name.clone()).collect();
        }
        self.expected.keys().filter_map(|file| file.strip_suffix(".jsonl")).map(str::to_owned).collect()
    }

    /// Plays it through the transforms of all tables, in the order of the pipeline's file.
    ///
    /// Errors where these cannot be used, and where it asks for what the cache does not have.
    pub fn play(&self, pipeline: &Pipeline, chains: &[Chain]) -> Result<Answered> {
        let scratch = Scratch::make()?;
        let file = scratch.0.join("cache.sqlite");
        self.commit_all(pipeline, chains, &file)?;
        let reader = Reader::open(&file)?;
        let (mut files, mut in_order) = (Files::new(), BTreeSet::new());
        for asked in self.asked(pipeline) {
            let file = format!("{asked}.jsonl");
            let answer = reader.run(&asked, ROWS_MAX).map_err(|error| error.within(file.clone()))?;
            if answer.more {
                let what = format!("{file}: the answer has more than {ROWS_MAX} rows");
                return Err(Error::new(Kind::Input, what).hint("ask for less, or give fewer records"));
            }
            if is_query(pipeline, &file) {
                files.insert(file.clone(), parse(&answer.json_lines())?);
                in_order.insert(file);
            } else {
                let mut lines = parse(&without_origin(answer).json_lines())?;
                lines.sort_by(|one, other| one.text.cmp(&other.text));
                files.insert(file, lines);
            }
        }
        Ok(Answered { files, in_order })
    }

    /// Commits all records to a cache, those that follow one another in a partition of a table as an epoch.
    fn commit_all(&self, pipeline: &Pipeline, chains: &[Chain], file: &Path) -> Result<()> {
        let mut runs = Vec::new();
        for (plan, chain) in pipeline.tables.iter().zip(chains) {
            let is_mine = |step: &&Step| step.record().is_none_or(|given| given.table.as_ref() == Some(&plan.name));
            let mine: Vec<Step> = self.input.iter().filter(is_mine).cloned().collect();
            runs.push(Run::begin(&table(plan, chain)?, chain, &mine)?);
        }
        let tables: Vec<Arc<_>> = runs.iter().map(|run| Arc::clone(&run.table)).collect();
        let layout = layout(pipeline, tables.iter().map(|table| &**table))?;
        let mut store = Store::open(file, &layout)?;
        let mut rollups = Rollups::new(&pipeline.rollups, &layout.tables)?;
        rollups.restore(&mut store)?;
        let source = |step: &Step| step.record().map(|given| (given.table.clone(), given.partition));
        for stretch in self.input.chunk_by(|one, next| source(one).is_some() && source(one) == source(next)) {
            let records: Vec<&Given> = stretch.iter().filter_map(Step::record).collect();
            let at = stretch.last().map_or(Timestamp::MIN, Step::time);
            for run in &mut runs {
                match records.first() {
                    None => run.quiet(at),
                    Some(given) if given.table.as_ref() == Some(&run.table.plan.name) => {
                        records.chunks(CHUNK_ROWS).try_for_each(|records| run.epoch(records))?;
                    }
                    Some(_) => continue,
                }
                commit(run, &mut store, &mut rollups, at)?;
            }
        }
        store.close()
    }
}

/// That a file is named after something that can be asked for.
fn known(pipeline: &Pipeline, file: &str) -> Result<()> {
    let queries = pipeline.queries.iter().map(|query| &query.name);
    let rollups = pipeline.rollups.iter().map(|rollup| &rollup.name);
    let tables = pipeline.tables.iter().map(|table| &table.name);
    let aggregates = pipeline.tables.iter().flat_map(|table| table.aggregates.iter().map(|of| &of.name));
    let all = queries.chain(rollups).chain(aggregates).chain(tables);
    if all.clone().any(|name| file.strip_suffix(".jsonl") == Some(name)) {
        return Ok(());
    }
    let names: Vec<&str> = all.map(String::as_str).collect();
    let error = Error::new(Kind::Missing, format!("{file}: the pipeline has nothing of this name to ask for"));
    Err(error.hint(format!("there are {}", names.join(", "))))
}

/// Commits what a table has come to, as [`crate::pipeline::committer`] does it.
fn commit(run: &mut Run, store: &mut Store, rollups: &mut Rollups, at: Timestamp) -> Result<()> {
    let (changes, pieces) = (run.aggregates.take_changes(), std::mem::take(&mut run.pieces));
    let layout = run.table.layout.as_ref().filter(|_| !pieces.is_empty());
    let latest = layout.map(|layout| Ok((layout.name.as_str(), Latest::prepare(layout, &pieces)?))).transpose()?;
    let latest: Vec<(&str, &Latest)> = latest.iter().map(|(table, latest)| (*table, latest)).collect();
    let mut commit = store.begin()?;
    rollups.read(&commit.rolled(), &latest)?;
    for (table, latest) in latest {
        commit.upsert(table, latest)?;
    }
    for change in &changes {
        commit.groups(&change.aggregate, [&change.gone, &change.changed, &change.closed], at)?;
        commit.late(&change.aggregate, &change.late_rows, &change.missed, at)?;
        commit.marks(&change.aggregate, &change.marks)?;
    }
    rollups.write(&commit.rolled())?;
    commit.finish()
}

/// Whether a file has the rows of a named query, which says in which order they come.
fn is_query(pipeline: &Pipeline, file: &str) -> bool {
    pipeline.queries.iter().any(|query| file.strip_suffix(".jsonl") == Some(&query.name))
}

/// By what lines without an order are put in one: their fields by name.
fn order(line: &Line) -> String {
    let fields: BTreeMap<&String, &Json> = line.fields.iter().filter(|(_, value)| !value.is_null()).collect();
    format!("{fields:?}")
}

/// What a cached row or a group shows, without where it came from and how it stands.
fn without_origin(answer: Table) -> Table {
    let hidden: Vec<bool> = answer.columns.iter().map(|column| column.starts_with('_')).collect();
    let shown = |place: usize| hidden.get(place) == Some(&false);
    let rows = answer.rows.into_iter().map(|row| keep(row, shown)).collect();
    Table { columns: keep(answer.columns, shown), rows, more: answer.more }
}

fn keep<T>(of: Vec<T>, wanted: impl Fn(usize) -> bool) -> Vec<T> {
    of.into_iter().enumerate().filter(|(place, _)| wanted(*place)).map(|(_, one)| one).collect()
}

impl Answered {
    /// Where it is not what the case expects.
    ///
    /// Errors where the case expects nothing.
    pub fn differences(&self, case: &Question) -> Result<Vec<Difference>> {
        if case.expected.is_empty() {
            let error = Error::new(Kind::Missing, "no answer is expected");
            return Err(error.hint(
                "write an empty NAME.jsonl for each query, rollup or table that the case is about, and run this with --update",
            ));
        }
        Ok(self.files.keys().flat_map(|file| self.differing(case, file)).collect())
    }

    /// Makes it what the case expects: writes the files that differ, and returns them.
    pub fn update(&self, case: &Question) -> Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        for (file, lines) in &self.files {
            if case.expected.contains_key(file) && self.differing(case, file).is_empty() {
                continue;
            }
            let path = case.folder.join(file);
            let text: String = lines.iter().map(|line| line.text.clone() + "\n").collect();
            fs::write(&path, text).map_err(failed(&path))?;
            written.push(path);
        }
        Ok(written)
    }

    /// Where a file is not what the case expects; one without an order is compared in one that any has.
    fn differing(&self, case: &Question, file: &str) -> Vec<Difference> {
        let mut lines = self.files.get(file).cloned().unwrap_or_default();
        if !self.in_order.contains(file) {
            lines.sort_by_cached_key(order);
        }
        differences(&case.expected, &Files::from([(file.to_owned(), lines)]), None)
    }
}

/// A folder for the cache of a case, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self> {
        let mut nth = 0;
        loop {
            let path = std::env::temp_dir().join(format!("tidemill-case-{}-{nth}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => nth += 1,
                Err(cause) => return Err(failed(&path)(cause)),
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left where all that is temporary is.
        let _ = fs::remove_dir_all(&self.0);
    }
}
