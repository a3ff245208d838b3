//! A case played: its records through decoder, component and windows, in batches of three sizes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use serde_json::{Value as Json, json};

use super::case::{AGGREGATES, Case, Files, Line, REJECTED, ROWS};
use super::difference::{Difference, differences};
use super::input::{Given, Step};
use crate::commit::{Group, Standing};
use crate::config::plan;
use crate::decode::Decoder;
use crate::error::{Error, Kind, Result};
use crate::lake;
use crate::lake::options::Format;
use crate::pipeline::aggregates::{Aggregates, Stored};
use crate::pipeline::bounds::Bounds;
use crate::pipeline::generation::Chain;
use crate::pipeline::table::Table;
use crate::pipeline::transform::{Piece, Transform};
use crate::pipeline::worker::CHUNK_ROWS;
use crate::record::{Batch, Record};
use crate::schema::Field;
use crate::time::Timestamp;
use crate::value::Value;
use crate::window::{self, Accumulator, Origin};

/// Batches so small that a transform which remembers shows it; the first size is all that a worker gives in one call.
const OTHER_ROWS: [usize; 2] = [1, 7];

/// What came of a case.
#[derive(Clone, Debug)]
pub struct Played {
    files: Files,
    /// What came otherwise in smaller batches: the transform remembers what it was given before.
    pub unsteady: Vec<Difference>,
}

/// Plays a case through a table's transforms, each time in fresh instances, in batches of one record, of seven, and of all.
/// After each batch an epoch ends.
///
/// Errors where they cannot be used for the table, or run out of time again and again.
pub fn play(plan: &plan::Table, chain: &Chain, case: &Case) -> Result<Played> {
    let table = table(plan, chain)?;
    let files = Run::begin(&table, chain, &case.input)?.all(&case.input, CHUNK_ROWS)?;
    let mut unsteady = Vec::new();
    for rows in OTHER_ROWS {
        let others = Run::begin(&table, chain, &case.input)?.all(&case.input, rows)?;
        unsteady.extend(differences(&files, &others, Some(rows)));
    }
    Ok(Played { files, unsteady })
}

/// What comes of an input with all in one batch.
pub(super) fn once(plan: &plan::Table, chain: &Chain, input: &[Step]) -> Result<Files> {
    Run::begin(&table(plan, chain)?, chain, input)?.all(input, CHUNK_ROWS)
}

/// The table, of which nothing is ever written.
pub(super) fn table(plan: &plan::Table, chain: &Chain) -> Result<Arc<Table>> {
    Table::new(plan, chain.outputs(), Format::Json, Path::new("")).map(Arc::new)
}

impl Played {
    /// Where it is not what the case expects.
    ///
    /// Errors where the case has no expected rows, or expects groups of an aggregate that the table does not have.
    pub fn differences(&self, case: &Case) -> Result<Vec<Difference>> {
        if !case.files.contains_key(ROWS) {
            let error = Error::new(Kind::Missing, format!("there is no {ROWS}"));
            return Err(
                error.hint("`tidemill test PIPELINE --update` writes what comes now; read it before you trust it")
            );
        }
        if let Some(unknown) = case.files.keys().find(|file| !self.files.contains_key(*file)) {
            let error = Error::new(Kind::Missing, format!("{unknown}: the table has no aggregate of this name"));
            return Err(error.hint("remove the file, or name it after an aggregate"));
        }
        let mut actual = self.files.clone();
        actual.retain(|file, _| file == REJECTED || case.files.contains_key(file));
        Ok(differences(&case.files, &actual, None))
    }

    /// Makes it what the case expects: writes the files that differ, and returns those that it wrote or removed.
    pub fn update(&self, case: &Case) -> Result<Vec<PathBuf>> {
        case.rewrite(&self.files)
    }
}

/// A table at work on one case, in batches of one size.
pub(super) struct Run {
    pub(super) table: Arc<Table>,
    transform: Transform,
    bounds: Bounds,
    partitions: Vec<Partition>,
    pub(super) aggregates: Aggregates,
    groups: Vec<Groups>,
    /// Rows with their origin that were not taken yet.
    pub(super) pieces: Vec<RecordBatch>,
    rows: Vec<Line>,
    rejected: BTreeMap<u64, String>,
}

