//! Keys of the embedded lake and rows of objects under bytes that nobody meant.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a body may panic: that is how it fails")]

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Component;
use std::sync::atomic::{AtomicU64, Ordering};

use super::parquet_rows;
use super::server::path::{key_part, of_key};
use crate::schema::{Field, Type};

/// A key: its path stays inside the bucket's folder, and leads back to it.
pub(crate) fn key(bytes: &[u8]) {
    let Ok(key) = std::str::from_utf8(bytes) else { return };
    if key.is_empty() {
        return;
    }
    let path = of_key(key);
    assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{key:?}: {path:?}");
    let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
    let (leaf, folders) = parts.split_last().unwrap();
    let mut back: String = folders.iter().map(|part| key_part(part, true).unwrap()).collect();
    back += &key_part(leaf, false).unwrap();
    assert_eq!(back, key);
}

/// A name that lies in the folder of a bucket, whoever has put it there.
pub(crate) fn name(bytes: &[u8]) {
    if let Ok(name) = std::str::from_utf8(bytes) {
        let _ = (key_part(name, true), key_part(name, false));
    }
}

/// An object of the lake as the audit and a rebuild read it.
pub(crate) fn object(bytes: &[u8]) {
    let mut file = unnamed();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    let Ok(rows) = parquet_rows(file, &fields()) else { return };
    // Rows are read until one of them cannot be.
    for rows in rows.take(1000) {
        if rows.is_err() {
            return;
        }
    }
}

/// What each of the targets begins with.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "object" => vec![parquet()],
        "lake_name" => vec![b"plain.parquet".to_vec(), b"%2E%2Ea".to_vec(), b"%".to_vec(), b"%%".to_vec()],
        _ => ["a/b.parquet", "../..//x", "window=2026-11-22T21-05-00Z/pin+0+0000000000+1.json", "a\0b/", "é/%2e"]
            .map(|key| key.as_bytes().to_vec())
            .to_vec(),
    }
}

fn fields() -> Vec<Field> {
    let fields = [("id", Type::Text), ("n", Type::Int64), ("price", Type::Float64), ("good", Type::Boolean)];
    fields.map(|(name, kind)| Field { name: name.into(), aliases: vec![], kind, nullable: true }).to_vec()
}

fn parquet() -> Vec<u8> {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![Some("a"), None, Some("c")])),
        Arc::new(Int64Array::from(vec![Some(1), None, Some(-3)])),
        Arc::new(Float64Array::from(vec![Some(0.5), None, Some(f64::NAN)])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
    ];
    let rows = RecordBatch::try_new(crate::schema::arrow_schema(&fields()), columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    bytes
}

/// A file without a name.
fn unnamed() -> File {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nth = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("tidemill-fuzz-object-{}-{nth}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file
}
