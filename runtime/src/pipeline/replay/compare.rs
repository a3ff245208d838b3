//! Rows as they were written beside rows as they come again, record by record.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::report::{Difference, Report, What};
use crate::cache::Fate;
use crate::commit::Became;
use crate::config::plan;
use crate::error::{Kind, OrFail, Result};
use crate::pipeline::written::Row;
use crate::time::Timestamp;
use crate::window::spec::{Aggregate, Time};

/// What became of the records of an epoch, then and now.
#[derive(Default)]
pub(super) struct Compared {
    /// Counts and differences, to be added to the whole's.
    pub(super) report: Report,
    /// Records that come out now.
    pub(super) out: u64,
    /// Records that are dropped now.
    pub(super) dropped: u64,
    /// How many more come out, are dropped, are rejected; how many rows more.
    pub(super) more: [i64; 4],
    /// Letters that are healed, and what becomes of them.
    pub(super) healed: Vec<(u64, Became)>,
    /// Records that are rejected now, and were not.
    pub(super) rejected: Vec<u64>,
    /// The windows of each aggregate in which something that it reads differs.
    pub(super) windows: Vec<BTreeSet<i64>>,
    /// Whether something that each aggregate reads differs.
    pub(super) touched: Vec<bool>,
}

/// The records of a chunk: what is known of them before they are compared.
pub(super) struct Chunk<'a> {
    pub(super) partition: u32,
    /// By rising offset.
    pub(super) records: &'a [u64],
    /// The dead letters among them, by rising offset.
    pub(super) letters: &'a [Fate],
    /// Those that are rejected now, and why.
    pub(super) rejected: &'a BTreeMap<u64, String>,
    /// As they were written, by offset and row.
    pub(super) was: &'a [Row],
    /// As they come again.
    pub(super) now: &'a [Row],
}

/// What comes of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fared {
    Out,
    Dropped,
    Rejected,
}

impl Compared {
    pub(super) fn new(plan: &plan::Table) -> Self {
        let count = plan.aggregates.len();
        Self { windows: vec![BTreeSet::new(); count], touched: vec![false; count], ..Self::default() }
    }

    /// Compares a chunk; at most `rows_max` differences are shown.
    pub(super) fn take(&mut self, chunk: &Chunk<'_>, plan: &plan::Table, rows_max: usize) -> Result<()> {
        let strays = chunk.was.iter().map(|row| row.offset);
        let offsets: BTreeSet<u64> = chunk.records.iter().copied().chain(strays).collect();
        let (mut was, mut now) = (chunk.was, chunk.now);
        for offset in offsets {
            let count = |rows: &[Row]| rows.iter().take_while(|row| row.offset == offset).count();
            let (mine, rest) = was.split_at(count(was));
            let (mine_now, rest_now) = now.split_at(count(now));
            (was, now) = (rest, rest_now);
            self.record(chunk, offset, (mine, mine_now), plan, rows_max)?;
        }
        Ok(())
    }

    fn record(
        &mut self,
        chunk: &Chunk<'_>,
        offset: u64,
        (was, now): (&[Row], &[Row]),
        plan: &plan::Table,
        rows_max: usize,
    ) -> Result<()> {
        let is_record = chunk.records.binary_search(&offset).is_ok();
        let letter = chunk.letters.binary_search_by_key(&offset, |letter| letter.offset).ok();
        let healed = letter.and_then(|at| chunk.letters.get(at)).map(|letter| letter.healed);
        let reason = chunk.rejected.get(&offset);
        let fared = match (was.is_empty(), healed) {
            (false, _) => Fared::Out,
            (true, Some(None)) => Fared::Rejected,
            (true, _) => Fared::Dropped,
        };
        let fares = match (now.is_empty(), reason) {
            (false, _) => Fared::Out,
            (true, Some(_)) => Fared::Rejected,
            (true, None) => Fared::Dropped,
        };
        self.report.records += u64::from(is_record);
        self.out += u64::from(fares == Fared::Out);
        self.dropped += u64::from(is_record && fares == Fared::Dropped);
        for (fate, more) in [Fared::Out, Fared::Dropped, Fared::Rejected].into_iter().zip(&mut self.more) {
            *more += i64::from(is_record && fares == fate) - i64::from(is_record && fared == fate);
        }
        let [.., rows] = &mut self.more;
        *rows += now.len() as i64 - was.len() as i64;
        let became = if fares == Fared::Out { Became::Rows } else { Became::Dropped };
        match (fares, healed) {
            (Fared::Rejected, Some(None)) => {}
            (Fared::Rejected, _) => self.rejected.push(offset),
            (_, Some(before)) if before.is_none_or(|(before, _)| before != became) => {
                self.healed.push((offset, became));
            }
            _ => {}
        }
        self.report.newly_rejected += u64::from(fares == Fared::Rejected && fared != Fared::Rejected);
        self.report.no_longer_rejected += u64::from(fares != Fared::Rejected && fared == Fared::Rejected);
        let before = self.report.rows_added + self.report.rows_removed + self.report.rows_changed;
        let place = (chunk.partition, offset);
        for nth in 0..was.len().max(now.len()) {
            self.row(place, (was.get(nth), now.get(nth)), reason, plan, rows_max)?;
        }
        let after = self.report.rows_added + self.report.rows_removed + self.report.rows_changed;
        self.report.records_changed += u64::from(after > before || fared != fares);
        if fared != fares && was.is_empty() && now.is_empty() && self.report.rows.len() < rows_max {
            let what = if fares == Fared::Rejected { What::Rejected } else { What::Dropped };
            self.report.rows.push(difference(place, what, reason));
        }
        Ok(())
    }

