//! Dead letters through a table's transforms once more: what would come of them, and the rows on their way to where they belong.

use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::bounds::Bounds;
use super::generation::Generation;
use super::segments::{Segments, Target};
use super::transform::{Piece, Transform};
use super::worker::CHUNK_ROWS;
use crate::cache::Latest;
use crate::commit::{Became, DeadLetter, Revision, Segment};
use crate::decode::Decoder;
use crate::error::{Kind, OrFail, Result};
use crate::lake::{self, Profile};
use crate::record::{Batch, Record};
use crate::time::Timestamp;
use crate::window::{Accumulator, Origin, Partial};

/// Letters of which a report shows what came, of those that pass and of those that do not.
const EXAMPLES_MAX: usize = 3;
/// Reasons that a report tells apart.
const REASONS_MAX: usize = 50;

/// Letters that were healed, on their way to the committer.
pub struct Redrive {
    /// The table.
    pub table: String,
    /// The number of the revision.
    pub revision: u64,
    /// All that goes into the transaction.
    pub kept: Kept,
    /// Who waits for it: told how many rows each aggregate counted as late, or why nothing was done.
    pub done: SyncSender<Result<Vec<(String, u64)>>>,
}

/// What a transaction takes of letters that were healed.
#[derive(Default)]
pub struct Kept {
    /// The letters, by partition and offset, and what became of them.
    pub healed: Vec<((u32, u64), Became)>,
    /// Their lines beside the ledger's, an epoch each.
    pub lines: Vec<Revision>,
    /// The synced segments of their rows.
    pub segments: Vec<Segment>,
    /// What each aggregate of the table gains, in their order.
    pub partials: Vec<Partial>,
    /// The latest row of each key, where the cache keeps rows.
    pub latest: Option<Latest>,
}

/// What came of letters, or would.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Report {
    /// The digest of the chain.
    pub digest: String,
    /// Letters that were looked at.
    pub letters: u64,
    /// Those that came out as rows.
    pub out: u64,
    /// Those that were dropped on purpose.
    pub dropped: u64,
    /// Those that were rejected again, and stay.
    pub rejected: u64,
    /// Rows that came out.
    pub rows: u64,
    /// Why letters were rejected again, and how many.
    pub reasons: BTreeMap<String, u64>,
    /// What came of some.
    pub examples: Vec<Example>,
    /// The revisions that say so; none where nothing was done.
    pub revisions: Vec<u64>,
    /// Rows whose window had closed in an aggregate, by its name.
    pub late: BTreeMap<String, u64>,
    /// The partition and offset of the last letter that was looked at, where there may be more.
    pub next: Option<(u32, u64)>,
}

/// What came of one letter.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Example {
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// The rows; none where it was dropped or rejected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Box<RawValue>>,
    /// Why it was rejected again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
}

/// Runs a table's letters, which come by partition and offset, through a chain. With the number of a revision, their rows are
/// written to the spool and all is made ready for the committer; without, nothing is left of them but the report.
///
/// Errors as a worker does: where the chain cannot be used, or runs out of time again and again.
pub fn run(
    generation: &Generation,
    letters: &[DeadLetter],
    revision: Option<u64>,
    now: Timestamp,
) -> Result<(Report, Kept)> {
    let mut run = Run::begin(generation, revision, now)?;
    for of_partition in letters.chunk_by(|one, next| one.partition == next.partition) {
        run.partition(of_partition)?;
    }
    run.end()
}

/// What came of one letter.
#[derive(Clone)]
enum Fate {
    Rows(u64),
    Dropped,
    Rejected(String),
}

struct Run<'a> {
    generation: &'a Generation,
    revision: Option<u64>,
    now: Timestamp,
    transform: Transform,
    bounds: Bounds,
    accumulators: Vec<Accumulator>,
    latest: Vec<RecordBatch>,
    lines: BTreeMap<(u32, u64), Revision>,
    report: Report,
    kept: Kept,
}

