//! The cache proper made anew from the lake's rows, and held against what it has.

use arrow_array::RecordBatch;

use super::Audit;
use super::origins::rows;
use super::report::{Fault, Report, What};
use crate::cache::query::Reader;
use crate::cache::{DerivedAggregate, DerivedTable, Differs, Given, Stray};
use crate::commit::{Group, Object};
use crate::error::{Kind, Result};
use crate::lake::Fetched;
use crate::lake::options::Format;
use crate::pipeline::layout::layout;
use crate::pipeline::table::{Table, origin_fields};
use crate::schema::Field;
use crate::time::Timestamp;
use crate::window::spec::{Aggregate, Window};
use crate::window::{self, Progress, State};

/// What is made anew; without tables there is nothing to compare.
pub(super) struct Cached<'a> {
    given: Given,
    tables: Vec<OfTable<'a>>,
    aggregates: Vec<OfAggregate<'a>>,
}

struct OfTable<'a> {
    name: String,
    derived: DerivedTable<'a>,
    /// Its columns in the lake, then those that say where a row came from.
    fields: Vec<Field>,
    /// From which offset on the cache has it, by partition.
    begun: Vec<(u32, u64)>,
}

struct OfAggregate<'a> {
    name: String,
    derived: DerivedAggregate<'a>,
    fields: Vec<Field>,
    /// How its time is cut; none where it is not declared.
    window: Option<Window>,
}

impl<'a> Cached<'a> {
    /// Begins with tables that have no row, and with the open groups of aggregates, which no object has.
    pub(super) fn begin(audit: &Audit<'_>, reader: &'a Reader, tables: &[Table], report: &mut Report) -> Result<Self> {
        let given = match audit.pipeline.lake.format {
            Format::Parquet => Given::Exactly,
            Format::Json => Given::AsJson,
        };
        let mut cached = Self { given, tables: Vec::new(), aggregates: Vec::new() };
        let layout = layout(audit.pipeline, tables)?;
        let otherwise = |name: &str| {
            format!("{name:?}: it is declared otherwise than when the pipeline last ran, and not compared")
        };
        for layout in layout.tables {
            let Some(derived) = reader.derive_table(&layout)? else {
                report.not_provable.push(otherwise(&layout.name));
                continue;
            };
            // What came before may have had nulls where there are none now.
            let columns = layout.columns.into_iter().map(|field| Field { nullable: true, ..field });
            let fields = columns.chain(origin_fields()).collect();
            let begun = reader.begun(&layout.name)?;
            note_pruned(reader, &layout.name, report)?;
            cached.tables.push(OfTable { name: layout.name, derived, fields, begun });
        }
        for layout in layout.aggregates {
            let Some(derived) = reader.derive_aggregate(&layout)? else {
                report.not_provable.push(otherwise(&layout.name));
                continue;
            };
            let table = tables.iter().find(|table| table.plan.name == layout.table);
            let plan =
                table.and_then(|table| Some((table, table.plan.aggregates.iter().find(|of| of.name == layout.name)?)));
            note_pruned(reader, &layout.name, report)?;
            if let Some((table, plan)) = plan {
                open_groups(reader, table, plan, &layout.fields, &derived, report)?;
            }
            let window = plan.map(|(_, plan)| plan.window.clone());
            cached.aggregates.push(OfAggregate { name: layout.name, derived, fields: layout.fields, window });
        }
        Ok(cached)
    }

    /// Whether the cache has what came of an object's rows.
    pub(super) fn takes(&self, object: &Object) -> bool {
        self.of_table(&object.table).is_some_and(|table| {
            table.begun.iter().all(|(partition, from)| *partition != object.partition || object.first_offset >= *from)
        })
    }

    /// The fields that [`Cached::rows`] takes.
    pub(super) fn fields(&self, table: &str) -> Vec<Field> {
        self.of_table(table).map_or_else(|| origin_fields().to_vec(), |table| table.fields.clone())
    }

    /// Takes rows of a table.
    pub(super) fn rows(&self, table: &str, rows: &RecordBatch) -> Result<()> {
        self.of_table(table).map_or(Ok(()), |table| table.derived.add(rows))
    }

