//! The ledger held against itself: lines that follow one another, sums that add up, dead letters as many as were rejected.

use std::collections::BTreeMap;

use super::Audit;
use super::report::{Fault, Partition, Report, What};
use crate::cache::Position;
use crate::cache::query::Reader;
use crate::commit::{Epoch, Revision};
use crate::error::Result;

/// Checks all lines of the ledger, and begins the account of each partition.
pub(super) fn check(audit: &Audit<'_>, reader: &Reader, report: &mut Report) -> Result<()> {
    let (epochs, _) = reader.extent()?;
    let mut done = 0;
    let mut late: BTreeMap<String, u64> = BTreeMap::new();
    for (table, partition) in reader.partitions()? {
        report.partitions.push(Partition { table: table.clone(), partition, ..Partition::default() });
        let mut sums = Partition { table: table.clone(), partition, ..Partition::default() };
        let mut before: Option<Epoch> = None;
        for line in reader.lines(&table, partition) {
            let line = line?;
            follow(before.as_ref(), &line, report);
            balance(&line, report);
            sums.add(&line);
            for share in line.shares.iter().filter(|share| share.late > 0) {
                let begun = reader.begun(&share.aggregate)?;
                if begun.iter().all(|(of, from)| *of != partition || line.from >= *from) {
                    *late.entry(share.aggregate.clone()).or_default() += share.late;
                }
            }
            before = Some(line);
            done += 1;
            (audit.progress)("ledger", done, epochs);
        }
        let revisions = reader.revisions(&table, partition)?;
        for of_epoch in revisions.chunk_by(|one, next| one.epoch == next.epoch) {
            match of_epoch.iter().any(|line| line.replaces) {
                true => replayed(reader, of_epoch, report)?,
                false => of_epoch.iter().try_for_each(|line| healed(reader, line, report))?,
            }
        }
        for line in &revisions {
            sums.revise(line);
            for (aggregate, rows) in &line.late {
                if line.revision > reader.begun_after(aggregate)? {
                    *late.entry(aggregate.clone()).or_default() += rows;
                }
            }
        }
        let faults = report.of(&table, partition).map_or(0, |of| of.faults);
        if let Some(of) = report.of(&table, partition) {
            *of = Partition { faults, ..sums.clone() };
        }
        close(before.as_ref(), &sums, reader.position(&table, partition)?, report);
    }
    for (aggregate, counted) in reader.late()? {
        let of_lines = late.get(&aggregate).copied().unwrap_or_default();
        if of_lines != counted {
            let what = format!("{counted} rows came too late by its own count, {of_lines} by the ledger's lines");
            report.fault(Fault::new(What::Sum, what).of_table(&aggregate));
        }
    }
    letters(reader, report)
}

/// A line has to begin where the one before it ended.
fn follow(before: Option<&Epoch>, line: &Epoch, report: &mut Report) {
    let (epoch, from) = before.map_or((0, 0), |before| (before.epoch, before.next));
    let fault = |what, said: String| Fault::new(what, said).of(&line.table, line.partition);
    if line.epoch != epoch + 1 {
        let said = format!("the ledger has no line of epoch {} to {}", epoch + 1, line.epoch - 1);
        report.fault(fault(What::Gap, said).offsets(from, line.from));
    } else if line.from > from {
        let said = format!("epoch {} begins behind where epoch {epoch} ended", line.epoch);
        report.fault(fault(What::Gap, said).epoch(line.epoch).offsets(from, line.from));
    } else if line.from < from {
        let said = format!("epoch {} begins before epoch {epoch} ended", line.epoch);
        report.fault(fault(What::Overlap, said).epoch(line.epoch).offsets(line.from, from));
    }
}

/// What is counted in a line has to add up.
fn balance(line: &Epoch, report: &mut Report) {
    let Epoch { records_in, out, dropped, rejected, rows, superseded, unkeyed, from, next, .. } = line;
    let mut fault = |said: String| {
        let fault = Fault::new(What::Sum, said).of(&line.table, line.partition);
        report.fault(fault.epoch(line.epoch).offsets(line.from, line.next));
    };
    if *records_in != out + dropped + rejected {
        fault(format!("{records_in} records in, but {out} out, {dropped} dropped and {rejected} rejected"));
    }
    if *records_in > next.saturating_sub(*from) {
        fault(format!("{records_in} records in, more than it has offsets"));
    }
    if (*out == 0) != (*rows == 0) || out > rows {
        fault(format!("{out} records out, but {rows} rows"));
    }
    if superseded + unkeyed > *rows {
        fault(format!("{superseded} rows superseded and {unkeyed} without a key, but {rows} rows"));
    }
    let cut: u64 = line.cuts.iter().map(|cut| cut.rows).sum();
    if cut != *rows {
        fault(format!("{rows} rows, but {cut} in its cuts"));
    }
    let mut at = *from;
    for cut in &line.cuts {
        if cut.first_offset < at || cut.next_offset <= cut.first_offset || cut.next_offset > *next {
            fault(format!("its cut from offset {} to {} does not lie in it", cut.first_offset, cut.next_offset));
        }
        at = cut.next_offset;
    }
}

