//! Aggregates against an oracle that computes everything anew, and boundaries by hand.

mod hand;
mod kinds;
mod late;
mod measures;
mod oracle;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::TimestampMicrosecondArray;
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};

use super::spec::{self, Aggregate, Time, Window};
use super::{Accumulator, Origin, State};
use crate::commit::Group;
use crate::expression::Grouping;
use crate::schema::{self, Field, Type};
use crate::value::Value;

/// A row as the tests write it.
#[derive(Clone, Debug, Default)]
struct Row {
    append: i64,
    at: Option<i64>,
    name: Option<&'static str>,
    code: Option<i64>,
    price: Option<f64>,
    good: Option<bool>,
}

pub(super) fn fields() -> Vec<Field> {
    let columns = [
        ("at", Type::Timestamp),
        ("name", Type::Text),
        ("code", Type::Int64),
        ("price", Type::Float64),
        ("good", Type::Boolean),
    ];
    let field = |(name, kind): (&str, _)| Field { name: name.into(), aliases: vec![], kind, nullable: true };
    columns.map(field).to_vec()
}

fn batch(rows: &[Row]) -> (RecordBatch, Vec<i64>) {
    let times: TimestampMicrosecondArray = rows.iter().map(|row| row.at).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times.with_timezone("UTC")),
        Arc::new(rows.iter().map(|row| row.name).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.code).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.price).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.good).collect::<BooleanArray>()),
    ];
    let batch = RecordBatch::try_new(schema::arrow_schema(&fields()), columns).unwrap();
    (batch, rows.iter().map(|row| row.append).collect())
}

/// Adds rows of a partition, the first of which has this offset.
fn add(accumulator: &mut Accumulator, partition: u32, first: usize, rows: &[Row]) {
    let (batch, times) = batch(rows);
    let offsets: Vec<i64> = (first as i64..).take(rows.len()).collect();
    accumulator.add(&batch, Origin { partition, times: &times, offsets: &offsets }).unwrap();
}

/// An aggregate with windows of `size` and a lateness, in seconds.
pub(super) fn aggregate(by: &[&str], time: Option<&str>, size: u64, lateness: u64, measures: &[&str]) -> Aggregate {
    Aggregate {
        name: "a".into(),
        by: by.iter().map(|column| Grouping::column(*column)).collect(),
        window: window(spec::Kind::Tumbling { size: Duration::from_secs(size) }, time, lateness),
        measures: measures.iter().map(|text| ((*text).to_owned(), spec::parse(text).unwrap())).collect(),
        memory_max: spec::MEMORY_MAX,
    }
}

/// A window of this kind, with a lateness in seconds.
pub(super) fn window(kind: spec::Kind, time: Option<&str>, lateness: u64) -> Window {
    Window {
        kind,
        time: time.map_or(Time::Append, |column| Time::Column(column.into())),
        lateness: Duration::from_secs(lateness),
        idle: Duration::from_secs(60),
        future: Duration::from_hours(24),
    }
}

const SECOND: i64 = 1_000_000;

fn event(at: i64) -> Row {
    Row { append: at, at: Some(at), ..Row::default() }
}

fn feed(state: &mut State, aggregate: &Aggregate, partition: u32, rows: &[Row]) -> u64 {
    let watermark = state.progress().partitions[partition as usize].watermark;
    let mut accumulator = Accumulator::new(aggregate, &fields(), watermark).unwrap();
    add(&mut accumulator, partition, 0, rows);
    let partial = accumulator.take();
    state.merge(partition, partial).unwrap()
}

fn counts(groups: &[Group]) -> Vec<(i64, i64)> {
    let count = |group: &Group| match group.measures[0] {
        Value::Int64(count) => (group.window.0.div_euclid(SECOND), count),
        _ => panic!("{group:?}"),
    };
    groups.iter().map(count).collect()
}