    /// The rows of an object are not to be had.
    pub(super) fn absent(&self, object: &Object) -> Result<()> {
        let Some(table) = self.of_table(&object.table) else { return Ok(()) };
        table.derived.absent(object.partition, object.first_offset, object.next_offset)
    }

    /// Takes the groups in an object of an aggregate, and says how many they are; none where they are not compared.
    pub(super) fn groups(&self, aggregate: &str, fetched: Fetched, format: Format) -> Result<Option<u64>> {
        let Some(of) = self.of_aggregate(aggregate) else { return Ok(None) };
        let mut count = 0;
        rows(fetched, format, &of.fields, |groups| {
            count += groups.num_rows() as u64;
            of.derived.add(groups, true)
        })?;
        Ok(Some(count))
    }

    /// The groups of an aggregate's window are not to be had.
    pub(super) fn absent_window(&self, aggregate: &str, window: Timestamp) -> Result<()> {
        let Some(of) = self.of_aggregate(aggregate) else { return Ok(()) };
        let ends = of.window.as_ref().and_then(|kind| kind.landing_ends(window));
        of.derived.absent(window, ends)
    }

    /// Compares all that was taken with the cache.
    pub(super) fn compare(&self, report: &mut Report) -> Result<()> {
        for table in &self.tables {
            for stray in table.derived.strays(self.given)? {
                report.fault(of_row(&table.name, &stray));
            }
        }
        for aggregate in &self.aggregates {
            for stray in aggregate.derived.strays(self.given)? {
                report.fault(of_group(&aggregate.name, &stray));
            }
        }
        Ok(())
    }

    fn of_table(&self, name: &str) -> Option<&OfTable<'a>> {
        self.tables.iter().find(|table| table.name == name)
    }

    fn of_aggregate(&self, name: &str) -> Option<&OfAggregate<'a>> {
        self.aggregates.iter().find(|aggregate| aggregate.name == name)
    }
}

/// Says up to where the cache has pruned a table or aggregate.
fn note_pruned(reader: &Reader, name: &str, report: &mut Report) -> Result<()> {
    if let Some(before) = reader.pruned(name)? {
        let said = format!("{name:?}: what is older than {before} was pruned from the cache, and is not compared");
        report.not_provable.push(said);
    }
    Ok(())
}

/// Takes the open groups as their state makes them.
fn open_groups(
    reader: &Reader,
    table: &Table,
    aggregate: &Aggregate,
    fields: &[Field],
    derived: &DerivedAggregate<'_>,
    report: &mut Report,
) -> Result<()> {
    let restore = |groups: Vec<Group>| State::restore(aggregate, &table.fields, 0, (&groups, 0), Progress::new(0));
    match reader.groups(&aggregate.name).and_then(restore) {
        Ok(state) => derived.add(&window::rows(fields, &state.open_groups())?, false),
        Err(error) if error.kind() == Kind::Corrupt => {
            report.fault(Fault::new(What::Altered, error.message()).of_table(&aggregate.name));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn of_row(table: &str, stray: &Stray) -> Fault {
    let key = key(stray);
    let (what, said) = match stray.what {
        Differs::Altered => (What::Altered, format!("the cache's row of {key} is not the latest that the lake has")),
        Differs::Unknown => (What::Foreign, format!("the cache has a row of {key}, and the lake has none")),
        Differs::Missing => (What::Missing, format!("the cache has no row of {key}, and the lake has one")),
    };
    let fault = Fault::new(what, said);
    match stray.place {
        Some((partition, offset)) => fault.of(table, partition).offsets(offset, offset.saturating_add(1)),
        None => fault.of_table(table),
    }
}

fn of_group(aggregate: &str, stray: &Stray) -> Fault {
    let key = key(stray);
    let (what, said) = match stray.what {
        Differs::Altered => (What::Altered, format!("the cache shows the group {key} otherwise than it was made")),
        Differs::Unknown => (What::Foreign, format!("the cache shows the group {key}, which was never made")),
        Differs::Missing => (What::Missing, format!("the cache does not show the group {key}")),
    };
    Fault::new(what, said).of_table(aggregate)
}

fn key(stray: &Stray) -> String {
    let values: Vec<String> = stray.key.iter().map(ToString::to_string).collect();
    format!("({})", values.join(", "))
}
