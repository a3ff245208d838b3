//! The bucket against the outbox: each object is there with the bytes that were promised, and nothing else is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};
use tidemill::lake::json_lines;

use super::{Cache, Place, files};
use crate::place::digest;

/// An object with its rows.
pub(super) struct Object {
    /// The table that it is of, or the aggregate.
    pub(super) table: String,
    /// Its rows in their order.
    pub(super) rows: Vec<Map<String, Value>>,
}

/// The key of the object that says whose the bucket is.
pub const CLAIM: &str = "_tidemill/owner.json";

/// A line of the outbox.
struct Line {
    key: String,
    table: String,
    rows: usize,
    bytes: u64,
    sha256: String,
    delivered: bool,
}

/// The objects that are in the bucket as they should be, and what is wrong.
pub(super) fn read(place: Place<'_>, cache: &Cache) -> (Vec<Object>, Vec<String>) {
    let sql = "SELECT key, table_name, rows, bytes, sha256, delivered IS NOT NULL FROM tidemill_objects ORDER BY id";
    let lines = cache.rows(sql, [], |row| {
        let (rows, bytes): (i64, i64) = (row.get(2)?, row.get(3)?);
        let (rows, bytes) = (rows as usize, bytes as u64);
        Ok(Line { key: row.get(0)?, table: row.get(1)?, rows, bytes, sha256: row.get(4)?, delivered: row.get(5)? })
    });
    let bucket = place.data.join("lake").join(place.bucket);
    let (mut objects, mut faults, mut named) = (Vec::new(), Vec::new(), BTreeSet::new());
    for line in lines {
        named.insert(bucket.join(&line.key));
        let meta = place.data.join("lake/.meta").join(place.bucket).join(&line.key);
        match object(&bucket, &meta, &line) {
            Ok(object) => objects.push(object),
            Err(fault) => faults.push(format!("object {:?}: {fault}", line.key)),
        }
    }
    let mut there: BTreeSet<PathBuf> = files::all(&bucket).into_iter().collect();
    if !there.remove(&bucket.join(CLAIM)) {
        faults.push("the bucket does not say whose it is".to_owned());
    }
    faults.extend(there.difference(&named).map(|path| format!("object {}: no commit names it", path.display())));
    let waiting = cache.rows("SELECT file FROM tidemill_segments", [], |row| row.get::<_, String>(0));
    faults.extend(waiting.into_iter().map(|file| format!("segment {file:?}: it is part of no object")));
    (objects, faults)
}

fn object(bucket: &Path, meta: &Path, line: &Line) -> Result<Object, String> {
    if !line.delivered {
        return Err("it was not delivered".to_owned());
    }
    let bytes = fs::read(bucket.join(&line.key)).map_err(|cause| format!("{cause}"))?;
    if bytes.len() as u64 != line.bytes || digest(&bytes) != line.sha256 {
        return Err(format!("its {} bytes are not those that were promised", bytes.len()));
    }
    let records: Value = serde_json::from_slice(&fs::read(meta).map_err(|cause| format!("its metadata: {cause}"))?)
        .map_err(|cause| format!("its metadata: {cause}"))?;
    let mut records = records.as_array().into_iter().flatten();
    if !records.any(|r| r["bytes"] == line.bytes && r["meta"]["user"]["tidemill-sha256"] == *line.sha256) {
        return Err("its metadata does not have its sha256".to_owned());
    }
    let rows = rows(&line.key, bytes)?;
    if rows.len() != line.rows {
        return Err(format!("it has {} rows, not {}", rows.len(), line.rows));
    }
    Ok(Object { table: line.table.clone(), rows })
}

fn rows(key: &str, bytes: Vec<u8>) -> Result<Vec<Map<String, Value>>, String> {
    let lines = match key.ends_with(".parquet") {
        true => {
            let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).map_err(|e| e.to_string())?;
            let mut lines = String::new();
            for batch in builder.build().map_err(|cause| cause.to_string())? {
                let batch = batch.map_err(|cause| cause.to_string())?;
                lines += &json_lines(&batch).map_err(|cause| cause.to_string())?;
            }
            lines
        }
        false => String::from_utf8(bytes).map_err(|cause| cause.to_string())?,
    };
    lines.lines().map(|line| serde_json::from_str(line).map_err(|cause| format!("{line}: {cause}"))).collect()
}
