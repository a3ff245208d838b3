//! Decode: raw records into columns, only the fields that the transform declares.

mod column;
mod unwrap;

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use base64::Engine as _;
use hashbrown::HashMap;

use self::column::{Column, Misfit};
pub use self::unwrap::Unwrap;
use crate::error::{Error, Kind, OrFail, Result};
use crate::json::{self, Scanner, Wrong};
use crate::record::{self, Batch, Record};
use crate::schema::{Field, INPUTS, arrow_schema};

/// How many keys of the record before are remembered.
const SHAPE_KEYS_MAX: usize = 256;

/// Decodes the records of one partition for one transform.
pub struct Decoder {
    /// What is taken off each value first.
    unwrap: Unwrap,
    schema: SchemaRef,
    partition: u32,
    columns: Vec<Column>,
    /// Whether any field lies inside the value, so that it has to be a JSON object.
    reads_value: bool,
    /// The column of each name under which a field may come, and the rank of the name: 0 before its aliases.
    names: HashMap<String, Name>,
    /// The keys of the record before, in their order: the next one is most often written the same way.
    shape: Vec<Key>,
    /// The rank of the name that gave each column its value in this record.
    ranks: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Name {
    column: usize,
    rank: u8,
}

struct Key {
    /// The key with its quotes and the colon.
    written: Vec<u8>,
    name: Option<Name>,
}

/// What came of a stretch of a batch: each record is either in `sources` or in `rejected`.
#[derive(Debug)]
pub struct Decoded {
    /// A row for each record that decoded, in order; the columns are the transform's inputs.
    pub rows: RecordBatch,
    /// For each row, its record's index in the batch.
    pub sources: Vec<u32>,
    /// The records that did not decode, by rising index, and why.
    pub rejected: Vec<(u32, String)>,
}

impl Decoder {
    /// A decoder of `fields`, whose `@partition` is `partition`.
    pub fn new(fields: &[Field], partition: u32) -> Result<Self> {
        let mut names = HashMap::new();
        for (column, field) in fields.iter().enumerate() {
            for (rank, name) in std::iter::once(&field.name).chain(&field.aliases).enumerate() {
                let name_of = Name { column, rank: u8::try_from(rank).unwrap_or(u8::MAX) };
                if names.insert(name.clone(), name_of).is_some() {
                    return Err(Error::new(Kind::Transform, format!("input {name:?}: two fields are read from it")));
                }
            }
        }
        Ok(Self {
            unwrap: Unwrap::default(),
            schema: arrow_schema(fields),
            partition,
            reads_value: fields.iter().any(|field| !is_input(&field.name)),
            columns: fields.iter().cloned().map(Column::new).collect(),
            names,
            shape: Vec::new(),
            ranks: vec![u8::MAX; fields.len()],
        })
    }

    /// The same, of values from which something is taken off first; `@value` is what is left.
    pub fn unwrapping(self, unwrap: &Unwrap) -> Self {
        Self { unwrap: unwrap.clone(), ..self }
    }

