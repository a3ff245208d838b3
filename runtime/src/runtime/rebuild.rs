//! Rebuild: the cache's rows, aggregates, rollups and queries made anew from the lake, while the pipeline stands still.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;

use serde::Serialize;
use tokio::runtime::Handle;

use super::start::{Options, Tables, first_generations};
use crate::cache::{Part, Rebuild, Replaced};
use crate::commit::{Object, Segment};
use crate::component::Host;
use crate::config::plan::Pipeline;
use crate::error::{Error, Kind, OrFail, Result};
use crate::lake::{self, BucketReader};
use crate::log::lock::DataLock;
use crate::pipeline::landed;
use crate::pipeline::layout::layout;
use crate::pipeline::places::Places;
use crate::pipeline::rollups::Rollups;
use crate::pipeline::table::Table;
use crate::schema::Field;
use crate::time::Timestamp;
use crate::window::spec::Aggregate;
use crate::window::{self, Progress, State};

/// Objects whose names are in memory at a time.
const OBJECTS: usize = 1000;

/// What a rebuild has read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// Objects and segments.
    pub objects: u64,
    /// Rows out of them, by table and aggregate; of a table's rows the latest of each key was kept.
    pub rows: BTreeMap<String, u64>,
    /// Groups of open windows, by aggregate: these come from the windows' state.
    pub open: BTreeMap<String, u64>,
    /// What could not be used, a sentence each.
    pub left_out: Vec<String>,
}

/// What an object's rows are for.
enum Destination<'a> {
    Table(Vec<Field>),
    Aggregate(&'a Table, &'a Aggregate, Vec<Field>),
}

/// Makes the cache's latest rows, aggregates and queries anew from the objects that the outbox has listed, and from the spool
/// for what is not delivered; all else of the file stays. `progress` is told how many objects of how many are done. Blocks; must not
/// be called on one of tokio's threads.
///
/// Errors with `Kind::Conflict` where the pipeline runs, with `Kind::Missing` where its file or an object is not there, with
/// `Kind::Corrupt` where an object's bytes are not those that were written. The file then stays as it was, as it does after a crash.
pub fn rebuild(pipeline: &Pipeline, tokio: &Handle, progress: impl FnMut(u64, u64)) -> Result<Rebuilt> {
    let _lock = DataLock::take(&pipeline.data)?;
    let places = Places::make(&pipeline.data)?;
    if !places.cache.exists() {
        let error = Error::new(Kind::Missing, format!("cache {:?}: it is not there", places.cache));
        return Err(
            error.hint("only its rows can be rebuilt; offsets, windows and ledger are nowhere else: put the file back")
        );
    }
    let host = Host::new(Some(&places.compiled))?.trusting(&pipeline.trust);
    let tables = first_generations(pipeline, Options::default(), &places, &host)?;
    let bucket = BucketReader::open(&pipeline.lake, &places.lake, tokio)?;
    let layout = layout(pipeline, tables.iter().map(|generation| &*generation.table))?;
    let rebuild = Rebuild::begin(&places.cache, &layout)?;
    let mut run = Run {
        rebuild,
        bucket,
        places,
        destinations: destinations(&tables)?,
        replaced: BTreeMap::new(),
        rebuilt: Rebuilt::default(),
    };
    run.open()?;
    run.all(progress)?;
    let names: Vec<String> = layout.rollups.iter().map(|rollup| rollup.name.clone()).collect();
    let rolled = run.rebuild.rolled()?;
    Rollups::new(&pipeline.rollups, &layout.tables)?.anew(&rolled, &names)?;
    names.iter().try_for_each(|name| rolled.computed(name))?;
    run.rebuild.finish()?;
    Ok(run.rebuilt)
}

fn destinations(tables: &Tables) -> Result<BTreeMap<String, Destination<'_>>> {
    let mut destinations = BTreeMap::new();
    for table in tables.iter().map(|generation| &*generation.table) {
        for aggregate in &table.plan.aggregates {
            let fields = window::output_fields(aggregate, &table.fields)?;
            destinations.insert(aggregate.name.clone(), Destination::Aggregate(table, aggregate, fields));
        }
        if table.layout.is_some() {
            let destination = Destination::Table(table.cached_fields());
            destinations.insert(table.plan.name.clone(), destination);
        }
    }
    Ok(destinations)
}

struct Run<'a> {
    rebuild: Rebuild,
    bucket: BucketReader,
    places: Places,
    destinations: BTreeMap<String, Destination<'a>>,
    /// What revisions have replaced, by table and partition.
    replaced: BTreeMap<(String, u32), Replaced>,
    rebuilt: Rebuilt,
}

