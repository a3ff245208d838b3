//! The audit: the ledger derived again from topic, bucket and cache; what does not agree is named down to offsets.
//!
//! It changes nothing, and need not know whether the pipeline runs: it holds one state of the cache's file, and what is
//! newer than that is not due.

mod bucket;
mod cached;
mod cuts;
mod landed;
mod ledger;
mod letters;
mod origins;
mod report;
mod revised;
mod rolled;
mod topics;

use std::fs;

use tokio::runtime::Handle;

pub use self::report::{Aggregate, Fault, Partition, Report, Rollup, What};
use super::generation::digests;
use super::kept::{kept, kept_chain};
use super::places::Places;
use super::table::Table;
use crate::cache::query::Reader;
use crate::component::{self, Host};
use crate::config::plan::Pipeline;
use crate::error::{Error, Kind, Result};
use crate::lake::BucketReader;

/// What an audit is made with.
pub struct Audit<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// Where its things lie.
    pub places: &'a Places,
    /// What components are looked at with.
    pub host: &'a Host,
    /// Whether only listings and sums are compared, without a look at any content.
    pub quick: bool,
    /// Where requests to a bucket are made.
    pub tokio: &'a Handle,
    /// Told what is at work, how much of it is done, and how much there is.
    pub progress: &'a dyn Fn(&'static str, u64, u64),
}

impl Audit<'_> {
    /// Makes the audit. This blocks, and must not be called on one of tokio's threads.
    ///
    /// Errors where something that is needed cannot be reached; what is wrong with the pipeline's data is in the report.
    pub fn run(&self) -> Result<Report> {
        let reader = Reader::open(&self.places.cache)?;
        reader.hold()?;
        let name = reader.pipeline()?;
        if name != self.pipeline.name {
            let what =
                format!("cache {:?}: it is pipeline {name:?}'s, not {:?}'s", self.places.cache, self.pipeline.name);
            return Err(Error::new(Kind::Conflict, what));
        }
        let mut report = Report { pipeline: name, quick: self.quick, ..Report::default() };
        for aggregate in self.pipeline.tables.iter().flat_map(|table| &table.aggregates) {
            report.aggregates.insert(aggregate.name.clone(), Aggregate::default());
        }
        let is_sound = self.quick || self.is_sound(&reader, &mut report)?;
        match self.look(&reader, &mut report) {
            // That has been said: what else can be read was looked at.
            Err(error) if !is_sound && error.kind() == Kind::Corrupt => {
                report.not_provable.push(format!("what was to be looked at next: {}", error.message()));
            }
            looked => looked?,
        }
        report.proven = report.faults.is_empty();
        Ok(report)
    }

    fn look(&self, reader: &Reader, report: &mut Report) -> Result<()> {
        ledger::check(self, reader, report)?;
        self.components(reader, report)?;
        if !self.quick {
            topics::check(self, reader, report)?;
            letters::check(self, reader, report)?;
        }
        let bucket = BucketReader::open(&self.pipeline.lake, &self.places.lake, self.tokio)?;
        let faulty = bucket::list(self, reader, &bucket, report)?;
        cuts::check(self, reader, &bucket, &faulty, report)
    }

    /// Whether the cache's file is whole.
    fn is_sound(&self, reader: &Reader, report: &mut Report) -> Result<bool> {
        (self.progress)("cache", 0, 1);
        let found = reader.unsound()?;
        for said in &found {
            report.fault(Fault::new(What::Altered, format!("cache {:?}: {said}", self.places.cache)));
        }
        Ok(found.is_empty())
    }

    /// Every component that the ledger names has to be kept.
    fn components(&self, reader: &Reader, report: &mut Report) -> Result<()> {
        let mut seen: Vec<String> = Vec::new();
        for chain in reader.digests()? {
            for digest in digests(&chain) {
                if seen.iter().any(|known| known == digest) {
                    continue;
                }
                seen.push(digest.to_owned());
                let path = kept(&self.places.components, digest);
                match fs::read(&path) {
                    Ok(bytes) if component::digest(&bytes) == digest => {}
                    Ok(_) => {
                        let said = format!("component {}: it is not the one of this digest", path.display());
                        report.fault(Fault::new(What::Altered, said));
                    }
                    Err(cause) => {
                        let said = format!("component {}: {cause}", path.display());
                        report.fault(Fault::new(What::Missing, said));
                    }
                }
            }
        }
        Ok(())
    }

    /// The tables as they are written now; one whose components cannot be had is left out, and that is said.
    fn tables(&self, reader: &Reader, report: &mut Report) -> Result<Vec<Table>> {
        let generations = reader.generations()?;
        let mut tables = Vec::new();
        for plan in &self.pipeline.tables {
            let Some(in_service) = generations.iter().find(|generation| generation.table == plan.name) else {
                continue;
            };
            let chain = kept_chain(self.host, plan, &self.places.components, &in_service.digest);
            let table = chain
                .and_then(|chain| Table::new(plan, chain.outputs(), self.pipeline.lake.format, &self.places.spool));
            match table {
                Ok(table) => tables.push(table),
                Err(error) => report.not_provable.push(format!(
                    "table {:?}: its rows in the cache are not compared: {}",
                    plan.name,
                    error.message()
                )),
            }
        }
        Ok(tables)
    }

    /// The beginning of the keys of a table or aggregate.
    fn folder(&self, name: &str) -> String {
        match self.pipeline.lake.prefix.trim_matches('/') {
            "" => format!("{name}/"),
            prefix => format!("{prefix}/{name}/"),
        }
    }
}
