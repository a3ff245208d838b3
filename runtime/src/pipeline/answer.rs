//! An answer of the cache in a file: as Parquet, CSV or JSON.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Float64Array, Int64Array, RecordBatch, StringArray};
use sha2::{Digest as _, Sha256};

use crate::cache::query::Table;
pub use crate::config::plan::Form;
use crate::disk::{self, File};
use crate::error::{Error, Kind, OrFail, Result, io_kind};
use crate::lake::options::Format;
use crate::lake::{Finished, Profile, SegmentWriter, hex};
use crate::schema::{Field, Type, arrow_schema};
use crate::value::Value;

/// Writes an answer to a file, in the place of what is there; it is synced when this returns. The same answer is the same bytes.
pub fn write(answer: &Table, form: Form, path: &Path) -> Result<Finished> {
    match form {
        Form::Parquet => parquet(answer, path),
        Form::Csv => text(answer, &answer.csv(), path),
        Form::Json => text(answer, &answer.json_lines(), path),
    }
}

fn parquet(answer: &Table, path: &Path) -> Result<Finished> {
    let rows = columns(answer)?;
    let mut profile = Profile::default();
    let mut writer = SegmentWriter::create(path, Format::Parquet, rows.schema(), &profile)?;
    writer.write(&rows)?;
    writer.finish(&mut profile)
}

fn text(answer: &Table, text: &str, path: &Path) -> Result<Finished> {
    let written = || {
        // Never cut off: under a second name it may be an object of the lake.
        let _ = disk::remove_file(path);
        let mut file = File::create_new(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        disk::sync_parent(path)
    };
    written().map_err(|cause| Error::new(io_kind(&cause), format!("file {path:?}: {cause}")))?;
    let (rows, bytes) = (answer.rows.len() as u64, text.len() as u64);
    Ok(Finished { rows, bytes, sha256: hex(&Sha256::digest(text.as_bytes())) })
}

/// An answer as Arrow's columns. A column is of whole numbers, of numbers or of bytes where all its values are; of text otherwise.
fn columns(answer: &Table) -> Result<RecordBatch> {
    let (mut fields, mut arrays): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for (index, name) in answer.columns.iter().enumerate() {
        let values = || answer.rows.iter().map(move |row| row.get(index).unwrap_or(&Value::Null));
        let kind = kind(values());
        arrays.push(array(kind, values()));
        fields.push(Field { name: name.clone(), aliases: Vec::new(), kind, nullable: true });
    }
    RecordBatch::try_new(arrow_schema(&fields), arrays).or_fail(Kind::Input, || "query")
}

fn kind<'a>(values: impl Iterator<Item = &'a Value>) -> Type {
    let mut found = None;
    for value in values {
        let kind = match value {
            Value::Null => continue,
            Value::Int64(_) => Type::Int64,
            Value::Float64(_) => Type::Float64,
            Value::Bytes(_) => Type::Bytes,
            Value::Boolean(_) | Value::Text(_) | Value::Timestamp(_) => Type::Text,
        };
        found = match (found, kind) {
            (None, kind) => Some(kind),
            (Some(before), kind) if before == kind => Some(kind),
            (Some(Type::Int64 | Type::Float64), Type::Int64 | Type::Float64) => Some(Type::Float64),
            _ => return Type::Text,
        };
    }
    found.unwrap_or(Type::Text)
}

fn array<'a>(kind: Type, values: impl Iterator<Item = &'a Value>) -> ArrayRef {
    match kind {
        Type::Int64 => Arc::new(Int64Array::from_iter(values.map(|value| match value {
            Value::Int64(number) => Some(*number),
            _ => None,
        }))),
        Type::Float64 => Arc::new(Float64Array::from_iter(values.map(|value| match value {
            Value::Int64(number) => Some(*number as f64),
            Value::Float64(number) => Some(*number),
            _ => None,
        }))),
        Type::Bytes => Arc::new(BinaryArray::from_iter(values.map(|value| match value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }))),
        _ => Arc::new(StringArray::from_iter(values.map(|value| match value {
            Value::Null => None,
            value => Some(value.to_string()),
        }))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::lake::parquet_rows;

    fn answer() -> Table {
        let text = |text: &str| Value::Text(text.to_owned());
        let names = ["n", "x", "name", "mixed", "bytes", "none"];
        let rows = vec![
            vec![Value::Int64(1), Value::Int64(1), text("é"), text("a"), Value::Bytes(vec![0]), Value::Null],
            vec![Value::Null, Value::Float64(0.5), Value::Null, Value::Int64(7), Value::Null, Value::Null],
        ];
        Table { columns: names.map(str::to_owned).to_vec(), rows, more: false }
    }

    /// A folder of a test's own, removed at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("tidemill-answer-{name}-{}", std::process::id()));
            disk::create_dir_all(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = disk::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_same_answer_is_the_same_bytes() {
        let folder = Folder::new("same");
        for (name, form) in Form::NAMES {
            let file = folder.0.join(name);
            let first = write(&answer(), form, &file).unwrap();
            let second = write(&answer(), form, &file).unwrap();
            assert_eq!((first.rows, &first), (2, &second), "{name}");
            let bytes = disk::read(&file).unwrap();
            assert_eq!((first.bytes, first.sha256), (bytes.len() as u64, hex(&Sha256::digest(&bytes))), "{name}");
        }
        let text = |name: &str| String::from_utf8(disk::read(folder.0.join(name)).unwrap()).unwrap();
        assert_eq!(text("csv"), "n,x,name,mixed,bytes,none\r\n1,1,é,a,00,\r\n,0.5,,7,,\r\n");
        assert_eq!(
            text("json").lines().next().unwrap(),
            r#"{"n":1,"x":1,"name":"é","mixed":"a","bytes":"00","none":null}"#
        );
    }

    #[test]
    fn columns_of_parquet_are_of_the_type_of_their_values() {
        let folder = Folder::new("types");
        let file = folder.0.join("answer.parquet");
        write(&answer(), Form::Parquet, &file).unwrap();
        let kinds = [Type::Int64, Type::Float64, Type::Text, Type::Text, Type::Bytes, Type::Text];
        let field =
            |(name, kind): (&String, Type)| Field { name: name.clone(), aliases: Vec::new(), kind, nullable: true };
        let fields: Vec<Field> = answer().columns.iter().zip(kinds).map(field).collect();
        let read = parquet_rows(std::fs::File::open(&file).unwrap(), &fields).unwrap();
        let read: Vec<RecordBatch> = read.collect::<Result<_>>().unwrap();
        assert_eq!(read, [columns(&answer()).unwrap()]);
    }

    #[test]
    fn no_rows_are_a_file_too() {
        let folder = Folder::new("empty");
        let empty = Table { columns: vec!["n".to_owned()], ..Table::default() };
        for (name, form) in Form::NAMES {
            assert_eq!(write(&empty, form, &folder.0.join(name)).unwrap().rows, 0, "{name}");
        }
    }
}
