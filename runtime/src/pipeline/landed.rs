//! Rows of the lake as they were written, out of objects of either form.

use std::fs::File;
use std::io::{Read, Seek};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, StringArray, new_null_array};

use crate::decode::Decoder;
use crate::error::{Error, Kind, OrFail, Result};
use crate::lake;
use crate::record::{Batch, Record};
use crate::schema::{Field, Type, arrow_schema};
use crate::time::Timestamp;

/// Lines of JSON that are decoded at a time.
const LINES: usize = 1024;
/// How a Parquet file begins; no line of JSON does.
const PARQUET: &[u8] = b"PAR1";

/// Gives the rows of an object or segment to `take`, batch by batch, with these columns in their order. A column that may be null
/// and that the object does not have is null.
///
/// Errors with `Corrupt` where a column is of another type, or is not there and may not be null.
pub fn rows(mut file: File, fields: &[Field], mut take: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
    let mut magic = Vec::new();
    let read = (&mut file).take(PARQUET.len() as u64).read_to_end(&mut magic).and_then(|_| file.rewind());
    read.or_fail(Kind::Storage, || "object")?;
    if magic != PARQUET {
        return of_json(file, fields, &mut take);
    }
    let columns = lake::parquet_columns(&file)?;
    let (there, absent): (Vec<Field>, Vec<Field>) = fields.iter().cloned().partition(|f| columns.contains(&f.name));
    if let Some(field) = absent.iter().find(|field| !field.nullable) {
        return Err(Error::new(Kind::Corrupt, format!("column {:?}: it is missing", field.name)));
    }
    for batch in lake::parquet_rows(file, &there)? {
        take(&completed(&batch?, fields)?)?;
    }
    Ok(())
}

/// The columns of `fields`, of which those that are absent are null.
pub(super) fn completed(batch: &RecordBatch, fields: &[Field]) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let column = |field: &Field| {
        batch.column_by_name(&field.name).cloned().unwrap_or_else(|| new_null_array(&field.kind.arrow(), rows))
    };
    RecordBatch::try_new(arrow_schema(fields), fields.iter().map(column).collect()).or_fail(Kind::Corrupt, || "rows")
}

fn of_json(file: File, fields: &[Field], take: &mut impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
    let mut decoder = Decoder::new(fields, 0)?;
    let (mut batch, mut offset) = (Batch::default(), 0);
    let mut lines = lake::json_rows(file);
    loop {
        batch.clear();
        for line in lines.by_ref().take(LINES) {
            let line = line?;
            batch.push(Record { offset, time: Timestamp(0), key: None, value: Some(&line), headers: &[] });
            offset += 1;
        }
        if batch.is_empty() {
            return Ok(());
        }
        let decoded = decoder.decode(&batch, 0..batch.len())?;
        if let Some((index, reason)) = decoded.rejected.first() {
            let line = offset - batch.len() as u64 + u64::from(*index) + 1;
            return Err(Error::new(Kind::Corrupt, format!("line {line}: {reason}")));
        }
        take(&without_json_nulls(&decoded.rows, fields)?)?;
    }
}