impl Run<'_> {
    /// The groups of windows that are open, by their state.
    fn open(&mut self) -> Result<()> {
        for destination in self.destinations.values() {
            let Destination::Aggregate(table, aggregate, _) = destination else { continue };
            let groups = self.rebuild.groups(&aggregate.name)?;
            let mut progress = Progress::new(0);
            progress.closed_upto =
                self.rebuild.marks(&aggregate.name)?.map_or(Timestamp::MIN, |marks| marks.closed_upto);
            let state = State::restore(aggregate, &table.fields, 0, (&groups, 0), progress)?;
            self.rebuild.open(&aggregate.name, state.open_groups().into_iter())?;
            self.rebuilt.open.insert(aggregate.name.clone(), groups.len() as u64);
        }
        Ok(())
    }

    fn all(&mut self, mut progress: impl FnMut(u64, u64)) -> Result<()> {
        let total = self.rebuild.extent()?;
        let (mut last, mut objects) = (0, self.rebuild.objects(0, OBJECTS)?);
        while !objects.is_empty() {
            for (id, part) in objects {
                self.one(&part)?;
                last = id;
                progress(self.rebuilt.objects, total);
            }
            objects = self.rebuild.objects(last, OBJECTS)?;
        }
        for segment in self.rebuild.segments()? {
            self.one(&segment)?;
            progress(self.rebuilt.objects, total);
        }
        Ok(())
    }

    fn one(&mut self, part: &Part) -> Result<()> {
        self.rebuilt.objects += 1;
        let (table, partition, window, revision) = match part {
            Part::Object(Object { table, partition, window, revision, .. }, _)
            | Part::Segment(Segment { table, partition, window, revision, .. }) => {
                (table, *partition, *window, *revision)
            }
        };
        // What is not declared any more has no place.
        let Some(destination) = self.destinations.get(table) else { return Ok(()) };
        let rebuild = &self.rebuild;
        let replaced = match destination {
            Destination::Table(_) => match self.replaced.entry((table.clone(), partition)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(rebuild.replaced(table, partition)?),
            },
            Destination::Aggregate(..) if rebuild.superseded((table, partition), window, revision)? => return Ok(()),
            Destination::Aggregate(..) => &Replaced::default(),
        };
        let file = file(&self.bucket, &self.places, part)?;
        let mut rows = 0;
        let read = match destination {
            Destination::Table(fields) => landed::rows(file, fields, |batch| {
                rows += batch.num_rows() as u64;
                rebuild.rows(table, &replaced.in_force(batch, revision)?)
            }),
            Destination::Aggregate(_, _, fields) => landed::rows(file, fields, |batch| {
                rows += batch.num_rows() as u64;
                rebuild.closed(table, batch)
            }),
        };
        match read {
            Ok(()) => *self.rebuilt.rows.entry(table.clone()).or_default() += rows,
            // The bytes are those that were written: it is from a time when the columns were others.
            Err(error) if error.kind() == Kind::Corrupt && rows == 0 => {
                self.rebuilt.left_out.push(format!("{}: {}", part.name(), error.message()));
            }
            Err(error) => return Err(error.within(part.name())),
        }
        Ok(())
    }
}

/// The bytes of an object or segment, found to be those that were written.
fn file(bucket: &BucketReader, places: &Places, part: &Part) -> Result<File> {
    let spooled = |file: &str, (start, bytes): (u64, u64), written: &str| {
        let path = places.spool.join(file);
        let opened = File::open(&path).or_fail(Kind::Missing, || part.name())?;
        match lake::sha256(&path, start, bytes)? {
            sha256 if sha256 == written => Ok(opened),
            sha256 => Err(altered(part, &sha256, written)),
        }
    };
    let object = match part {
        Part::Segment(Segment { file, bytes, sha256, .. }) => return spooled(file, (0, *bytes), sha256),
        Part::Object(Object { file, start, bytes, sha256, .. }, false) => {
            return spooled(file, (*start, *bytes), sha256);
        }
        Part::Object(object, true) => object,
    };
    let fetched = bucket.fetch(&object.key)?.ok_or_else(|| {
        Error::new(Kind::Missing, format!("{}: the bucket does not have it", part.name()))
            .hint("put it back: without it the rows of its records are lost; the cache stays as it is")
    })?;
    if fetched.sha256 != object.sha256 {
        return Err(altered(part, &fetched.sha256, &object.sha256));
    }
    Ok(fetched.file)
}

fn altered(part: &Part, sha256: &str, written: &str) -> Error {
    let what = format!("{}: its sha256 is {sha256}, not {written}", part.name());
    Error::new(Kind::Corrupt, what).hint("put back what was written; the cache stays as it is")
}

impl Part {
    fn name(&self) -> String {
        match self {
            Self::Object(object, _) => format!("object {:?}", object.key),
            Self::Segment(segment) => format!("segment {:?}", segment.file),
        }
    }
}