    fn row(
        &mut self,
        place: (u32, u64),
        (was, now): (Option<&Row>, Option<&Row>),
        reason: Option<&String>,
        plan: &plan::Table,
        rows_max: usize,
    ) -> Result<()> {
        let same = was.zip(now).is_some_and(|(was, now)| was.line == now.line);
        if same {
            self.report.rows_equal += 1;
            return Ok(());
        }
        let (before, after) = (was.map(fields).transpose()?, now.map(fields).transpose()?);
        let names = differing(before.as_ref(), after.as_ref());
        let what = match (was, now) {
            (Some(_), Some(_)) if names.is_empty() => {
                self.report.rows_equal += 1;
                return Ok(());
            }
            (Some(_), Some(_)) => {
                self.report.rows_changed += 1;
                names.iter().for_each(|name| *self.report.fields.entry(name.clone()).or_default() += 1);
                What::Changed
            }
            (None, _) => {
                self.report.rows_added += 1;
                What::Added
            }
            (_, None) => {
                self.report.rows_removed += 1;
                What::Removed
            }
        };
        let reads = plan.aggregates.iter().zip(&mut self.windows).zip(&mut self.touched);
        for ((aggregate, windows), touched) in reads {
            if what != What::Changed || aggregate.columns().any(|column| names.iter().any(|name| name == column)) {
                *touched = true;
                let rows = before.iter().chain(&after);
                windows.extend(rows.flat_map(|row| starts(aggregate, row)));
            }
        }
        if self.report.rows.len() < rows_max {
            let fields = if what == What::Changed { names } else { Vec::new() };
            let row = was.or(now).map(|row| row.nth);
            let (was, now) = (was.map(raw).transpose()?, now.map(raw).transpose()?);
            let shown = Difference { row, fields, was, now, ..difference(place, what, reason) };
            self.report.rows.push(shown);
        }
        Ok(())
    }
}

fn difference((partition, offset): (u32, u64), what: What, reason: Option<&String>) -> Difference {
    Difference {
        partition,
        offset,
        row: None,
        what,
        fields: Vec::new(),
        was: None,
        now: None,
        rejected: reason.cloned(),
    }
}

fn fields(row: &Row) -> Result<Map<String, Json>> {
    serde_json::from_str(&row.line).or_fail(Kind::Corrupt, || "a row")
}

fn raw(row: &Row) -> Result<Box<RawValue>> {
    RawValue::from_string(row.line.clone()).or_fail(Kind::Corrupt, || "a row")
}

/// The fields in which two rows differ; one that only one of them has is as good as null.
fn differing(was: Option<&Map<String, Json>>, now: Option<&Map<String, Json>>) -> Vec<String> {
    let (Some(was), Some(now)) = (was, now) else { return Vec::new() };
    let value = |row: &'_ Map<String, Json>, name: &String| row.get(name).filter(|value| !value.is_null()).cloned();
    let names = now.keys().chain(was.keys().filter(|name| !now.contains_key(*name)));
    names.filter(|name| value(was, name) != value(now, name)).cloned().collect()
}

/// The starts of an aggregate's windows in which a row lies.
fn starts(aggregate: &Aggregate, row: &Map<String, Json>) -> impl Iterator<Item = i64> + use<> {
    let column = match &aggregate.window.time {
        Time::Append => "_time",
        Time::Column(column) => column,
    };
    let time = row.get(column).and_then(Json::as_str).and_then(|text| Timestamp::parse(text).ok());
    time.map(|time| aggregate.window.spans(time)).into_iter().flatten().map(|window| window.start.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Map<String, Json> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn fields_differ_by_their_values() {
        let check = |was: &str, now: &str, expected: &[&str]| {
            assert_eq!(differing(Some(&row(was)), Some(&row(now))), expected, "{was} {now}");
        };
        check(r#"{"a":1,"b":"x"}"#, r#"{"b":"x","a":1}"#, &[]);
        check(r#"{"a":1,"b":null}"#, r#"{"a":1}"#, &[]);
        check(r#"{"a":1}"#, r#"{"a":1,"c":null}"#, &[]);
        check(r#"{"a":1,"b":"x"}"#, r#"{"a":2,"b":"x","c":0}"#, &["a", "c"]);
        check(r#"{"a":[1,2],"b":"x"}"#, r#"{"a":[2,1]}"#, &["a", "b"]);
    }
}
