//! The objects of a landing held against its ledger: each epoch's have its records, each line of them one.

use std::io::{BufRead, BufReader};

use super::cuts::Walk;
use super::report::{Fault, Report, What};
use crate::cache::Holding;
use crate::commit::Epoch;
use crate::config::plan::Landing;
use crate::error::{Kind, OrFail, Result};
use crate::lake::Fetched;
use crate::landing::options::Form;

/// What the objects of an epoch have, so far as they were seen.
struct Tally {
    line: Epoch,
    records: u64,
}

impl Walk<'_> {
    /// Follows the objects of a partition of a landing. Those of one epoch may lie across each other, as each has a folder of its
    /// own; those of two do not.
    pub(super) fn landing(&mut self, name: &str, partition: u32, report: &mut Report) -> Result<()> {
        let plan = self.audit.pipeline.landings.iter().find(|landing| landing.name == name);
        let reader = self.reader;
        let mut lines = reader.lines(name, partition);
        let mut tally: Option<Tally> = None;
        reader.each_holding(name, partition, false, |holding| {
            self.tick();
            let object = &holding.object;
            while tally.as_ref().is_none_or(|tally| tally.line.next <= object.first_offset) {
                if let Some(ended) = tally.take() {
                    ended.close(report);
                }
                match lines.next().transpose()? {
                    Some(line) => tally = Some(Tally { line, records: 0 }),
                    None => break,
                }
            }
            match &mut tally {
                Some(Tally { line, records })
                    if line.from <= object.first_offset && object.next_offset <= line.next =>
                {
                    *records += object.rows;
                }
                _ => {
                    let fault = Fault::new(What::Foreign, "no line of the ledger has its offsets");
                    report.fault(of(&holding, fault));
                }
            }
            if object.rows > object.next_offset.saturating_sub(object.first_offset) || object.rows == 0 {
                let said = format!("it has {} records, which its offsets do not allow", object.rows);
                report.fault(of(&holding, Fault::new(What::Sum, said)));
            }
            if let Some(account) = report.of(name, partition) {
                account.objects += 1;
                account.rows_waiting += if holding.delivered.is_none() { object.rows } else { 0 };
            }
            if let Some(fetched) = self.read(&holding, report)? {
                count(plan, fetched, &holding, report)?;
            }
            Ok(())
        })?;
        tally.into_iter().for_each(|ended| ended.close(report));
        for line in lines {
            Tally { line: line?, records: 0 }.close(report);
        }
        Ok(())
    }
}

impl Tally {
    fn close(self, report: &mut Report) {
        let Self { line, records } = self;
        if line.out != records {
            let what = if records < line.out { What::Gap } else { What::Overlap };
            let said = format!("{} records came out, and its objects have {records}", line.out);
            let fault = Fault::new(what, said).of(&line.table, line.partition).epoch(line.epoch);
            report.fault(fault.offsets(line.from, line.next));
        }
    }
}

/// Counts the lines of an object, where a line is a record; its bytes are those that were sent.
fn count(plan: Option<&Landing>, fetched: Fetched, holding: &Holding, report: &mut Report) -> Result<()> {
    let object = &holding.object;
    let is_lines = plan.is_some_and(|plan| matches!(plan.options.form, Form::Json | Form::Text));
    let mut found = object.rows;
    // What is compressed is known by its sum alone, as are bytes of any kind.
    if is_lines && !object.key.ends_with(".gz") {
        let lines = BufReader::new(fetched.file).split(b'\n');
        found = lines.map(|line| line.or_fail(Kind::Storage, || "object").map(|_| 1)).sum::<Result<u64>>()?;
        if found != object.rows {
            let said = format!("it has {found} lines, the outbox says {}", object.rows);
            report.fault(of(holding, Fault::new(What::Sum, said)));
        }
    }
    if let Some(account) = report.of(&object.table, object.partition) {
        *account.lake_rows.get_or_insert_default() += found;
    }
    Ok(())
}

fn of(holding: &Holding, fault: Fault) -> Fault {
    let object = &holding.object;
    fault.of(&object.table, object.partition).key(&object.key).offsets(object.first_offset, object.next_offset)
}
