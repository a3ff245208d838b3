//! Dead letters held against the topic: each has to be the record of its offset, byte for byte.

use super::Audit;
use super::report::{Fault, Report, What};
use crate::cache::letters::Letter;
use crate::cache::query::Reader;
use crate::config::plan::Backend;
use crate::error::{Kind, Result};
use crate::log::Survey;
use crate::record::{Batch, Record};

/// Letters that are asked for at a time.
const PAGE: usize = 1000;

/// Compares the letters of each table, those that wait and those that were healed, with the records of its embedded topic.
pub(super) fn check(audit: &Audit<'_>, reader: &Reader, report: &mut Report) -> Result<()> {
    let total = reader.every_letter_count()?;
    let mut done = 0;
    for table in reader.letter_tables()? {
        // Of a topic that is elsewhere, or not declared any more, that has been said.
        let topic = audit.pipeline.topics.iter().find(|topic| {
            matches!(topic.backend, Backend::Embedded(_))
                && audit.pipeline.readers(&topic.name).any(|name| name == table)
        });
        let Some(topic) = topic else { continue };
        let progress = |more| (audit.progress)("dead letters", done + more, total);
        done += compare(audit, reader, &table, &topic.name, progress, report)?;
    }
    Ok(())
}

/// Compares those of one table; gives how many they are.
fn compare(
    audit: &Audit<'_>,
    reader: &Reader,
    table: &str,
    topic: &str,
    progress: impl Fn(u64),
    report: &mut Report,
) -> Result<u64> {
    let (mut after, mut done, mut gone) = (None, 0, 0);
    let mut records: Option<(u32, Records)> = None;
    loop {
        let letters = reader.every_letter(table, after, PAGE)?;
        let Some(last) = letters.last() else { break };
        after = Some((last.letter.partition, last.letter.offset));
        for letter in &letters {
            let partition = letter.letter.partition;
            if records.as_ref().is_none_or(|(of, _)| *of != partition) {
                records = Some((partition, Records::open(audit, topic, partition)?));
            }
            let Some((_, records)) = &mut records else { continue };
            match records.at(letter.letter.offset)? {
                Some(record) if is(letter, &record) => {}
                Some(_) => report.fault(otherwise(letter)),
                None => gone += 1,
            }
        }
        done += letters.len() as u64;
        progress(done);
    }
    if gone > 0 {
        let said = format!(
            "table {table:?}: the records of {gone} dead letters cannot be read in topic {topic:?} any more, so that their bytes are not compared"
        );
        report.not_provable.push(said);
    }
    Ok(done)
}

/// Whether a letter is this record.
fn is(Letter { letter, .. }: &Letter, record: &Record<'_>) -> bool {
    letter.time == record.time
        && letter.key.as_deref() == record.key
        && letter.value.as_deref() == record.value
        && letter.headers == record.headers
}

fn otherwise(Letter { letter, .. }: &Letter) -> Fault {
    let fault = Fault::new(What::Altered, "a dead letter is not the record of its offset");
    fault.of(&letter.table, letter.partition).epoch(letter.epoch).offsets(letter.offset, letter.offset + 1)
}

/// The records of a partition, by rising offset.
struct Records {
    /// None where it is not there, which has been said.
    survey: Option<Survey>,
    batch: Batch,
    /// From here on nothing can be read.
    end: u64,
}

impl Records {
    fn open(audit: &Audit<'_>, topic: &str, partition: u32) -> Result<Self> {
        let survey = match Survey::open(&audit.places.topics, topic, partition) {
            Ok(survey) => Some(survey),
            Err(error) if matches!(error.kind(), Kind::Missing | Kind::Corrupt) => None,
            Err(error) => return Err(error),
        };
        Ok(Self { survey, batch: Batch::default(), end: u64::MAX })
    }

    /// The record at an offset; none where it cannot be read.
    fn at(&mut self, offset: u64) -> Result<Option<Record<'_>>> {
        let Some(survey) = &mut self.survey else { return Ok(None) };
        let end = self.batch.len().checked_sub(1).and_then(|last| self.batch.get(last)).map(|last| last.offset);
        if end.is_none_or(|end| end < offset) && offset < self.end {
            match survey.read(offset) {
                Ok(Some(batch)) => self.batch = batch,
                Ok(None) => self.end = offset,
                // Behind what is broken may be more.
                Err(error) if error.kind() == Kind::Corrupt => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        // Offsets of a frame are dense.
        let nth = self.batch.get(0).and_then(|first| offset.checked_sub(first.offset));
        let record = nth.and_then(|nth| self.batch.get(usize::try_from(nth).ok()?));
        Ok(record.filter(|record| record.offset == offset))
    }
}
