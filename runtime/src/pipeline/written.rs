//! Rows as they were written and are in force, by rising offset, out of objects and segments.

use std::fs::File;
use std::io::ErrorKind;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use serde::Deserialize;

use super::places::Places;
use super::table::origin_fields;
use crate::cache::query::Reader;
use crate::cache::{Holding, Holdings, Replaced};
use crate::error::{Error, Kind, OrFail, Result};
use crate::lake::options::Format;
use crate::lake::{self, BucketReader};
use crate::schema::Field;

/// Where the bytes of objects and segments come from.
pub struct Files<'a> {
    /// Where the spool lies.
    pub places: &'a Places,
    /// The bucket.
    pub bucket: BucketReader,
}

/// A row in the lake's own form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The offset of its record.
    pub offset: u64,
    /// Which of the record's rows it is, counted from 0.
    pub nth: u64,
    /// A line of JSON.
    pub line: String,
}

/// The rows of a partition that are in force, by rising offset.
pub struct Rows<'a> {
    files: &'a Files<'a>,
    format: Format,
    replaced: Replaced,
    holdings: Holdings<'a>,
    ahead: Option<Holding>,
    open: Vec<Cursor>,
    from: u64,
}

/// Gives the fields of the rows that a chain has written, by its digest.
pub type FieldsOf<'a> = dyn FnMut(&str) -> Result<Vec<Field>> + 'a;

/// An object under way.
struct Cursor {
    rows: Box<dyn Iterator<Item = Result<Row>>>,
    next: Option<Row>,
    revision: u64,
}

impl Files<'_> {
    /// The bytes of an object or segment, found to be those that were written where the bucket gives them.
    ///
    /// Errors with `Kind::Missing` or `Kind::Corrupt` where they are not there as they were written.
    pub fn open(&self, holding: &Holding) -> Result<File> {
        if let Some(file) = self.spooled(holding)? {
            return Ok(file);
        }
        if !holding.object.key.is_empty() {
            return self.fetch(holding);
        }
        // It has become part of an object since.
        let landed = Reader::open(&self.places.cache)?.landed_in(holding)?;
        let landed = landed.ok_or_else(|| {
            Error::new(Kind::Missing, format!("segment {:?}: the spool does not have it", holding.object.file))
        })?;
        self.spooled(&landed)?.map_or_else(|| self.fetch(&landed), Ok)
    }

    fn spooled(&self, holding: &Holding) -> Result<Option<File>> {
        if holding.delivered.is_some() {
            return Ok(None);
        }
        match File::open(self.places.spool.join(&holding.object.file)) {
            Ok(file) => Ok(Some(file)),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause).or_fail(Kind::Storage, || format!("spool file {:?}", holding.object.file)),
        }
    }

    fn fetch(&self, holding: &Holding) -> Result<File> {
        let key = &holding.object.key;
        let bad = |kind, what: &str| {
            Err(Error::new(kind, format!("object {key:?}: {what}")).hint("`tidemill audit` says what else is wrong"))
        };
        match self.bucket.fetch(key)? {
            None => bad(Kind::Missing, "the bucket does not have it"),
            Some(there) if there.sha256 != holding.object.sha256 => bad(Kind::Corrupt, "it is not what was written"),
            Some(there) => Ok(there.file),
        }
    }
}

impl<'a> Rows<'a> {
    /// The rows of a partition from an offset on.
    pub fn new(reader: &'a Reader, files: &'a Files<'a>, format: Format, of: (&str, u32), from: u64) -> Result<Self> {
        let (table, partition) = of;
        Ok(Self {
            files,
            format,
            replaced: reader.replaced(table, partition)?,
            holdings: reader.holdings(table, partition, from, i64::MAX.cast_unsigned()),
            ahead: None,
            open: Vec::new(),
            from,
        })
    }