/// What a worker has of its partition.
struct Partition {
    decoder: Decoder,
    accumulators: Vec<Accumulator>,
    /// The offset of the next record.
    next: u64,
    /// When the last record came; before the first, when the case begins.
    last: Timestamp,
}

/// The groups of one aggregate, by window and key.
struct Groups {
    name: String,
    output: Vec<Field>,
    open: BTreeMap<(Timestamp, Vec<Value>), Group>,
    closed: BTreeMap<(Timestamp, Vec<Value>), Group>,
    late: u64,
}

impl Run {
    pub(super) fn begin(table: &Arc<Table>, chain: &Chain, steps: &[Step]) -> Result<Self> {
        let count = steps.iter().filter_map(Step::record).map(|given| given.partition + 1).max().unwrap_or(1);
        let begins = steps.first().map_or(Timestamp::MIN, Step::time);
        let partition = |partition| Partition::begin(table, chain, partition, begins);
        let partitions = (0..count).map(partition).collect::<Result<_>>()?;
        let mut groups = Vec::new();
        for aggregate in &table.plan.aggregates {
            let output = window::output_fields(aggregate, &table.fields)?;
            let (open, closed) = (BTreeMap::new(), BTreeMap::new());
            groups.push(Groups { name: aggregate.name.clone(), output, open, closed, late: 0 });
        }
        let mut aggregates = Aggregates::default();
        aggregates.add(table, count, |_| Ok(Stored::default()))?;
        Ok(Self {
            table: Arc::clone(table),
            transform: chain.start()?,
            bounds: Bounds::of(&table.plan),
            partitions,
            aggregates,
            groups,
            pieces: Vec::new(),
            rows: Vec::new(),
            rejected: BTreeMap::new(),
        })
    }

    /// Plays all steps, in batches of at most so many records.
    fn all(mut self, steps: &[Step], batch_rows: usize) -> Result<Files> {
        let partition = |step: &Step| step.record().map(|given| given.partition);
        for stretch in steps.chunk_by(|one, next| partition(one).is_some() && partition(one) == partition(next)) {
            if let [Step::Quiet(now)] = stretch {
                self.quiet(*now);
                self.store_groups();
                continue;
            }
            let records: Vec<&Given> = stretch.iter().filter_map(Step::record).collect();
            for records in records.chunks(batch_rows) {
                self.epoch(records)?;
                self.pieces.clear();
                self.store_groups();
            }
        }
        self.files()
    }

    /// Nothing comes up to this time.
    pub(super) fn quiet(&mut self, now: Timestamp) {
        for (partition, of) in (0..).zip(&self.partitions) {
            self.aggregates.advance(&self.table.plan.name, partition, now, now.since(of.last));
        }
    }

    /// One batch of a partition, up to where its epoch is given to be committed; as [`crate::pipeline::worker`] does it.
    pub(super) fn epoch(&mut self, records: &[&Given]) -> Result<()> {
        let number = records.first().map_or(0, |given| given.partition);
        let Some(partition) = self.partitions.get_mut(number as usize) else { return Ok(()) };
        let mut batch = Batch::default();
        for Given { time, key, value, headers, .. } in records {
            let offset = partition.next;
            batch.push(Record { offset, time: *time, key: key.as_deref(), value: value.as_deref(), headers });
            (partition.next, partition.last) = (offset + 1, *time);
        }
        let line = |index: u32| records.get(index as usize).map(|given| given.line);
        let decoded = partition.decoder.decode(&batch, 0..batch.len())?;
        let cleaned = self.transform.apply(&decoded.rows)?;
        let appended = |row: u32| Some(records.get(*decoded.sources.get(row as usize)? as usize)?.time);
        let cleaned = self.bounds.keep(cleaned, appended)?;
        let undecoded = decoded.rejected.into_iter().filter_map(|(index, reason)| Some((line(index)?, reason)));
        let place = |row: u32| decoded.sources.get(row as usize).copied();
        let refused = cleaned.rejected.into_iter().filter_map(|(row, reason)| Some((line(place(row)?)?, reason)));
        self.rejected.extend(undecoded.chain(refused));
        for piece in cleaned.pieces {
            let origin = piece.sources.iter().filter_map(|&source| batch.get(place(source)? as usize));
            let (times, offsets): (Vec<i64>, Vec<i64>) =
                origin.map(|record| (record.time.0, record.offset as i64)).unzip();
            let origin = Origin { partition: number, times: &times, offsets: &offsets };
            partition.accumulators.iter_mut().try_for_each(|accumulator| accumulator.add(&piece.rows, origin))?;
            let lines: Vec<_> = piece.sources.iter().filter_map(|&source| line(place(source)?)).collect();
            let Origin { partition, times, offsets } = origin;
            let with_origin = self.table.with_origin(&piece.rows, &piece.sources, partition, times, offsets)?;
            keep_rows(&mut self.rows, &piece, &with_origin, &lines)?;
            self.pieces.push(with_origin);
        }
        let partials = partition.accumulators.iter_mut().map(Accumulator::take).collect();
        self.aggregates.merge(&self.table.plan.name, number, partials).map(drop)
    }

