//! The topics read again: each frame checked, the records of each epoch counted.

use super::Audit;
use super::report::{Fault, Report, What};
use crate::cache::Lines;
use crate::cache::query::Reader;
use crate::commit::Epoch;
use crate::config::plan::Backend;
use crate::error::{Kind, Result};
use crate::log::options::Options;
use crate::log::{Found, Survey};

/// Reads the embedded topics through, and counts over each epoch's offsets.
pub(super) fn check(audit: &Audit<'_>, reader: &Reader, report: &mut Report) -> Result<()> {
    let known = reader.partitions()?;
    let mut done = 0;
    for topic in &audit.pipeline.topics {
        let readers: Vec<&str> = audit.pipeline.readers(&topic.name).collect();
        let Backend::Embedded(options) = &topic.backend else {
            let said = format!("topic {:?}: it lives elsewhere, so its records are not read again", topic.name);
            report.not_provable.push(said);
            continue;
        };
        let mut partitions: Vec<u32> = Vec::new();
        for (table, partition) in &known {
            if readers.contains(&table.as_str()) && !partitions.contains(partition) {
                partitions.push(*partition);
            }
        }
        for partition in partitions {
            let of = |reader: &&&str| known.iter().any(|(name, of)| name == **reader && *of == partition);
            let counts = readers.iter().filter(of).map(|name| Count::new(reader, name, partition));
            let counts = counts.collect::<Result<Vec<_>>>()?;
            done += read(audit, &topic.name, options, counts, done, report)?;
        }
    }
    for (table, partition) in &known {
        if !audit.pipeline.lanes().any(|name| name == table) {
            let said =
                format!("table {table:?}: partition {partition}: it is no longer declared, so its topic is not known");
            report.not_provable.push(said);
        }
    }
    Ok(())
}

/// Reads a partition for the tables that read it; gives how many bytes that were.
fn read(
    audit: &Audit<'_>,
    topic: &str,
    options: &Options,
    mut counts: Vec<Count<'_>>,
    done: u64,
    report: &mut Report,
) -> Result<u64> {
    let partition = counts.first().map_or(0, |count| count.partition);
    let opened = Survey::open(&audit.places.topics, topic, partition);
    let mut survey = match opened {
        Ok(survey) => survey,
        Err(error) if matches!(error.kind(), Kind::Missing | Kind::Corrupt) => {
            counts.iter().for_each(|count| count.lost(0, error.message(), report));
            return Ok(0);
        }
        Err(error) => return Err(error),
    };
    let keeps_all = options.retention_age.is_none() && options.retention_bytes.is_none();
    let earliest = survey.earliest().unwrap_or(0);
    for count in &mut counts {
        count.earliest = earliest;
        if earliest > count.first_offset() && keeps_all && !survey.has_all() {
            let fault =
                Fault::new(What::Missing, format!("topic {topic:?} keeps everything, and begins at {earliest}"));
            report.fault(fault.of(&count.table, partition).offsets(count.first_offset(), earliest.min(count.end)));
        } else if earliest > count.first_offset() {
            let (table, first) = (&count.table, count.first_offset());
            let said = format!(
                "table {table:?}: partition {partition}: offsets {first} to {earliest} were removed from topic {topic:?} by its retention"
            );
            report.not_provable.push(said);
        }
    }
    let mut torn = None;
    while let Some(found) = survey.step()? {
        match found {
            Found::Records { from, next } => {
                for count in &mut counts {
                    count.take(from, next, report)?;
                }
            }
            Found::Broken { from, next, why } => {
                for count in &mut counts {
                    count.spoil(topic, from, next, why, report)?;
                }
            }
            Found::Skipped { from, next } => {
                for count in &mut counts {
                    count.leave_out(topic, from, next, report)?;
                }
            }
            Found::Torn { why, .. } => torn = Some(why),
        }
        (audit.progress)("topics", done + survey.bytes_read(), done + survey.bytes());
    }
    for count in &mut counts {
        count.finish(topic, survey.next(), torn, report)?;
    }
    Ok(survey.bytes())
}