impl<'a> Run<'a> {
    fn begin(generation: &'a Generation, revision: Option<u64>, now: Timestamp) -> Result<Self> {
        let table = &generation.table;
        let accumulators = table.plan.aggregates.iter();
        let accumulators = accumulators.map(|aggregate| Accumulator::amending(aggregate, &table.fields));
        let report = Report { digest: generation.chain.digest().to_owned(), ..Report::default() };
        Ok(Self {
            generation,
            revision,
            now,
            transform: generation.chain.start()?,
            bounds: Bounds::of(&table.plan),
            accumulators: accumulators.collect::<Result<_>>()?,
            latest: Vec::new(),
            lines: BTreeMap::new(),
            report,
            kept: Kept::default(),
        })
    }

    fn partition(&mut self, letters: &[DeadLetter]) -> Result<()> {
        let Some(DeadLetter { table, partition, .. }) = letters.first() else { return Ok(()) };
        let mut decoder = self.generation.chain.decoder(*partition)?;
        let revision = self.revision.unwrap_or(0);
        let mut segments = Segments::new(Segment {
            file: format!("{table}+{partition}+r{revision}"),
            table: table.clone(),
            partition: *partition,
            revision,
            digest: self.report.digest.clone(),
            ..Segment::default()
        });
        let mut profile = Profile::default();
        for chunk in letters.chunks(CHUNK_ROWS) {
            let fates = self.chunk(chunk, &mut decoder, &mut segments, &mut profile)?;
            for (letter, fate) in chunk.iter().zip(fates) {
                self.count(letter, fate);
            }
        }
        self.kept.segments.extend(segments.finish(&mut profile)?);
        Ok(())
    }

    /// Cleans as many letters as one call takes; what came of each.
    fn chunk(
        &mut self,
        letters: &[DeadLetter],
        decoder: &mut Decoder,
        segments: &mut Segments,
        profile: &mut Profile,
    ) -> Result<Vec<Fate>> {
        let mut batch = Batch::default();
        for DeadLetter { offset, time, key, value, headers, .. } in letters {
            batch.push(Record { offset: *offset, time: *time, key: key.as_deref(), value: value.as_deref(), headers });
        }
        let decoded = decoder.decode(&batch, 0..batch.len())?;
        let cleaned = self.transform.apply(&decoded.rows)?;
        let appended = |row: u32| Some(letters.get(*decoded.sources.get(row as usize)? as usize)?.time);
        let cleaned = self.bounds.keep(cleaned, appended)?;
        let mut fates = vec![Fate::Dropped; letters.len()];
        let place = |row: u32| decoded.sources.get(row as usize).copied();
        let refused = cleaned.rejected.into_iter().filter_map(|(row, reason)| Some((place(row)?, reason)));
        for (index, reason) in decoded.rejected.into_iter().chain(refused) {
            fates.get_mut(index as usize).into_iter().for_each(|fate| *fate = Fate::Rejected(reason.clone()));
        }
        for piece in cleaned.pieces.iter().filter(|piece| !piece.sources.is_empty()) {
            let of: Vec<&DeadLetter> =
                piece.sources.iter().filter_map(|&row| letters.get(place(row)? as usize)).collect();
            for index in piece.sources.iter().filter_map(|&row| place(row)) {
                match fates.get_mut(index as usize) {
                    Some(Fate::Rows(rows)) => *rows += 1,
                    Some(fate) => *fate = Fate::Rows(1),
                    None => {}
                }
            }
            self.show(piece, &of)?;
            if self.revision.is_some() {
                self.keep(piece, &of, segments, profile)?;
            }
        }
        Ok(fates)
    }

    /// Writes rows of letters to the spool, and gathers them for cache and aggregates.
    fn keep(
        &mut self,
        piece: &Piece,
        of: &[&DeadLetter],
        segments: &mut Segments,
        profile: &mut Profile,
    ) -> Result<()> {
        let table = &self.generation.table;
        let (times, offsets): (Vec<i64>, Vec<i64>) =
            of.iter().map(|letter| (letter.time.0, letter.offset as i64)).unzip();
        let partition = of.first().map_or(0, |letter| letter.partition);
        let rows = table.with_origin(&piece.rows, &piece.sources, partition, &times, &offsets)?;
        for accumulator in &mut self.accumulators {
            accumulator.add(&piece.rows, Origin { partition, times: &times, offsets: &offsets })?;
        }
        if table.layout.is_some() {
            self.latest.push(table.cached(&rows)?);
        }
        segments.write(&mut Target { table, profile }, &rows, &times, &offsets)
    }

