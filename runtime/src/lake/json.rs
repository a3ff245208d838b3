//! Rows as JSON lines: an object a row, each column present, null where there is no value.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Kind, OrFail, Result};
use crate::time::Timestamp;

/// Appends the rows to `out`, a line each. Times are RFC 3339, bytes base64, `json` fields stand as they are (or
/// as a text, where a transform broke them), and floats that no JSON can say are null.
pub(super) fn write(rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
    let schema = rows.schema_ref();
    let mut columns = Vec::with_capacity(rows.num_columns());
    for (field, array) in schema.fields().iter().zip(rows.columns()) {
        columns.push(Column::new(field, array.as_ref(), columns.is_empty())?);
    }
    for row in 0..rows.num_rows() {
        out.push(b'{');
        for column in &mut columns {
            column.write(row, out);
        }
        out.extend_from_slice(b"}\n");
    }
    Ok(())
}

/// The rows as text, in the lake's own form.
pub fn json_lines(rows: &RecordBatch) -> Result<String> {
    let mut out = Vec::new();
    write(rows, &mut out)?;
    String::from_utf8(out).or_fail(Kind::Internal, || "rows as JSON")
}

struct Column<'a> {
    /// `,"name":`, without the comma in the first column.
    name: Vec<u8>,
    array: &'a dyn Array,
    values: Values<'a>,
}

enum Values<'a> {
    Booleans(&'a BooleanArray),
    Ints(&'a Int64Array),
    Floats(&'a Float64Array),
    Texts(&'a StringArray),
    Json(&'a StringArray),
    Bytes(&'a BinaryArray),
    /// With the last time and how it reads: rows of a batch often share theirs.
    Times(&'a [i64], Option<(i64, String)>),
    Floatses(&'a ListArray),
    Textses(&'a ListArray),
}

impl<'a> Column<'a> {
    fn new(field: &Field, array: &'a dyn Array, first: bool) -> Result<Self> {
        let mut name = if first { Vec::new() } else { vec![b','] };
        text(field.name(), &mut name);
        name.push(b':');
        let json = field.metadata().get("tidemill:type").is_some_and(|kind| kind == "json");
        let unknown = || Error::new(Kind::Internal, format!("column {:?}: {}", field.name(), array.data_type()));
        let values = match array.data_type() {
            DataType::Boolean => Values::Booleans(array.as_boolean()),
            DataType::Int64 => Values::Ints(array.as_primitive::<Int64Type>()),
            DataType::Float64 => Values::Floats(array.as_primitive::<Float64Type>()),
            DataType::Utf8 if json => Values::Json(array.as_string()),
            DataType::Utf8 => Values::Texts(array.as_string()),
            DataType::Binary => Values::Bytes(array.as_binary()),
            DataType::Timestamp(..) => {
                let times = array.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(unknown)?;
                Values::Times(times.values(), None)
            }
            DataType::List(item) if *item.data_type() == DataType::Float64 => Values::Floatses(array.as_list()),
            DataType::List(item) if *item.data_type() == DataType::Utf8 => Values::Textses(array.as_list()),
            _ => return Err(unknown()),
        };
        Ok(Self { name, array, values })
    }

    fn write(&mut self, row: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.name);
        if self.array.is_null(row) {
            return out.extend_from_slice(b"null");
        }
        match &mut self.values {
            Values::Booleans(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
            Values::Ints(array) => number(array.value(row), out),
            Values::Floats(array) => number(array.value(row), out),
            Values::Texts(array) => text(array.value(row), out),
            Values::Json(array) => raw(array.value(row), out),
            Values::Bytes(array) => text(&STANDARD.encode(array.value(row)), out),
            Values::Times(times, last) => time(times.get(row).copied().unwrap_or_default(), last, out),
            Values::Floatses(array) => {
                let items = array.value(row);
                list(items.as_primitive::<Float64Type>().values().iter(), out, |item, out| number(*item, out));
            }
            Values::Textses(array) => {
                let items = array.value(row);
                list(items.as_string::<i32>().iter().flatten(), out, text);
            }
        }
    }
}

/// Writing to a vector cannot fail, and these types have a JSON form; infinity and not-a-number become null.
fn number(value: impl serde::Serialize, out: &mut Vec<u8>) {
    if serde_json::to_writer(&mut *out, &value).is_err() {
        out.extend_from_slice(b"null");
    }
}

fn text(value: &str, out: &mut Vec<u8>) {
    let plain = value.bytes().fold(true, |plain, byte| plain & (byte >= 0x20) & (byte != b'"') & (byte != b'\\'));
    if plain {
        out.push(b'"');
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    } else {
        number(value, out);
    }
}

fn raw(value: &str, out: &mut Vec<u8>) {
    if serde_json::from_str::<serde::de::IgnoredAny>(value).is_err() {
        return text(value, out);
    }
    // Outside of strings a line break is a blank like another; inside it cannot stand.
    out.extend(value.bytes().map(|byte| if byte == b'\n' || byte == b'\r' { b' ' } else { byte }));
}

fn time(at: i64, last: &mut Option<(i64, String)>, out: &mut Vec<u8>) {
    let shown = match last {
        Some((same, shown)) if *same == at => shown,
        _ => &mut last.insert((at, Timestamp(at).to_string())).1,
    };
    text(shown, out);
}

fn list<T>(items: impl Iterator<Item = T>, out: &mut Vec<u8>, mut write: impl FnMut(T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}
