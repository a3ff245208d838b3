//! Rows out of an object: batches of columns from Parquet, lines from JSON.

use std::any::Any;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::{ArrayRef, RecordBatch, make_array};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::disk::COPY_BYTES;
use crate::error::{Error, Kind, OrFail, Result, panic_text};
use crate::schema::{Field, arrow_schema};

/// Rows in memory at a time.
const ROWS: usize = 4096;

/// Reads these fields of the rows of a Parquet object, in batches that have them in their order.
///
/// Errors with `Corrupt` where the file is no Parquet, where a field is missing, or where it is of another type.
pub fn parquet_rows(file: File, fields: &[Field]) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
    let fields = fields.to_vec();
    let mut reader = guarded(|| {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).or_fail(Kind::Corrupt, || "Parquet")?;
        let names = fields.iter().map(|field| field.name.as_str());
        let mask = ProjectionMask::columns(builder.parquet_schema(), names);
        builder.with_projection(mask).with_batch_size(ROWS).build().or_fail(Kind::Corrupt, || "Parquet")
    })?;
    let mut broken = false;
    Ok(std::iter::from_fn(move || {
        let mut next = || reader.next().map(|batch| as_written(&batch.or_fail(Kind::Corrupt, || "Parquet")?, &fields));
        let next = if broken { None } else { guarded(|| next().transpose()).transpose() };
        broken = next.as_ref().is_some_and(Result::is_err);
        next
    }))
}

/// Reads what anybody may have written: at some bytes, the crate for Parquet panics.
fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    let panicked = |panic: Box<dyn Any + Send>| {
        Err(Error::new(Kind::Corrupt, format!("Parquet: it cannot be read: {}", panic_text(panic.as_ref()))))
    };
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(panicked)
}

/// Reads the lines of a JSON object, each without its end.
pub fn json_rows(file: File) -> impl Iterator<Item = Result<Vec<u8>>> {
    let lines = BufReader::with_capacity(COPY_BYTES, file).split(b'\n');
    lines.map(|line| line.or_fail(Kind::Storage, || "JSON lines"))
}

/// The columns as they were when they were written: Parquet gives the items of lists other names.
fn as_written(batch: &RecordBatch, fields: &[Field]) -> Result<RecordBatch> {
    let mut columns = Vec::with_capacity(fields.len());
    for field in fields {
        let broken = |what: String| Error::new(Kind::Corrupt, format!("column {:?}: {what}", field.name));
        let column = batch.column_by_name(&field.name).ok_or_else(|| broken("it is missing".to_owned()))?;
        columns.push(
            column_as(column, &field.kind.arrow()).ok_or_else(|| {
                broken(format!("it is {} where {} was written", column.data_type(), field.kind.word()))
            })?,
        );
    }
    RecordBatch::try_new(arrow_schema(fields), columns).or_fail(Kind::Corrupt, || "rows")
}

fn column_as(column: &ArrayRef, wanted: &DataType) -> Option<ArrayRef> {
    match (column.data_type(), wanted) {
        (same, wanted) if same == wanted => Some(ArrayRef::clone(column)),
        (DataType::List(item), DataType::List(other)) if item.data_type() == other.data_type() => {
            column.to_data().into_builder().data_type(wanted.clone()).build().ok().map(make_array)
        }
        _ => None,
    }
}
