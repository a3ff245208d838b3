//! The ledger's cuts held against objects and spool: each is in exactly one, and each object has the rows of its cuts.

use std::collections::{HashSet, VecDeque};
use std::fs;

use super::Audit;
use super::cached::Cached;
use super::origins::{Follow, Piece, rows};
use super::report::{Fault, Report, What};
use super::rolled;
use crate::cache::query::Reader;
use crate::cache::{Holding, Lines, Replaced};
use crate::commit::{Cut, Epoch, Object};
use crate::config::plan::is_landing;
use crate::error::{Kind, Result};
use crate::lake::{self, BucketReader, Fetched};
use crate::pipeline::layout::layout;
use crate::pipeline::table::origin_fields;

/// Follows the cuts of every partition through what holds them; where contents are read, the cache is compared with them too.
/// Objects whose key is `faulty` have been told of already.
pub(super) fn check(
    audit: &Audit<'_>,
    reader: &Reader,
    bucket: &BucketReader,
    faulty: &HashSet<String>,
    report: &mut Report,
) -> Result<()> {
    let (_, total) = reader.extent()?;
    let mut walk = Walk { audit, reader, bucket, faulty, total, done: 0 };
    let tables = if audit.quick { Vec::new() } else { audit.tables(reader, report)? };
    let mut cached = Cached::begin(audit, reader, &tables, report)?;
    for (table, partition) in reader.partitions()? {
        if is_landing(&table) {
            walk.landing(&table, partition, report)?;
            continue;
        }
        walk.partition(&table, partition, &mut cached, report)?;
    }
    let aggregates: Vec<String> = report.aggregates.keys().cloned().collect();
    for aggregate in aggregates {
        walk.aggregate(&aggregate, &mut cached, report)?;
    }
    cached.compare(report)?;
    match audit.quick {
        true => Ok(()),
        false => rolled::check(audit, reader, &layout(audit.pipeline, &tables)?, report),
    }
}

pub(super) struct Walk<'a> {
    pub(super) audit: &'a Audit<'a>,
    pub(super) reader: &'a Reader,
    bucket: &'a BucketReader,
    faulty: &'a HashSet<String>,
    total: u64,
    done: u64,
}

/// The records of an epoch that have rows in the objects seen so far.
#[derive(Default)]
pub(super) struct Outs {
    epoch: u64,
    found: u64,
    /// Whether all its objects could be read.
    whole: bool,
}

