//! A table as its workers need it: the plan, and what its transforms' outputs mean for lake and cache.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::SchemaRef;

use crate::cache::TableLayout;
use crate::config::plan;
use crate::error::{Error, Kind, OrFail, Result};
use crate::lake::options::Format;
use crate::schema::{Field, Type, arrow_schema};

/// What all workers of a table share.
#[derive(Clone, Debug)]
pub struct Table {
    /// The table as planned.
    pub plan: plan::Table,
    /// The fields of its cleaned rows.
    pub fields: Vec<Field>,
    /// The columns of its lake: the fields, then where each row came from.
    pub lake: SchemaRef,
    /// The columns of its cache; none where the cache keeps no rows.
    pub layout: Option<TableLayout>,
    /// Those columns and the origin, counted in `lake`.
    cached: Vec<usize>,
    /// The form of its segments.
    pub format: Format,
    /// Where its segments are spooled.
    pub spool: PathBuf,
}

/// The columns that say where a row came from, after the table's own.
pub const ORIGIN: [(&str, Type); 4] =
    [("_time", Type::Timestamp), ("_partition", Type::Int64), ("_offset", Type::Int64), ("_row", Type::Int64)];

/// Those columns as fields.
pub fn origin_fields() -> [Field; 4] {
    ORIGIN.map(|(name, kind)| Field { name: name.into(), aliases: Vec::new(), kind, nullable: false })
}

impl Table {
    /// Joins a plan with the fields that its last transform writes.
    pub fn new(plan: &plan::Table, outputs: &[Field], format: Format, spool: &Path) -> Result<Self> {
        let fields = outputs.to_vec();
        let origin = origin_fields();
        let place = |name: &String| {
            fields.iter().position(|field| &field.name == name).ok_or_else(|| {
                Error::new(
                    Kind::Input,
                    format!("table {:?}: column {name:?} is not among what its transform writes", plan.name),
                )
            })
        };
        let cached = plan.cache.iter().map(place).collect::<Result<Vec<_>>>()?;
        let columns = cached.iter().filter_map(|&index| fields.get(index).cloned()).collect();
        let (name, key) = (plan.name.clone(), plan.key.clone());
        let layout = (!plan.key.is_empty()).then_some(TableLayout { name, key, columns });
        let cached = cached.into_iter().chain(fields.len()..fields.len() + origin.len()).collect();
        let lake = arrow_schema(&[fields.as_slice(), &origin].concat());
        Ok(Self { plan: plan.clone(), fields, lake, layout, cached, format, spool: spool.to_owned() })
    }

    /// The columns of the cache and of the origin, as [`Table::cached`] gives them.
    pub fn cached_fields(&self) -> Vec<Field> {
        let all: Vec<Field> = self.fields.iter().cloned().chain(origin_fields()).collect();
        self.cached.iter().filter_map(|&index| all.get(index).cloned()).collect()
    }

    /// Of rows with their origin, what the cache keeps.
    pub fn cached(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        rows.project(&self.cached).or_fail(Kind::Internal, || format!("table {:?}", self.plan.name))
    }

    /// The same table with other fields.
    pub fn with_fields(&self, outputs: &[Field]) -> Result<Self> {
        Self::new(&self.plan, outputs, self.format, &self.spool)
    }

    /// The rows with their origin: for each the place of its record, and that record's time and offset.
    pub fn with_origin(
        &self,
        rows: &RecordBatch,
        sources: &[u32],
        partition: u32,
        times: &[i64],
        offsets: &[i64],
    ) -> Result<RecordBatch> {
        let mut nth = 0;
        let mut before = None;
        let of_record = sources.iter().map(|source| {
            nth = if before == Some(source) { nth + 1 } else { 0 };
            before = Some(source);
            nth
        });
        let origin: [ArrayRef; 4] = [
            Arc::new(TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC")),
            Arc::new(Int64Array::from_value(i64::from(partition), sources.len())),
            Arc::new(Int64Array::from(offsets.to_vec())),
            Arc::new(Int64Array::from_iter_values(of_record)),
        ];
        let columns = rows.columns().iter().cloned().chain(origin).collect();
        RecordBatch::try_new(Arc::clone(&self.lake), columns)
            .or_fail(Kind::Internal, || format!("table {:?}", self.plan.name))
    }
}
