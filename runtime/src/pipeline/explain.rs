//! A row of the lake explained: its record fetched from the topic, and sent once more through the chain that made it, step by step.

mod shown;

use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};
use tokio::runtime::Handle;

pub use self::shown::{Bytes, Explained, Source, Step};
use super::generation::Chain;
use super::kept::chain_then;
use super::places::Places;
use super::table::{Table, origin_fields};
use crate::cache::query::Reader;
use crate::commit::Object;
use crate::component::Host;
use crate::config::plan::{self, Backend, Pipeline};
use crate::error::{Error, Kind, OrFail, Result};
use crate::lake::options::Format;
use crate::lake::{self, BucketReader, Fetched};
use crate::log::Survey;
use crate::record::Batch;
use crate::schema::Field;

/// What a row is explained with.
pub struct Explain<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// Where its things lie.
    pub places: &'a Places,
    /// What runs the components.
    pub host: &'a Host,
    /// Where requests to a bucket are made.
    pub tokio: &'a Handle,
}

impl Explain<'_> {
    /// Explains a row of an object, counted from 1. This blocks, and must not be called on one of tokio's threads.
    ///
    /// Errors with `Kind::Missing` where object, row, record or component is not there any more, with `Input` where the
    /// object is of an aggregate, whose rows come of many records.
    pub fn run(&self, key: &str, row: u64) -> Result<Explained> {
        let reader = Reader::open(&self.places.cache)?;
        let object = self.object(&reader, key)?;
        let plan = self.plan(&object)?;
        let bucket = BucketReader::open(&self.pipeline.lake, &self.places.lake, self.tokio)?;
        let gone = || Error::new(Kind::Missing, format!("object {:?}: the bucket does not have it", object.key));
        let fetched = bucket.fetch(&object.key)?.ok_or_else(gone)?;
        let object_intact = fetched.sha256 == object.sha256;
        let format = self.pipeline.lake.format;
        let (partition, offset, nth) = origin(&fetched, format, &object, row)?;
        let unknown = || {
            let what =
                format!("table {:?}: partition {partition}: the ledger has no epoch of offset {offset}", plan.name);
            Error::new(Kind::Missing, what).hint("`tidemill audit` says what else is wrong")
        };
        let mut line = reader.line_at(&plan.name, partition, offset)?.ok_or_else(unknown)?;
        let mut parameters = reader.parameters(&plan.name, line.generation)?.unwrap_or_default();
        let revisions = if object.revision > 0 { reader.revisions(&plan.name, partition)? } else { Vec::new() };
        let mut of_object = revisions.iter().filter(|of| (of.epoch, of.revision) == (line.epoch, object.revision));
        if let Some(revision) = of_object.next() {
            // What healed the record, or came of it again, was another than the epoch's.
            line.digest.clone_from(&revision.digest);
            if !revision.replaces {
                parameters = reader.parameters_at(&plan.name, revision.committed)?.unwrap_or_default();
            }
        }
        let replaced_by = Some(reader.replaced(&plan.name, partition)?.by(offset));
        let replaced_by = replaced_by.filter(|revision| *revision > object.revision);
        let chain = chain_then(self.host, plan, &self.places.components, &line.digest, &parameters)?;
        let table = Table::new(plan, chain.outputs(), format, &self.places.spool)?;
        let written = written(fetched, format, &table, row).map_err(|error| error.within(format!("object {key:?}")))?;
        let batch = self.record(plan, partition, offset)?;
        let again = Again::run(&chain, &table, &batch, partition, nth)?;
        let differs = again.made.as_ref().map_or_else(|| Ok(Vec::new()), |made| differing(made, &written))?;
        let same = again.made.is_some() && differs.is_empty();
        let first = batch.get(0).map(|record| Source::of(&record));
        let record = first.ok_or_else(|| Error::new(Kind::Internal, "explain: there is no record"))?;
        Ok(Explained {
            object: object.key,
            object_intact,
            replaced_by,
            row,
            table: plan.name.clone(),
            partition,
            offset,
            nth,
            epoch: line.epoch,
            generation: line.generation,
            digest: line.digest,
            record,
            decoded: again.decoded.map(raw).transpose()?,
            steps: again.steps,
            made: again.made.map(raw).transpose()?,
            written: raw(written)?,
            same,
            differs,
        })
    }

    fn object(&self, reader: &Reader, key: &str) -> Result<Object> {
        let whole = format!("s3://{}/", self.pipeline.lake.bucket);
        let key = key.strip_prefix(&whole).unwrap_or(key);
        let unknown = || {
            let error = Error::new(Kind::Missing, format!("object {key:?}: no epoch has written it"));
            error.hint("give an object's key, as `tidemill query \"SELECT key FROM tidemill_objects\"` lists them")
        };
        reader.object(key)?.ok_or_else(unknown)
    }

    fn plan(&self, object: &Object) -> Result<&plan::Table> {
        let plan = self.pipeline.tables.iter().find(|plan| plan.name == object.table);
        plan.ok_or_else(|| {
            let aggregates = || self.pipeline.tables.iter().flat_map(|plan| &plan.aggregates);
            let what = if plan::is_landing(&object.table) {
                format!("it is of landing {:?}, whose records are as they came", object.table)
            } else if aggregates().any(|aggregate| aggregate.name == object.table) {
                format!("it is of aggregate {:?}, whose rows come of many records each", object.table)
            } else {
                format!("its table {:?} is no longer declared", object.table)
            };
            Error::new(Kind::Input, format!("object {:?}: {what}", object.key))
        })
    }

    /// The record, as the only one of a batch.
    fn record(&self, plan: &plan::Table, partition: u32, offset: u64) -> Result<Batch> {
        let topic = self.pipeline.topics.iter().find(|topic| topic.name == plan.topic);
        if topic.is_none_or(|topic| !matches!(topic.backend, Backend::Embedded(_))) {
            let what = format!("topic {:?}: it lives elsewhere, and its records are not fetched again", plan.topic);
            return Err(Error::new(Kind::Input, what));
        }
        let found = Survey::open(&self.places.topics, &plan.topic, partition)?.read(offset)?;
        let mut batch = Batch::default();
        match found.as_ref().and_then(|found| found.get(0)).filter(|record| record.offset == offset) {
            Some(record) => batch.push(record),
            None => {
                let what =
                    format!("topic {:?}: partition {partition}: offset {offset} is not there any more", plan.topic);
                return Err(Error::new(Kind::Missing, what).hint("retention has removed it"));
            }
        }
        Ok(batch)
    }
}

