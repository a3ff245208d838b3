//! Dead letters held against the topic: each has to be the record of its offset, byte for byte.

use super::Audit;
use super::report::{Fault, Report, What};
use crate::cache::letters::{Letter, Which};
use crate::cache::query::Reader;
use crate::config::plan::Backend;
use crate::error::{Kind, Result};
use crate::log::Survey;
use crate::record::{Batch, Record};

/// Letters that are asked for at a time.
const PAGE: usize = 1000;

/// Compares the letters of each table, those that wait and those that were healed, with the records of its embedded topic.
pub(super) fn check(audit: &Audit<'_>, reader: &Reader, report: &mut Report) -> Result<()> {
    for table in reader.letter_tables()? {
        let embedded = audit.pipeline.topics.iter().filter(|topic| matches!(topic.backend, Backend::Embedded(_)));
        // Of a topic that is elsewhere, or not declared any more, that has been said.
        let Some(topic) =
            embedded.into_iter().find(|topic| audit.pipeline.readers(&topic.name).any(|name| name == table))
        else {
            continue;
        };
        for healed in [false, true] {
            compare(audit, reader, &table, &topic.name, healed, report)?;
        }
    }
    Ok(())
}

fn compare(
    audit: &Audit<'_>,
    reader: &Reader,
    table: &str,
    topic: &str,
    healed: bool,
    report: &mut Report,
) -> Result<()> {
    let mut which = Which { healed, ..Which::default() };
    let (total, mut done, mut gone) = (reader.letters_count(table, &which)?, 0, 0);
    let mut records: Option<(u32, Records)> = None;
    loop {
        let letters = reader.letters(table, &which, PAGE)?;
        let Some(last) = letters.last() else { break };
        which.after = Some((last.letter.partition, last.letter.offset));
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
        (audit.progress)("dead letters", done, total);
    }
    if gone > 0 {
        let said = format!(
            "table {table:?}: the records of {gone} dead letters cannot be read in topic {topic:?} any more, so that their bytes are not compared"
        );
        report.not_provable.push(said);
    }
    Ok(())
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
    /// From here on nothing can be read, or what is there is broken.
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
        let last = self.batch.len().checked_sub(1).and_then(|last| self.batch.get(last));
        if last.is_none_or(|last| last.offset < offset) && offset < self.end {
            match survey.read(offset) {
                Ok(Some(batch)) => self.batch = batch,
                Ok(None) => self.end = offset,
                // What is broken there has been said; behind it may be more.
                Err(error) if error.kind() == Kind::Corrupt => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let found = self.batch.iter().find(|record| record.offset == offset);
        Ok(found)
    }
}