impl Walk<'_> {
    fn partition(&mut self, table: &str, partition: u32, cached: &mut Cached<'_>, report: &mut Report) -> Result<()> {
        let mut pieces = Pieces { lines: self.reader.lines(table, partition), open: VecDeque::new() };
        let replaced = self.reader.replaced(table, partition)?;
        let mut covered: Option<(u64, String)> = None;
        let mut outs = Outs::default();
        let reader = self.reader;
        reader.each_holding(table, partition, false, |holding| {
            self.tick();
            let object = &holding.object;
            if let Some((to, before)) = covered.as_ref().filter(|(to, _)| object.first_offset < *to) {
                let said = format!("{before} has rows of them too");
                let fault = Fault::new(What::Overlap, said).of(table, partition).key(name(&holding));
                report.fault(fault.offsets(object.first_offset, object.next_offset.min(*to)));
            }
            covered =
                Some((object.next_offset.max(covered.as_ref().map_or(0, |(to, _)| *to)), name(&holding).to_owned()));
            let mut mine = Vec::new();
            while let Some(piece) = pieces.next_before(object.next_offset)? {
                if piece.cut.next_offset <= object.first_offset {
                    report.fault(nowhere(table, partition, &piece));
                    continue;
                }
                mine.push(piece);
            }
            agree(&holding, &mine, report);
            if let Some(of) = report.of(table, partition) {
                of.objects += u64::from(!object.key.is_empty());
                of.rows_waiting += if holding.delivered.is_none() { object.rows } else { 0 };
            }
            let read = self.read(&holding, report)?;
            match read {
                Some(fetched) => {
                    let records = self.contents(fetched, object, (&mine, &replaced), cached, report)?;
                    outs.count(table, partition, &mine, records.as_deref(), report);
                }
                None => {
                    cached.absent(object)?;
                    outs.count(table, partition, &mine, None, report);
                }
            }
            Ok(())
        })?;
        while let Some(piece) = pieces.next_before(u64::MAX)? {
            report.fault(nowhere(table, partition, &piece));
        }
        self.revised(table, partition, &replaced, cached, report)
    }

    fn aggregate(&mut self, aggregate: &str, cached: &mut Cached<'_>, report: &mut Report) -> Result<()> {
        let reader = self.reader;
        let (mut holdings, renewals) = (Vec::new(), reader.renewals(aggregate)?);
        for (partition, revised) in (0..=renewals).flat_map(|partition| [(partition, false), (partition, true)]) {
            reader.each_holding(aggregate, partition, revised, |holding| {
                holdings.push(holding);
                Ok(())
            })?;
        }
        holdings.into_iter().try_for_each(|holding| {
            self.tick();
            let object = &holding.object;
            if let Some(of) = report.aggregates.get_mut(aggregate) {
                of.objects += u64::from(!object.key.is_empty());
            }
            // A window that was revised is what its last revision says; one from before the aggregate began anew is in the lake alone.
            let superseded = reader.superseded(object)?;
            let fetched = self.read(&holding, report)?;
            if superseded {
                return Ok(());
            }
            let Some(fetched) = fetched else {
                return cached.absent_window(aggregate, object.window);
            };
            match cached.groups(aggregate, fetched, self.audit.pipeline.lake.format) {
                Ok(Some(rows)) => {
                    if rows != object.rows {
                        let said = format!("it has {rows} rows, the outbox says {}", object.rows);
                        report.fault(Fault::new(What::Sum, said).of_table(aggregate).key(&object.key));
                    }
                    if let Some(of) = report.aggregates.get_mut(aggregate) {
                        *of.lake_rows.get_or_insert_default() += rows;
                    }
                    Ok(())
                }
                Ok(None) => Ok(()),
                Err(error) if error.kind() == Kind::Corrupt => {
                    report.fault(Fault::new(What::Altered, error.message()).of_table(aggregate).key(&object.key));
                    cached.absent_window(aggregate, object.window)
                }
                Err(error) => Err(error),
            }
        })
    }

    pub(super) fn tick(&mut self) {
        self.done += 1;
        (self.audit.progress)(if self.audit.quick { "cuts" } else { "objects" }, self.done, self.total);
    }

    /// The bytes of an object that are to be looked at; none where it waits, is known to be faulty, or is found so now.
    pub(super) fn read(&self, holding: &Holding, report: &mut Report) -> Result<Option<Fetched>> {
        let object = &holding.object;
        if holding.delivered.is_none() {
            report.waiting += 1;
            self.spooled(holding, report)?;
            return Ok(None);
        }
        if self.audit.quick || self.faulty.contains(&object.key) {
            return Ok(None);
        }
        let fetched = self.bucket.fetch(&object.key)?;
        let wrong = match &fetched {
            None => Some((What::Missing, "the bucket does not have it".to_owned())),
            Some(there) if there.bytes != object.bytes || there.sha256 != object.sha256 => {
                let (bytes, sha256) = (there.bytes, &there.sha256);
                let ours = format!("{} bytes with sha256 {}", object.bytes, object.sha256);
                Some((What::Altered, format!("the bucket has {bytes} bytes with sha256 {sha256}, the outbox {ours}")))
            }
            Some(_) => None,
        };
        let Some((what, said)) = wrong else { return Ok(fetched) };
        let fault = Fault::new(what, said).of(&object.table, object.partition).key(&object.key);
        let is_table = object.next_offset > 0;
        report.fault(if is_table { fault.offsets(object.first_offset, object.next_offset) } else { fault });
        Ok(None)
    }

    /// What waits has to be in the spool, unless it has left it since.
    fn spooled(&self, holding: &Holding, report: &mut Report) -> Result<()> {
        let object = &holding.object;
        let path = self.audit.places.spool.join(&object.file);
        let there = fs::metadata(&path).map(|found| found.len()).ok();
        let is_whole = there.is_some_and(|bytes| bytes >= object.start + object.bytes);
        let sha256 = || lake::sha256(&path, object.start, object.bytes).is_ok_and(|sha256| sha256 == object.sha256);
        if is_whole && (self.audit.quick || sha256()) {
            return Ok(());
        }
        let now = Reader::open(&self.audit.places.cache)?;
        let left = if object.key.is_empty() { !now.has_segment(&object.file)? } else { now.is_delivered(&object.key)? };
        if !left {
            let what = if there.is_some() { What::Altered } else { What::Missing };
            let said = format!("its file {:?} in the spool is not there as it was written", object.file);
            let fault = Fault::new(what, said).of(&object.table, object.partition).key(name(holding));
            report.fault(fault.offsets(object.first_offset, object.next_offset));
        }
        Ok(())
    }

    /// Follows the rows of an object; gives the records that have rows in it by cut, where it could be read.
    pub(super) fn contents(
        &self,
        fetched: Fetched,
        object: &Object,
        (pieces, replaced): (&[Piece], &Replaced),
        cached: &mut Cached<'_>,
        report: &mut Report,
    ) -> Result<Option<Vec<u64>>> {
        let mut follow = Follow::new(object, pieces);
        let is_cached = cached.takes(object);
        let fields = if is_cached { cached.fields(&object.table) } else { origin_fields().to_vec() };
        let done = rows(fetched, self.audit.pipeline.lake.format, &fields, |batch| {
            follow.take(batch)?;
            if is_cached { cached.rows(&object.table, &replaced.in_force(batch, object.revision)?) } else { Ok(()) }
        });
        match done {
            Ok(()) => follow.finish(),
            Err(error) if error.kind() == Kind::Corrupt => {
                let fault = Fault::new(What::Altered, error.message()).of(&object.table, object.partition);
                report.fault(fault.key(&object.key).offsets(object.first_offset, object.next_offset));
                cached.absent(object)?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        if !is_cached {
            cached.absent(object)?;
        }
        if let Some(of) = report.of(&object.table, object.partition) {
            *of.lake_rows.get_or_insert_default() += follow.rows;
        }
        let (records, faults) = (follow.records, follow.faults);
        faults.into_iter().for_each(|fault| report.fault(fault));
        Ok(Some(records))
    }
}

/// What names it: an object's key, a segment's file.
pub(super) fn name(holding: &Holding) -> &str {
    if holding.object.key.is_empty() { &holding.object.file } else { &holding.object.key }
}

pub(super) fn nowhere(table: &str, partition: u32, piece: &Piece) -> Fault {
    let said = format!("no object has its {} rows", piece.cut.rows);
    let fault = Fault::new(What::Gap, said).of(table, partition).epoch(piece.epoch);
    fault.offsets(piece.cut.first_offset, piece.cut.next_offset)
}

/// An object has to be what its cuts are together.
pub(super) fn agree(holding: &Holding, pieces: &[Piece], report: &mut Report) {
    let object = &holding.object;
    let mut fault = |what, said: String| {
        let fault = Fault::new(what, said).of(&object.table, object.partition).key(name(holding));
        report.fault(fault.offsets(object.first_offset, object.next_offset));
    };
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else {
        return fault(What::Foreign, "no line of the ledger has a cut of it".to_owned());
    };
    let rows: u64 = pieces.iter().map(|piece| piece.cut.rows).sum();
    let (from, next) = (first.cut.first_offset, last.cut.next_offset);
    if (from, next, rows) != (object.first_offset, object.next_offset, object.rows) {
        let (first, last) = (first.epoch, last.epoch);
        let ours = format!("epochs {first} to {last} have cut {rows} rows from {from} to {next}");
        fault(What::Sum, format!("it has {} rows, and {ours}", object.rows));
    }
    if let Some(other) = pieces.iter().find(|piece| piece.cut.window != object.window) {
        let (window, of_cut) = (object.window, other.cut.window);
        fault(What::Sum, format!("it is of window {window}, and epoch {} has cut for {of_cut}", other.epoch));
    }
    let mut digests: Vec<&String> = Vec::new();
    for piece in pieces {
        if !digests.contains(&&piece.digest) {
            digests.push(&piece.digest);
        }
    }
    if !digests.iter().copied().eq(&object.digests) {
        fault(What::Sum, "its digests are not those of its epochs".to_owned());
    }
}

impl Outs {
    /// Counts the records of an object's cuts, and compares where an epoch's last cut was.
    pub(super) fn count(
        &mut self,
        table: &str,
        partition: u32,
        pieces: &[Piece],
        records: Option<&[u64]>,
        report: &mut Report,
    ) {
        for (nth, piece) in pieces.iter().enumerate() {
            if self.epoch != piece.epoch {
                *self = Self { epoch: piece.epoch, found: 0, whole: true };
            }
            match records.and_then(|records| records.get(nth)) {
                Some(records) => self.found += records,
                None => self.whole = false,
            }
            if piece.is_last && self.whole && self.found != piece.out {
                let said = format!("{} records came out, and {} have rows in the lake", piece.out, self.found);
                let fault = Fault::new(What::Sum, said).of(table, partition).epoch(piece.epoch);
                report.fault(fault.offsets(piece.cut.first_offset, piece.cut.next_offset));
            }
        }
    }
}

/// The cuts of a partition by rising offset, each with its epoch.
struct Pieces<'a> {
    lines: Lines<'a>,
    open: VecDeque<Piece>,
}

impl Pieces<'_> {
    /// The next cut, where it begins before an offset.
    fn next_before(&mut self, offset: u64) -> Result<Option<Piece>> {
        while self.open.is_empty() {
            let Some(line) = self.lines.next().transpose()? else { return Ok(None) };
            self.open = of_line(&line);
        }
        Ok(self.open.pop_front_if(|piece| piece.cut.first_offset < offset))
    }
}

pub(super) fn of_line(line: &Epoch) -> VecDeque<Piece> {
    let count = line.cuts.len();
    let piece = |(nth, cut): (usize, &Cut)| Piece {
        epoch: line.epoch,
        digest: line.digest.clone(),
        out: line.out,
        cut: *cut,
        is_last: nth + 1 == count,
    };
    line.cuts.iter().enumerate().map(piece).collect()
}