/// What comes of a record now.
struct Again {
    decoded: Option<String>,
    steps: Vec<Step>,
    made: Option<String>,
}

impl Again {
    fn run(chain: &Chain, table: &Table, batch: &Batch, partition: u32, nth: u64) -> Result<Self> {
        let mut again = Self { decoded: None, steps: Vec::new(), made: None };
        let count = chain.components().count();
        for (place, component) in (1..).zip(chain.components()) {
            let part = chain.first(place)?;
            let decoded = part.decoder(partition)?.decode(batch, 0..1)?;
            if place == 1 && decoded.rejected.is_empty() {
                again.decoded = Some(lake::json_lines(&decoded.rows)?.trim_end().to_owned());
            }
            let cleaned = part.start()?.apply(&decoded.rows)?;
            let undecoded = decoded.rejected.into_iter().map(|(_, reason)| reason);
            let rejected = undecoded.chain(cleaned.rejected.into_iter().map(|(_, reason)| reason)).next();
            let mut rows = Vec::new();
            for piece in &cleaned.pieces {
                for line in lake::json_lines(&piece.rows)?.lines() {
                    rows.push(raw(line.to_owned())?);
                }
                if place == count && again.made.is_none() {
                    again.made = made(table, piece, batch, partition, nth)?;
                }
            }
            let description = component.description();
            let transform = format!("{} {}", description.name, description.version);
            again.steps.push(Step { transform, digest: component.digest().to_owned(), rows, rejected });
        }
        Ok(again)
    }
}