    /// Takes over what the aggregates would have stored.
    fn store_groups(&mut self) {
        for change in self.aggregates.take_changes() {
            let Some(groups) = self.groups.iter_mut().find(|groups| groups.name == change.aggregate) else { continue };
            groups.late += change.late;
            let named = |group: Group| ((group.window, group.key.clone()), group);
            for (id, _) in change.gone.into_iter().map(named) {
                groups.open.remove(&id);
            }
            for (id, group) in change.closed.into_iter().map(named) {
                groups.open.remove(&id);
                groups.closed.insert(id, group);
            }
            groups.open.extend(change.changed.into_iter().map(named));
        }
    }

    fn files(self) -> Result<Files> {
        let mut rejected = Vec::new();
        for (line, reason) in self.rejected {
            let written = json!({ "line": line, "reason": reason }).to_string();
            rejected.push(Line { input: Some(line), ..Line::parse(rejected.len() as u64 + 1, &written)? });
        }
        let mut files = Files::from([(ROWS.to_owned(), self.rows), (REJECTED.to_owned(), rejected)]);
        for groups in self.groups {
            files.insert(format!("{AGGREGATES}/{}.jsonl", groups.name), groups.lines()?);
        }
        Ok(files)
    }
}

impl Partition {
    fn begin(table: &Table, chain: &Chain, partition: u32, begins: Timestamp) -> Result<Self> {
        let accumulators = table.plan.aggregates.iter();
        let accumulators = accumulators.map(|of| Accumulator::new(of, &table.fields, Timestamp::MIN));
        let accumulators = accumulators.collect::<Result<_>>()?;
        Ok(Self { decoder: chain.decoder(partition)?, accumulators, next: 0, last: begins })
    }
}

/// Writes rows as the lake does, with their origin to compare and without it to show.
fn keep_rows(kept: &mut Vec<Line>, piece: &Piece, with_origin: &RecordBatch, lines: &[u64]) -> Result<()> {
    let (plain, whole) = (lake::json_lines(&piece.rows)?, lake::json_lines(with_origin)?);
    for ((plain, whole), line) in plain.lines().zip(whole.lines()).zip(lines) {
        let row = Line::parse(kept.len() as u64 + 1, whole)?;
        kept.push(Line { text: plain.to_owned(), input: Some(*line), ..row });
    }
    Ok(())
}

impl Groups {
    /// A line for each group, those of closed windows first; then the number of late rows, where there are any.
    fn lines(self) -> Result<Vec<Line>> {
        let mut written = Vec::new();
        for groups in [self.closed, self.open] {
            let groups: Vec<Group> = groups.into_values().collect();
            let rows = lake::json_lines(&window::rows(&self.output, &groups)?)?;
            let marked = |(row, group): (&str, &Group)| {
                let mark = match group.standing {
                    Standing::Closed => "\"@closed\":true",
                    Standing::OnTime => "\"@closed\":false,\"@state\":\"on time\"",
                    Standing::Early => "\"@closed\":false",
                };
                format!("{{{mark},{}", row.strip_prefix('{').unwrap_or(row))
            };
            written.extend(rows.lines().zip(&groups).map(marked));
        }
        if self.late > 0 {
            written.push(json!({ "@late": Json::from(self.late) }).to_string());
        }
        (1..).zip(written).map(|(number, text)| Line::parse(number, &text)).collect()
    }
}