/// One table's count over the offsets of its epochs.
struct Count<'a> {
    table: String,
    partition: u32,
    lines: Lines<'a>,
    line: Option<Epoch>,
    /// Where the partition stands.
    end: u64,
    first: u64,
    earliest: u64,
    /// Records found of the line.
    found: u64,
    /// Whether some of its records cannot be read, which has been said.
    spoilt: bool,
    /// Records found in all.
    total: u64,
}

impl<'a> Count<'a> {
    fn new(reader: &'a Reader, table: &str, partition: u32) -> Result<Self> {
        let mut lines = reader.lines(table, partition);
        let line = lines.next().transpose()?;
        let end = reader.position(table, partition)?.map_or(0, |position| position.next);
        let first = line.as_ref().map_or(0, |line| line.from);
        let (table, earliest) = (table.to_owned(), 0);
        Ok(Self { table, partition, lines, line, end, first, earliest, found: 0, spoilt: false, total: 0 })
    }

    fn first_offset(&self) -> u64 {
        self.first
    }

    /// Counts records that are there.
    fn take(&mut self, from: u64, next: u64, report: &mut Report) -> Result<()> {
        self.pass(from, report)?;
        loop {
            let Some(line) = &self.line else { return Ok(()) };
            let found = next.min(line.next).saturating_sub(from.max(line.from));
            self.found += found;
            self.total += found;
            if line.next > next {
                return Ok(());
            }
            self.close(report)?;
        }
    }

    /// Says that records are not there as they were written.
    fn spoil(&mut self, topic: &str, from: u64, next: u64, why: &str, report: &mut Report) -> Result<()> {
        self.pass(from, report)?;
        if from < self.end {
            let fault = Fault::new(What::Altered, format!("topic {topic:?} cannot be read there: {why}"));
            report.fault(fault.of(&self.table, self.partition).offsets(from, next.max(from + 1)));
        }
        self.spoil_lines(from, next, report)
    }

    /// Says that records were left out by a person.
    fn leave_out(&mut self, topic: &str, from: u64, next: u64, report: &mut Report) -> Result<()> {
        self.pass(from, report)?;
        let (table, partition) = (&self.table, self.partition);
        report.not_provable.push(format!(
            "table {table:?}: partition {partition}: offsets {from} to {next} were left out of topic {topic:?} by `tidemill repair`"
        ));
        self.spoil_lines(from, next, report)
    }

    /// Lines that look at these offsets are not compared.
    fn spoil_lines(&mut self, from: u64, next: u64, report: &mut Report) -> Result<()> {
        while let Some(line) = &self.line {
            self.spoilt |= line.from < next.max(from + 1);
            if line.next > next {
                break;
            }
            self.close(report)?;
        }
        Ok(())
    }

    /// Closes the lines that end at or before an offset.
    fn pass(&mut self, offset: u64, report: &mut Report) -> Result<()> {
        while self.line.as_ref().is_some_and(|line| line.next <= offset) {
            self.close(report)?;
        }
        Ok(())
    }

    /// Compares a line with what was found of it, and goes to the next.
    fn close(&mut self, report: &mut Report) -> Result<()> {
        if let Some(line) = &self.line
            && line.from >= self.earliest
            && !self.spoilt
            && line.records_in != self.found
        {
            let said = format!("{} records in, and the topic has {} of these offsets", line.records_in, self.found);
            let fault = Fault::new(What::Sum, said).of(&self.table, self.partition).epoch(line.epoch);
            report.fault(fault.offsets(line.from, line.next));
        }
        (self.found, self.spoilt) = (0, false);
        self.line = self.lines.next().transpose()?;
        Ok(())
    }

    /// The topic has ended.
    fn finish(&mut self, topic: &str, end: u64, torn: Option<&str>, report: &mut Report) -> Result<()> {
        self.pass(end, report)?;
        if end < self.end {
            let said = match torn {
                Some(why) => format!("topic {topic:?} cannot be read from {end} on: {why}"),
                None => format!("topic {topic:?} ends at {end}"),
            };
            self.lost(end, &said, report);
        }
        if let Some(of) = report.of(&self.table, self.partition) {
            of.topic_records = Some(self.total);
        }
        Ok(())
    }

    fn lost(&self, from: u64, said: &str, report: &mut Report) {
        let fault = Fault::new(What::Missing, said).of(&self.table, self.partition);
        report.fault(fault.offsets(from, self.end));
    }
}