    /// Shows the rows of the first letters that have some.
    fn show(&mut self, piece: &Piece, of: &[&DeadLetter]) -> Result<()> {
        let shown = |report: &Report| report.examples.iter().filter(|example| example.rejected.is_none()).count();
        if shown(&self.report) >= EXAMPLES_MAX {
            return Ok(());
        }
        for (line, letter) in lake::json_lines(&piece.rows)?.lines().zip(of) {
            let row = RawValue::from_string(line.to_owned()).or_fail(Kind::Internal, || "row as JSON")?;
            let (partition, offset) = (letter.partition, letter.offset);
            let full = shown(&self.report) >= EXAMPLES_MAX;
            match self.report.examples.last_mut() {
                Some(last) if (last.partition, last.offset) == (partition, offset) => last.rows.push(row),
                _ if full => break,
                _ => self.report.examples.push(Example { partition, offset, rows: vec![row], rejected: None }),
            }
        }
        Ok(())
    }

    fn count(&mut self, letter: &DeadLetter, fate: Fate) {
        let DeadLetter { partition, offset, epoch, .. } = letter;
        self.report.letters += 1;
        let (became, rows) = match fate {
            Fate::Rejected(reason) => return self.report.reject(*partition, *offset, reason),
            Fate::Rows(rows) => (Became::Rows, rows),
            Fate::Dropped => (Became::Dropped, 0),
        };
        let line = self.lines.entry((*partition, *epoch)).or_insert_with(|| Revision {
            table: letter.table.clone(),
            partition: *partition,
            epoch: *epoch,
            revision: self.revision.unwrap_or(0),
            committed: self.now,
            digest: self.report.digest.clone(),
            ..Revision::default()
        });
        let (out, dropped) = if became == Became::Rows { (1, 0) } else { (0, 1) };
        line.out += out;
        line.dropped += dropped;
        line.rejected -= 1;
        line.rows += rows.cast_signed();
        self.report.out += out.cast_unsigned();
        self.report.dropped += dropped.cast_unsigned();
        self.report.rows += rows;
        self.kept.healed.push(((*partition, *offset), became));
    }

    fn end(mut self) -> Result<(Report, Kept)> {
        let layout = self.generation.table.layout.as_ref().filter(|_| !self.latest.is_empty());
        self.kept.latest = layout.map(|layout| Latest::prepare(layout, &self.latest)).transpose()?;
        self.kept.partials = self.accumulators.iter_mut().map(Accumulator::take).collect();
        self.kept.lines = self.lines.into_values().collect();
        Ok((self.report, self.kept))
    }
}

impl Report {
    fn reject(&mut self, partition: u32, offset: u64, reason: String) {
        self.rejected += 1;
        let rejected = self.examples.iter().filter(|example| example.rejected.is_some()).count();
        if rejected < EXAMPLES_MAX && !self.reasons.contains_key(&reason) {
            let rejected = Some(reason.clone());
            self.examples.push(Example { partition, offset, rows: Vec::new(), rejected });
        }
        self.give_reason(reason, 1);
    }

    fn give_reason(&mut self, reason: String, letters: u64) {
        let known = self.reasons.contains_key(&reason) || self.reasons.len() < REASONS_MAX;
        *self.reasons.entry(if known { reason } else { "other reasons".to_owned() }).or_default() += letters;
    }

    /// Takes in what came of more letters.
    pub fn add(&mut self, more: Self) {
        let Self { digest, letters, out, dropped, rejected, rows, reasons, examples, revisions, late, next } = more;
        self.digest = digest;
        self.letters += letters;
        self.out += out;
        self.dropped += dropped;
        self.rejected += rejected;
        self.rows += rows;
        reasons.into_iter().for_each(|(reason, letters)| self.give_reason(reason, letters));
        for example in examples {
            let alike = self.examples.iter().filter(|known| known.rejected.is_some() == example.rejected.is_some());
            if alike.count() < EXAMPLES_MAX {
                self.examples.push(example);
            }
        }
        self.revisions.extend(revisions);
        late.into_iter().for_each(|(aggregate, rows)| *self.late.entry(aggregate).or_default() += rows);
        self.next = next;
    }
}