/// In JSON, a `json` column without a value is written as a null, which the decoder takes for a value.
fn without_json_nulls(rows: &RecordBatch, fields: &[Field]) -> Result<RecordBatch> {
    let column = |(field, column): (&Field, &ArrayRef)| -> ArrayRef {
        match column.as_string_opt::<i32>() {
            Some(texts) if field.kind == Type::Json && field.nullable => {
                let texts = texts.iter().map(|text| text.filter(|text| *text != "null"));
                Arc::new(texts.collect::<StringArray>())
            }
            _ => ArrayRef::clone(column),
        }
    };
    let columns = fields.iter().zip(rows.columns()).map(column).collect();
    RecordBatch::try_new(arrow_schema(fields), columns).or_fail(Kind::Corrupt, || "rows")
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Float64Type;
    use arrow_array::{
        Array, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray, TimestampMicrosecondArray,
    };
    use arrow_select::concat::concat_batches;

    use super::*;
    use crate::lake::options::Format;
    use crate::lake::{Profile, SegmentWriter};

    const COUNT: i64 = 5000;

    fn field(name: &str, kind: Type, nullable: bool) -> Field {
        Field { name: name.into(), aliases: Vec::new(), kind, nullable }
    }

    fn fields() -> Vec<Field> {
        let kinds = [
            ("flag", Type::Boolean),
            ("count", Type::Int64),
            ("ratio", Type::Float64),
            ("words", Type::Text),
            ("raw", Type::Bytes),
            ("at", Type::Timestamp),
            ("nested", Type::Json),
            ("points", Type::Float64List),
        ];
        let optional = kinds.map(|(name, kind)| field(name, kind, true));
        optional.into_iter().chain([field("_offset", Type::Int64, false)]).collect()
    }

    /// Rows of every type; every third is null where it may be.
    fn written() -> RecordBatch {
        let some = |row: i64| (row % 3 > 0).then_some(row);
        let all = || 0..COUNT;
        let ratio = |row: i64| Some((some(row)? as f64) / 7.0 * 1e-300);
        let list = |row: i64| some(row).map(|row| vec![Some(row as f64 / 3.0); (row % 4) as usize]);
        let item = Arc::new(arrow_schema::Field::new("item", arrow_schema::DataType::Float64, false));
        let lists = ListArray::from_iter_primitive::<Float64Type, _, _>(all().map(list));
        let (_, offsets, values, nulls) = lists.into_parts();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(all().map(|row| some(row).map(|row| row % 2 == 0)).collect::<BooleanArray>()),
            Arc::new(all().map(|row| some(row).map(|row| i64::MIN + row)).collect::<Int64Array>()),
            Arc::new(all().map(ratio).collect::<Float64Array>()),
            Arc::new(all().map(|row| some(row).map(|row| format!("é \"{row}\"\n"))).collect::<StringArray>()),
            Arc::new(all().map(|row| some(row).map(|row| row.to_le_bytes().to_vec())).collect::<BinaryArray>()),
            Arc::new(
                all()
                    .map(|row| some(row).map(|row| row * 1_000_001))
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
            Arc::new(all().map(|row| some(row).map(|row| format!("{{\"a\":[{row}]}}"))).collect::<StringArray>()),
            Arc::new(ListArray::new(item, offsets, values, nulls)),
            Arc::new(Int64Array::from_iter_values(all())),
        ];
        RecordBatch::try_new(arrow_schema(&fields()), columns).unwrap()
    }

    fn check(format: Format) {
        let path = std::env::temp_dir().join(format!("tidemill-landed-{}-{}", std::process::id(), format.extension()));
        let rows_written = written();
        let mut writer = SegmentWriter::create(&path, format, arrow_schema(&fields()), &Profile::default()).unwrap();
        writer.write(&rows_written).unwrap();
        writer.finish(&mut Profile::default()).unwrap();
        let read = |fields: &[Field]| {
            let mut batches = Vec::new();
            rows(File::open(&path).unwrap(), fields, |batch| {
                batches.push(batch.clone());
                Ok(())
            })
            .map(|()| concat_batches(&arrow_schema(fields), &batches).unwrap())
        };
        assert!(read(&fields()).unwrap() == rows_written, "{format:?}");
        let later = [field("_offset", Type::Int64, false), field("new", Type::Text, true)];
        let got = read(&later).unwrap();
        assert_eq!((got.num_rows() as i64, got.column(1).null_count() as i64), (COUNT, COUNT));
        for other in [field("new", Type::Text, false), field("words", Type::Int64, true)] {
            assert_eq!(read(&[other]).unwrap_err().kind(), Kind::Corrupt, "{format:?}");
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn rows_come_back_from_parquet_as_they_were_written() {
        check(Format::Parquet);
    }

    #[test]
    fn rows_come_back_from_json_as_they_were_written() {
        check(Format::Json);
    }
}