    /// The rows that come next, of records before an offset.
    pub fn before(&mut self, offset: u64, fields: &mut FieldsOf<'_>) -> Result<Vec<Row>> {
        loop {
            if self.ahead.is_none() {
                self.ahead = self.holdings.next().transpose()?;
            }
            let Some(holding) = self.ahead.take_if(|holding| holding.object.first_offset < offset) else { break };
            let digest = holding.object.digests.first().cloned().unwrap_or_default();
            let rows = lines(self.files.open(&holding)?, self.format, &fields(&digest)?)
                .map_err(|error| error.within(format!("{:?}", holding.object.file)))?;
            let mut cursor = Cursor { rows, next: None, revision: holding.object.revision };
            cursor.next = cursor.rows.next().transpose()?;
            self.open.push(cursor);
        }
        let mut taken = Vec::new();
        for cursor in &mut self.open {
            while let Some(row) = cursor.next.take_if(|row| row.offset < offset) {
                cursor.next = cursor.rows.next().transpose()?;
                if row.offset >= self.from && self.replaced.by(row.offset) <= cursor.revision {
                    taken.push(row);
                }
            }
        }
        self.open.retain(|cursor| cursor.next.is_some());
        // A segment may have become part of a larger object since it was listed.
        self.from = self.from.max(offset);
        taken.sort_unstable_by_key(|row| (row.offset, row.nth));
        taken.dedup_by_key(|row| (row.offset, row.nth));
        Ok(taken)
    }
}

/// The rows of a file, whose columns are some of these fields and the origin.
fn lines(file: File, format: Format, fields: &[Field]) -> Result<Box<dyn Iterator<Item = Result<Row>>>> {
    if format == Format::Json {
        return Ok(Box::new(lake::json_rows(file).map(|line| of_line(line?))));
    }
    let columns = lake::parquet_columns(&file)?;
    let all: Vec<Field> = fields.iter().cloned().chain(origin_fields()).collect();
    let there: Vec<Field> = all.into_iter().filter(|field| columns.contains(&field.name)).collect();
    let batches = lake::parquet_rows(file, &there)?.map(|batch| of_batch(&batch?));
    Ok(Box::new(batches.flat_map(|rows| match rows {
        Ok(rows) => rows.into_iter().map(Ok).collect::<Vec<_>>(),
        Err(error) => vec![Err(error)],
    })))
}

/// The rows of a batch that has their origin.
pub fn of_batch(rows: &RecordBatch) -> Result<Vec<Row>> {
    let column = |name: &str| {
        let column = rows.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int64Type>());
        column.ok_or_else(|| Error::new(Kind::Corrupt, format!("column {name:?}: it is missing")))
    };
    let (offsets, nths) = (column("_offset")?, column("_row")?);
    let lines = lake::json_lines(rows)?;
    let places = offsets.values().iter().zip(nths.values());
    let row = |(line, (offset, nth)): (&str, (&i64, &i64))| Row {
        offset: offset.cast_unsigned(),
        nth: nth.cast_unsigned(),
        line: line.to_owned(),
    };
    Ok(lines.lines().zip(places).map(row).collect())
}

fn of_line(line: Vec<u8>) -> Result<Row> {
    #[derive(Deserialize)]
    struct Origin {
        _offset: u64,
        _row: u64,
    }
    let line = String::from_utf8(line).or_fail(Kind::Corrupt, || "a row")?;
    let Origin { _offset: offset, _row: nth } = serde_json::from_str(&line).or_fail(Kind::Corrupt, || "a row")?;
    Ok(Row { offset, nth, line })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_belongs_to_the_latest_revision_of_its_epoch() {
        let mut replaced = Replaced::default();
        for (from, next, revision) in [(10, 20, 1), (20, 30, 4), (10, 20, 3), (40, 50, 2), (10, 20, 2)] {
            replaced.add(from, next, revision);
        }
        let by: Vec<u64> = [0, 9, 10, 19, 20, 29, 30, 39, 40, 49, 50].map(|offset| replaced.by(offset)).into();
        assert_eq!(by, [0, 0, 3, 3, 4, 4, 0, 0, 2, 2, 0]);
    }

    #[test]
    fn a_line_says_where_it_came_from() {
        let row = of_line(br#"{"ind":1,"_offset":7,"_row":2,"_partition":0}"#.to_vec()).unwrap();
        assert_eq!((row.offset, row.nth), (7, 2));
        assert_eq!(of_line(b"{}".to_vec()).unwrap_err().kind(), Kind::Corrupt);
    }
}