/// A line beside the ledger's has to be what became of its letters.
fn healed(reader: &Reader, line: &Revision, report: &mut Report) -> Result<()> {
    let (out, dropped) = reader.healed_by(line)?;
    let counted = (line.out, line.dropped, line.rejected);
    if counted != (out.cast_signed(), dropped.cast_signed(), -(out + dropped).cast_signed()) {
        let said = format!(
            "revision {} says {} out and {} dropped more, and of the dead letters {out} became rows and {dropped} were dropped",
            line.revision, line.out, line.dropped
        );
        report.fault(Fault::new(What::Sum, said).of(&line.table, line.partition).epoch(line.epoch));
    }
    Ok(())
}

/// Of an epoch that was replayed as many letters have to wait as its lines say that records are rejected; and each of its replays has
/// cut the rows that came out by then.
fn replayed(reader: &Reader, lines: &[Revision], report: &mut Report) -> Result<()> {
    let Some(first) = lines.first() else { return Ok(()) };
    let (table, partition) = (first.table.as_str(), first.partition);
    let fault = |said: String| Fault::new(What::Sum, said).of(table, partition).epoch(first.epoch);
    let from = lines.iter().find_map(|line| line.cuts.first()).map_or(0, |cut| cut.first_offset);
    let Some(epoch) = reader.line_at(table, partition, from)?.filter(|line| line.epoch == first.epoch) else {
        report.fault(fault("it was replayed, and the ledger has no line of it at those offsets".to_owned()));
        return Ok(());
    };
    let (mut rejected, mut rows) = (epoch.rejected, epoch.rows);
    for line in lines {
        rejected = rejected.saturating_add_signed(line.rejected);
        rows = rows.saturating_add_signed(line.rows);
        let cut: u64 = line.cuts.iter().map(|cut| cut.rows).sum();
        if line.replaces && cut != rows {
            let said = format!("after revision {} it has {rows} rows, but {cut} in its cuts", line.revision);
            report.fault(fault(said).offsets(epoch.from, epoch.next));
        }
    }
    let waiting = reader.waiting(&epoch)?;
    if waiting != rejected {
        let said = format!("with its revisions {rejected} records are rejected, and {waiting} dead letters wait");
        report.fault(fault(said).offsets(epoch.from, epoch.next));
    }
    Ok(())
}

/// The lines have to come to where the partition stands, and to its sums.
fn close(last: Option<&Epoch>, sums: &Partition, position: Option<Position>, report: &mut Report) {
    let Some(position) = position else {
        let fault = Fault::new(What::Missing, "the ledger does not say where the partition stands");
        return report.fault(fault.of(&sums.table, sums.partition).offsets(sums.from, sums.next));
    };
    let (epoch, next) = last.map_or((0, 0), |last| (last.epoch, last.next));
    let fault = |what, said: String| Fault::new(what, said).of(&sums.table, sums.partition);
    if (epoch, next) != (position.epoch, position.next) {
        let (epoch_at, at) = (position.epoch, position.next);
        let said =
            format!("the lines end with epoch {epoch} at offset {next}, the partition stands at {epoch_at} and {at}");
        let what = if next > at { What::Overlap } else { What::Gap };
        report.fault(fault(what, said).offsets(next.min(at), next.max(at)));
    }
    let pairs = [
        ("records in", sums.records_in, position.records_in),
        ("records out", sums.out, position.out),
        ("records dropped", sums.dropped, position.dropped),
        ("records rejected", sums.rejected, position.rejected),
        ("rows", sums.rows, position.rows),
    ];
    for (name, of_lines, of_position) in pairs {
        if of_lines != of_position {
            let said = format!("{of_lines} {name} by its lines, {of_position} by its own sum");
            report.fault(fault(What::Sum, said).offsets(sums.from, sums.next.max(position.next)));
        }
    }
}

/// An epoch has as many dead letters as it rejected records.
fn letters(reader: &Reader, report: &mut Report) -> Result<()> {
    for found in reader.unbalanced()? {
        let (line, letters) = (found.line, found.letters);
        let what = if letters < line.rejected { What::Missing } else { What::Overlap };
        let said = format!("{} records were rejected, and there are {letters} dead letters", line.rejected);
        let fault = Fault::new(what, said).of(&line.table, line.partition).epoch(line.epoch);
        report.fault(fault.offsets(line.from, line.next));
    }
    for (table, partition, offset) in reader.stray_letters()? {
        let fault = Fault::new(What::Foreign, "a dead letter of an offset that no epoch looked at");
        report.fault(fault.of(&table, partition).offsets(offset, offset + 1));
    }
    Ok(())
}

impl Partition {
    fn revise(&mut self, line: &Revision) {
        self.out = self.out.saturating_add_signed(line.out);
        self.dropped = self.dropped.saturating_add_signed(line.dropped);
        self.rejected = self.rejected.saturating_add_signed(line.rejected);
        self.rows = self.rows.saturating_add_signed(line.rows);
        for (aggregate, rows) in &line.late {
            *self.late.entry(aggregate.clone()).or_default() += rows;
        }
    }

    fn add(&mut self, line: &Epoch) {
        if self.epochs == 0 {
            self.from = line.from;
        }
        self.epochs += 1;
        self.next = line.next;
        self.records_in += line.records_in;
        self.out += line.out;
        self.dropped += line.dropped;
        self.rejected += line.rejected;
        self.rows += line.rows;
        self.superseded += line.superseded;
        for share in &line.shares {
            *self.late.entry(share.aggregate.clone()).or_default() += share.late;
        }
    }
}
