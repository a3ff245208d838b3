//! Replay: history run again as the ledger says that it was cleaned, or through another component, and held against what was written.

mod again;
mod compare;
mod gather;
mod late;
mod records;
mod report;
mod sessions;
mod walk;
mod windows;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use tokio::runtime::Handle;

use self::again::places;
pub use self::late::Late;
pub use self::report::{Difference, GroupDifference, NotProvable, Partition, Report, What};
use self::walk::Walk;
pub use self::windows::Anew;
use super::change::changes;
use super::kept::kept_chain;
use super::landed;
use super::layout::layout;
use super::places::Places;
use super::table::Table;
use super::written::Files;
use crate::cache::Layout;
use crate::cache::query::Reader;
use crate::commit::{Became, DeadLetter, Epoch, Revision, Segment};
use crate::component::{Component, Host};
use crate::config::plan::{self, Backend, Pipeline};
use crate::error::{Error, Kind, OrFail, Result};
use crate::lake::BucketReader;
use crate::schema::Field;
use crate::time::Timestamp;

/// What a replay is made with.
pub struct Replay<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// Where its things lie.
    pub places: &'a Places,
    /// What runs the components.
    pub host: &'a Host,
    /// Where requests to a bucket are made.
    pub tokio: &'a Handle,
    /// What is asked.
    pub asked: Asked,
    /// Where rows of epochs are written that came out differently.
    pub spool: &'a Path,
    /// Told how many epochs of how many are done.
    pub progress: &'a dyn Fn(u64, u64),
}

/// What is to be run again, through what.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The table.
    pub table: String,
    /// Of this partition alone.
    pub partition: Option<u32>,
    /// Where to begin: the epoch that has it is run again as a whole.
    pub from: Option<Bound>,
    /// Before what to end.
    pub to: Option<Bound>,
    /// A component in a place of the chain, counted from 0, instead of the one that the ledger names.
    pub with: Option<(usize, Component)>,
    /// No record at all, but the windows of this aggregate that rows came too late for: they are made anew with those rows.
    pub late: Option<String>,
    /// How many rows and groups that differ are shown.
    pub rows_max: usize,
}

/// A place in history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// An offset of each partition.
    Offset(u64),
    /// An append time.
    Time(Timestamp),
}

/// An epoch of which something differs, as it comes again.
pub struct Changed {
    /// The line beside the ledger's that says so; its revision is to be set.
    pub line: Revision,
    /// The segments of all its rows.
    pub segments: Vec<Segment>,
    /// Letters that are healed, by offset, and what becomes of them.
    pub healed: Vec<(u64, Became)>,
    /// Records that are rejected now.
    pub letters: Vec<DeadLetter>,
}

/// What a replay found, with what it takes to go on from there.
pub struct Found {
    /// What is told.
    pub report: Report,
    /// The table as it is written now.
    pub table: Table,
    /// The epochs that differ: partition, first offset, the one after the last, the segments.
    epochs: Vec<(u32, u64, u64, Vec<Segment>)>,
    /// The windows of each aggregate in which something differs, or may.
    windows: Vec<BTreeSet<i64>>,
}

impl Found {
    /// Whether rows are other than they were, and not windows alone.
    pub fn changes_rows(&self) -> bool {
        !self.epochs.is_empty()
    }
}

impl std::str::FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(offset) = text.parse() {
            return Ok(Self::Offset(offset));
        }
        let time = Timestamp::parse(text).map(Self::Time);
        time.map_err(|_| format!("{text:?} is neither an offset nor a time as 2026-11-22T21:05:00Z"))
    }
}

impl Asked {
    /// Whether an epoch has something of what is asked; `before` is the watermark of the one before it.
    fn takes(&self, line: &Epoch, before: Timestamp) -> bool {
        let begins = match self.from {
            None => true,
            Some(Bound::Offset(offset)) => line.next > offset,
            Some(Bound::Time(time)) => line.watermark >= time,
        };
        let ends = match self.to {
            None => true,
            Some(Bound::Offset(offset)) => line.from < offset,
            Some(Bound::Time(time)) => before < time,
        };
        begins && ends && line.next > line.from
    }
}

