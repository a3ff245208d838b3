//! Columns made from JSON, JSON made from columns.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::input::Columns;
use crate::read::{InputField, TextList};
use crate::text::Json;
use crate::time::Timestamp;
use crate::wit::{Batch, Column, Field, FieldType};
use crate::write::OutputField;

/// Records, each a JSON object as text, as the columns that `fields` ask for.
///
/// `@value` is the text, `@offset` the record's place; `@partition` and `@time` are 0, `@key` and `@headers` null.
pub fn batch<L: AsRef<str>>(fields: &[Field], lines: &[L]) -> Result<Batch, String> {
    let mut records = Vec::with_capacity(lines.len());
    for (place, line) in lines.iter().enumerate() {
        let record: Value =
            serde_json::from_str(line.as_ref()).map_err(|error| format!("record {place}: not JSON: {error}"))?;
        records.push((line.as_ref(), record));
    }
    let column = |field| column(field, &records);
    let rows = u32::try_from(records.len()).map_err(|error| error.to_string())?;
    Ok(Batch { rows, columns: fields.iter().map(column).collect::<Result<_, _>>()? })
}

fn column(field: &Field, records: &[(&str, Value)]) -> Result<Column, String> {
    match field.type_ {
        FieldType::Boolean => gather(field, records, |value| value.as_bool()),
        FieldType::Int64 => gather(field, records, |value| value.as_i64()),
        FieldType::Float64 => gather(field, records, |value| value.as_f64()),
        FieldType::Timestamp => gather(field, records, |value| match value {
            Value::String(text) => Timestamp::parse(text),
            number => number.as_i64().map(Timestamp),
        }),
        FieldType::Text => gather(field, records, |value| value.as_str().map(str::to_owned)),
        FieldType::Bytes => gather(field, records, |value| value.as_str().map(|text| text.as_bytes().to_vec())),
        FieldType::Json => gather(field, records, |value| Some(Json(Cow::Owned(value.to_string())))),
        FieldType::Float64List => {
            gather(field, records, |value| value.as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>())
        }
        FieldType::TextList => gather(field, records, |value| {
            let text = |item: &Value| item.as_str().map(str::to_owned);
            value.as_array()?.iter().map(text).collect::<Option<Vec<String>>>()
        }),
    }
}

/// The column of `field`, whose values `parse` makes from JSON.
fn gather<T>(field: &Field, records: &[(&str, Value)], parse: impl Fn(&Value) -> Option<T>) -> Result<Column, String>
where
    Option<T>: OutputField,
{
    let mut builder = Option::<T>::builder(records.len(), &[]);
    for (place, (line, record)) in records.iter().enumerate() {
        let found = find(field, place, line, record);
        let value = match &found {
            None | Some(Value::Null) if field.nullable => None,
            None | Some(Value::Null) => return Err(format!("record {place}: field {:?} is missing", field.name)),
            Some(value) => match parse(value) {
                None => return Err(format!("record {place}: field {:?} is not of its type: {value}", field.name)),
                parsed => parsed,
            },
        };
        value.write(&mut builder);
    }
    Option::<T>::finish(builder)
}

fn find(field: &Field, place: usize, line: &str, record: &Value) -> Option<Value> {
    match field.name.as_str() {
        "@value" => Some(Value::from(line)),
        "@offset" => Some(Value::from(place)),
        "@partition" | "@time" => Some(Value::from(0)),
        "@key" | "@headers" => None,
        _ => {
            let mut names = std::iter::once(&field.name).chain(&field.aliases);
            names.find_map(|name| record.get(name)).cloned()
        }
    }
}

/// The rows of a batch as objects with the names of `fields`, in their order. A timestamp is shown as RFC 3339, bytes as
/// a list of numbers.
pub fn rows(fields: &[Field], batch: &Batch) -> Result<Vec<Value>, String> {
    let mut columns = Columns::new(batch, fields.len())?;
    let mut rows = vec![Map::new(); batch.rows as usize];
    for field in fields {
        let values = match field.type_ {
            FieldType::Boolean => spread::<bool>(&mut columns, field, Value::from),
            FieldType::Int64 => spread::<i64>(&mut columns, field, Value::from),
            FieldType::Float64 => spread::<f64>(&mut columns, field, Value::from),
            FieldType::Timestamp => spread::<Timestamp>(&mut columns, field, |at| Value::from(at.to_string())),
            FieldType::Text => spread::<&str>(&mut columns, field, Value::from),
            FieldType::Bytes => spread::<&[u8]>(&mut columns, field, Value::from),
            FieldType::Json => spread::<Json<'_>>(&mut columns, field, |json| {
                serde_json::from_str(&json.0).unwrap_or_else(|_| Value::from(json.0))
            }),
            FieldType::Float64List => spread::<Vec<f64>>(&mut columns, field, Value::from),
            FieldType::TextList => {
                spread::<TextList<'_>>(&mut columns, field, |list| list.iter().map(Value::from).collect())
            }
        }?;
        for (row, value) in rows.iter_mut().zip(values) {
            row.insert(field.name.clone(), value);
        }
    }
    Ok(rows.into_iter().map(Value::Object).collect())
}

/// The values of the next column, each made into JSON by `show`.
fn spread<'a, T>(columns: &mut Columns<'a>, field: &Field, show: impl Fn(T) -> Value) -> Result<Vec<Value>, String>
where
    Option<T>: InputField<'a>,
{
    let reader = columns.next::<Option<T>>(&field.name)?;
    let value = |row| Option::<T>::read(&reader, row).map_or(Value::Null, &show);
    Ok((0..columns.rows()).map(value).collect())
}
