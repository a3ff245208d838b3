//! Closed windows as rows: the columns in which they land in cache and lake.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};

use super::plan::Plan;
use super::spec::Aggregate;
use crate::commit::Group;
use crate::error::{Error, Kind, OrFail, Result};
use crate::schema::{self, Field, Type};
use crate::value::Value;

/// The columns of a closed window's rows: `window_start`, `window_end`, those that it is grouped by, the measures.
///
/// Errors with kind `Input` where two of them have one name, and as [`super::Accumulator::new`].
pub fn output_fields(aggregate: &Aggregate, fields: &[Field]) -> Result<Vec<Field>> {
    let plan = Plan::new(aggregate, fields)?;
    let field = |name: &str, kind, nullable| Field { name: name.to_owned(), aliases: Vec::new(), kind, nullable };
    let mut output = vec![field("window_start", Type::Timestamp, false), field("window_end", Type::Timestamp, false)];
    for (grouping, by) in aggregate.by.iter().zip(&plan.by) {
        // A version that comes later, or came before, may write null where this one does not.
        output.push(field(&grouping.name, by.kind, true));
    }
    for ((name, measure), measured) in aggregate.measures.iter().zip(&plan.measures) {
        output.push(field(name, measured.kind(), !measure.counts()));
    }
    for (i, field) in output.iter().enumerate() {
        if output.iter().take(i).any(|before| before.name == field.name) {
            let what = format!("aggregate {:?}: two of its columns are called {:?}", aggregate.name, field.name);
            return Err(Error::new(Kind::Input, what).hint("give the measure another name"));
        }
    }
    Ok(output)
}

/// The `groups` as rows with the columns `output`, which [`output_fields`] gave.
///
/// Errors with kind `Internal` where a group has other columns.
pub fn rows(output: &[Field], groups: &[Group]) -> Result<RecordBatch> {
    let mut lines = Vec::with_capacity(groups.len());
    for group in groups {
        let ends = [Value::Timestamp(group.window), Value::Timestamp(group.end)];
        let line: Vec<Value> = ends.into_iter().chain(group.key.iter().chain(&group.measures).cloned()).collect();
        if line.len() != output.len() {
            let what = format!("a group has {} values for {} columns", line.len(), output.len());
            return Err(Error::new(Kind::Internal, what));
        }
        lines.push(line);
    }
    let mut columns = Vec::with_capacity(output.len());
    for (i, field) in output.iter().enumerate() {
        let values: Vec<&Value> = lines.iter().filter_map(|line| line.get(i)).collect();
        columns.push(array(&values, field.kind));
    }
    RecordBatch::try_new(schema::arrow_schema(output), columns).or_fail(Kind::Internal, || "rows of closed windows")
}

/// An array of `kind`; a value of another type is null in it.
fn array(values: &[&Value], kind: Type) -> ArrayRef {
    macro_rules! collect {
        ($array:ty, $pattern:pat => $value:expr) => {
            Arc::new(
                values.iter().map(|value| if let $pattern = value { Some($value) } else { None }).collect::<$array>(),
            )
        };
    }
    match kind {
        Type::Boolean => collect!(BooleanArray, Value::Boolean(v) => *v),
        Type::Int64 => collect!(Int64Array, Value::Int64(v) => *v),
        Type::Float64 => collect!(Float64Array, Value::Float64(v) => *v),
        Type::Bytes => collect!(BinaryArray, Value::Bytes(v) => v.as_slice()),
        Type::Timestamp => {
            let times = values.iter().map(|value| if let Value::Timestamp(v) = value { Some(v.0) } else { None });
            Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
        Type::Text | Type::Json | Type::Float64List | Type::TextList => {
            collect!(StringArray, Value::Text(v) => v.as_str())
        }
    }
}