impl Replay<'_> {
    /// Runs history again, and gives each epoch of which something differs to `keep`, with rows numbered for this revision. Whole
    /// epochs are run, a chunk in memory at a time. This blocks, and must not be called on one of tokio's threads.
    ///
    /// Errors where something that is needed is not there or cannot be reached; records that are gone from the topic are in the report.
    pub fn run(
        &self,
        reader: &Reader,
        revision: u64,
        accept_breaking: bool,
        keep: &mut dyn FnMut(Changed) -> Result<()>,
    ) -> Result<Found> {
        let plan = self.plan()?;
        let table = self.table(reader, plan)?;
        if let Some((place, component)) = &self.asked.with {
            let outputs = component.description().outputs.as_slice();
            if place + 1 == plan.transforms.len() {
                changes(plan, &self.pipeline.queries, &table.fields, outputs, accept_breaking)?;
            }
        }
        if let Some(aggregate) = &self.asked.late {
            return self.late(reader, plan, table, aggregate);
        }
        let files = self.files()?;
        let (mut report, epochs, windows) = Walk::run(self, plan, reader, &files, revision, keep)?;
        report.proven = report.not_provable.is_empty();
        report.same = !report.differs();
        Ok(Found { report, table, epochs, windows })
    }

    /// Gives the rows of the cache's table that came again, of the epochs that differ; with `all`, those that are in force of every
    /// other epoch too.
    pub fn cached(
        &self,
        reader: &Reader,
        found: &Found,
        revision: u64,
        all: bool,
        take: &mut dyn FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let fields: Vec<Field> =
            found.table.cached_fields().into_iter().map(|field| Field { nullable: true, ..field }).collect();
        for segment in found.epochs.iter().flat_map(|(.., segments)| segments) {
            let file = File::open(self.spool.join(&segment.file)).or_fail(Kind::Storage, || "replay")?;
            landed::rows(file, &fields, &mut *take)?;
        }
        if !all {
            return Ok(());
        }
        let (files, table) = (self.files()?, found.table.plan.name.as_str());
        let begun = reader.begun(table)?;
        for (name, partition) in reader.partitions()?.into_iter().filter(|(name, _)| name == table) {
            let mut replaced = reader.replaced(&name, partition)?;
            let mine = found.epochs.iter().filter(|(of, ..)| *of == partition);
            mine.for_each(|(_, from, next, _)| replaced.add(*from, *next, revision));
            let from = begun.iter().find(|(of, _)| *of == partition).map_or(0, |(_, from)| *from);
            for holding in reader.holdings(&name, partition, from, i64::MAX.cast_unsigned()) {
                let holding = holding?;
                let in_force = |rows: &RecordBatch| take(&replaced.in_force(rows, holding.object.revision)?);
                let read = landed::rows(files.open(&holding)?, &fields, in_force);
                read.map_err(|error| error.within(format!("{:?}", holding.object.file)))?;
            }
        }
        Ok(())
    }

    /// One state of the pipeline's file.
    pub fn reader(&self) -> Result<Reader> {
        let reader = Reader::open(&self.places.cache)?;
        reader.hold()?;
        let name = reader.pipeline()?;
        if name != self.pipeline.name {
            let what =
                format!("cache {:?}: it is pipeline {name:?}'s, not {:?}'s", self.places.cache, self.pipeline.name);
            return Err(Error::new(Kind::Conflict, what));
        }
        Ok(reader)
    }

    /// How the cache is laid out, as far as tables can be had; the one that is asked for has to be.
    pub fn layout(&self, reader: &Reader) -> Result<Layout> {
        let asked = self.table(reader, self.plan()?)?;
        let others = self.pipeline.tables.iter().filter(|plan| plan.name != asked.plan.name);
        let tables: Vec<Table> =
            std::iter::once(Ok(asked.clone())).chain(others.map(|plan| self.table(reader, plan))).flatten().collect();
        layout(self.pipeline, &tables)
    }

    /// The bytes of what was written.
    pub fn files(&self) -> Result<Files<'_>> {
        let bucket = BucketReader::open(&self.pipeline.lake, &self.places.lake, self.tokio)?;
        Ok(Files { places: self.places, bucket })
    }

    fn plan(&self) -> Result<&plan::Table> {
        let name = &self.asked.table;
        let names = || self.pipeline.tables.iter().map(|plan| plan.name.as_str()).collect::<Vec<_>>().join(", ");
        let unknown = || {
            Error::new(Kind::Missing, format!("table {name:?}: there is none"))
                .hint(format!("the tables are {}", names()))
        };
        let plan = self.pipeline.tables.iter().find(|plan| plan.name == *name).ok_or_else(unknown)?;
        let topic = self.pipeline.topics.iter().find(|topic| topic.name == plan.topic);
        // Late rows are in the lake.
        if self.asked.late.is_none() && topic.is_none_or(|topic| !matches!(topic.backend, Backend::Embedded(_))) {
            let what = format!("topic {:?}: it lives elsewhere, and its records are not fetched again", plan.topic);
            return Err(Error::new(Kind::Input, what));
        }
        Ok(plan)
    }

    /// The table as it is written now.
    fn table(&self, reader: &Reader, plan: &plan::Table) -> Result<Table> {
        let in_service = reader.generations()?.into_iter().find(|generation| generation.table == plan.name);
        let in_service = in_service.ok_or_else(|| {
            Error::new(Kind::Missing, format!("table {:?}: it has never run, and has no history", plan.name))
        })?;
        let chain = kept_chain(self.host, plan, &self.places.components, &in_service.digest)?;
        Table::new(plan, chain.outputs(), self.pipeline.lake.format, self.spool)
    }
}