/// The nth of the rows that came of the record, with its origin, as the lake writes it.
fn made(
    table: &Table,
    piece: &super::transform::Piece,
    batch: &Batch,
    partition: u32,
    nth: u64,
) -> Result<Option<String>> {
    let Some(record) = batch.get(0) else { return Ok(None) };
    let rows = piece.sources.len();
    let (times, offsets) = (vec![record.time.0; rows], vec![record.offset.cast_signed(); rows]);
    let whole = table.with_origin(&piece.rows, &piece.sources, partition, &times, &offsets)?;
    let lines = lake::json_lines(&whole)?;
    Ok(usize::try_from(nth).ok().and_then(|nth| lines.lines().nth(nth)).map(str::to_owned))
}

/// Where a row of an object says that it came from.
fn origin(fetched: &Fetched, format: Format, object: &Object, row: u64) -> Result<(u32, u64, u64)> {
    let line = line(fetched, format, &origin_fields(), row)
        .map_err(|error| error.within(format!("object {:?}", object.key)))?;
    let fields: Map<String, Json> = serde_json::from_str(&line).or_fail(Kind::Corrupt, || "its row")?;
    let number = |name: &str| {
        let broken = || Error::new(Kind::Corrupt, format!("object {:?}: row {row} has no {name}", object.key));
        fields.get(name).and_then(Json::as_u64).ok_or_else(broken)
    };
    let partition = u32::try_from(number("_partition")?).or_fail(Kind::Corrupt, || "its row")?;
    Ok((partition, number("_offset")?, number("_row")?))
}

/// The row as it was written, in the lake's own form.
fn written(fetched: Fetched, format: Format, table: &Table, row: u64) -> Result<String> {
    line(&fetched, format, &[table.fields.as_slice(), &origin_fields()].concat(), row)
}

/// A row, counted from 1, of these fields: a line of JSON.
fn line(fetched: &Fetched, format: Format, fields: &[Field], row: u64) -> Result<String> {
    let short =
        |rows: u64| Error::new(Kind::Missing, format!("it has {rows} rows, and no row {row}")).hint("count from 1");
    let file = fetched.again()?;
    let mut before = 0;
    if format == Format::Json {
        for line in lake::json_rows(file) {
            let line = line?;
            before += 1;
            if before == row {
                return String::from_utf8(line).or_fail(Kind::Corrupt, || "its row");
            }
        }
        return Err(short(before));
    }
    for batch in lake::parquet_rows(file, fields)? {
        let batch = batch?;
        let rows = batch.num_rows() as u64;
        if row > before && row <= before + rows {
            let at = usize::try_from(row - before - 1).or_fail(Kind::Internal, || "its row")?;
            return Ok(lake::json_lines(&batch.slice(at, 1))?.trim_end().to_owned());
        }
        before += rows;
    }
    Err(short(before))
}

/// The columns in which two rows differ.
fn differing(made: &str, written: &str) -> Result<Vec<String>> {
    if made == written {
        return Ok(Vec::new());
    }
    let row = |text: &str| serde_json::from_str::<Map<String, Json>>(text).or_fail(Kind::Corrupt, || "a row");
    let (made, written) = (row(made)?, row(written)?);
    let names = made.keys().chain(written.keys().filter(|name| !made.contains_key(*name)));
    Ok(names.filter(|name| made.get(*name) != written.get(*name)).cloned().collect())
}

fn raw(text: String) -> Result<Box<RawValue>> {
    RawValue::from_string(text).or_fail(Kind::Internal, || "a row")
}