    /// Decodes the records `indexes` of `batch`.
    pub fn decode(&mut self, batch: &Batch, indexes: Range<usize>) -> Result<Decoded> {
        let mut sources = Vec::with_capacity(indexes.len());
        let mut rejected = Vec::new();
        for (index, record) in indexes.clone().zip(batch.range(indexes)) {
            let rows = sources.len();
            match if self.unwrap.is_empty() { self.push(&record, rows) } else { self.push_unwrapped(&record, rows) } {
                Ok(()) => sources.push(index as u32),
                Err(reason) => {
                    self.columns.iter_mut().for_each(|column| column.truncate(rows));
                    rejected.push((index as u32, reason));
                }
            }
        }
        let columns = self.columns.iter_mut().map(Column::finish).collect::<Result<_>>()?;
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(sources.len()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .or_fail(Kind::Internal, || "decoded batch")?;
        Ok(Decoded { rows, sources, rejected })
    }

    /// Adds a row of what a record's value wraps.
    fn push_unwrapped(&mut self, record: &Record<'_>, row: usize) -> Result<(), String> {
        let unwrapped = match record.value {
            Some(value) => Some(self.unwrap.apply(value)?),
            None => None,
        };
        self.push(&Record { value: unwrapped.as_deref(), ..*record }, row)
    }

    /// Adds a row to each column, or says why there is none.
    fn push(&mut self, record: &Record<'_>, row: usize) -> Result<(), String> {
        if self.reads_value {
            let value = record.value.ok_or("the record has no value")?;
            self.push_value(value, row)?;
        }
        for column in &mut self.columns {
            if column.rows() > row {
                continue;
            }
            if is_input(&column.field.name) {
                push_input(column, record, self.partition);
            }
            if column.rows() == row {
                if !column.field.nullable {
                    return Err(format!("field {:?} is missing", column.field.name));
                }
                column.push_null();
            }
        }
        Ok(())
    }

    /// Reads the value, which is a JSON object, key by key.
    fn push_value(&mut self, value: &[u8], row: usize) -> Result<(), String> {
        let not_json = |wrong: Wrong| format!("the value is not JSON: at byte {}: {}", wrong.at, wrong.what);
        let mut from = Scanner::new(value).map_err(not_json)?;
        let found = from.kind().map_err(not_json)?;
        if found != json::Kind::Object {
            // Its first byte said what it should be; whether it is that has still to be seen.
            from.skip().and_then(|_| from.end()).map_err(not_json)?;
            return Err(format!("the value is {}, not an object", found.word()));
        }
        self.ranks.fill(u8::MAX);
        from.take(b'{');
        let mut nth = 0;
        if !from.take(b'}') {
            loop {
                let name = self.key(&mut from, nth).map_err(not_json)?;
                nth += 1;
                match name {
                    Some(name) => self.push_field(&mut from, name, row, not_json)?,
                    None => drop(from.skip().map_err(not_json)?),
                }
                if !from.take(b',') {
                    from.expect(b'}', "expected a comma or the end of the object").map_err(not_json)?;
                    break;
                }
            }
        }
        from.end().map_err(not_json)
    }

    /// Takes the `nth` key of an object, guessing it from the record before.
    fn key(&mut self, from: &mut Scanner<'_>, nth: usize) -> Result<Option<Name>, Wrong> {
        if let Some(key) = self.shape.get(nth)
            && from.take_all(&key.written)
        {
            return Ok(key.name);
        }
        let (key, escaped) = from.key()?;
        let mut plain = String::new();
        if escaped {
            json::unescape(key, |part| plain.push_str(part)).map_err(|what| from.wrong(what))?;
        } else {
            plain.push_str(key);
        }
        let name = self.names.get(&plain).copied();
        self.shape.truncate(nth);
        if nth < SHAPE_KEYS_MAX {
            self.shape.push(Key { written: format!("\"{key}\":").into_bytes(), name });
        }
        Ok(name)
    }

    /// Takes the value of a declared field. Of a name that comes twice the last counts; of several names of a field, the first in its declaration.
    fn push_field(
        &mut self,
        from: &mut Scanner<'_>,
        name: Name,
        row: usize,
        not_json: impl Fn(Wrong) -> String,
    ) -> Result<(), String> {
        let (Some(column), Some(rank)) = (self.columns.get_mut(name.column), self.ranks.get_mut(name.column)) else {
            return Ok(());
        };
        if name.rank > *rank {
            return from.skip().map(drop).map_err(not_json);
        }
        *rank = name.rank;
        if column.rows() > row {
            column.truncate(row);
        }
        column.push_json(from).map_err(|misfit| {
            let Field { name, kind, .. } = &column.field;
            match misfit {
                Misfit::Json(wrong) => not_json(wrong),
                Misfit::Found(found) => format!("field {name:?}: expected {}, found {}", kind.word(), found.word()),
                Misfit::Bounds(what) => format!("field {name:?}: expected {}: {what}", kind.word()),
            }
        })
    }
}

fn is_input(name: &str) -> bool {
    INPUTS.iter().any(|(input, _)| *input == name)
}

/// Gives a column that stands for a part of the record its value, if the record has that part.
fn push_input(column: &mut Column, record: &Record<'_>, partition: u32) {
    match column.field.name.as_str() {
        "@value" => record.value.into_iter().for_each(|value| column.push_bytes(value)),
        "@key" => record.key.into_iter().for_each(|key| column.push_bytes(key)),
        "@headers" => column.push_text(&headers_json(record.headers)),
        "@time" => column.push_int64(record.time.0),
        "@partition" => column.push_int64(i64::from(partition)),
        "@offset" => column.push_int64(i64::try_from(record.offset).unwrap_or(i64::MAX)),
        _ => {}
    }
}

/// The headers as a JSON list of pairs, in order and with repeats: the name as text, the value in base64 or null.
fn headers_json(stored: &[u8]) -> String {
    let pairs = record::headers(stored).map(|(name, value)| {
        let value = value.map(|value| base64::engine::general_purpose::STANDARD.encode(value));
        (String::from_utf8_lossy(name).into_owned(), value)
    });
    serde_json::to_string(&pairs.collect::<Vec<_>>()).unwrap_or_else(|_| "[]".to_owned())
}
