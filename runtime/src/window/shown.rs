//! What a measure shows of its cell.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use serde_json::{Map, Value as Json, json};

use super::cell::{Cell, Held};
use super::plan::Measured;
use super::scalar::{Scalar, float_of};
use super::spec::Measure;
use crate::schema::Type;
use crate::share::Share;
use crate::value::Value;

impl Measured {
    /// What it shows. Over no values a count is 0, a list of counts is of zeros, and all else is null; and so is a sum of whole
    /// numbers that no int64 holds: a gap can be seen, a wrong number cannot.
    pub(super) fn value(&self, cell: &Cell) -> Value {
        let kind = self.input.map_or(Type::Int64, |input| input.kind);
        let held = |held: Option<&Scalar>| held.map_or(Value::Null, |held| held.value(kind));
        match (cell, &self.measure) {
            (Cell::Count(n), _) => count(*n),
            (Cell::Distinct(values), _) => count(values.len() as u64),
            (Cell::Registers(registers), _) => count(registers.count()),
            (Cell::Int { n: 0, .. } | Cell::Float { n: 0, .. }, _) => Value::Null,
            (Cell::Int { sum, n }, Measure::Mean(_)) => Value::Float64(*sum as f64 / *n as f64),
            (Cell::Float { sum, n }, Measure::Mean(_)) => Value::Float64(sum.value() / *n as f64),
            (Cell::Int { sum, .. }, _) => i64::try_from(*sum).map_or(Value::Null, Value::Int64),
            (Cell::Float { sum, .. }, _) => Value::Float64(sum.value()),
            (Cell::Least(value) | Cell::Greatest(value), _) => held(value.as_ref()),
            (Cell::Tally(counts), Measure::Quantile(_, share)) => held(nth(counts, *share)),
            (Cell::Tally(counts), _) => held(nth(counts, Share::HALF)),
            (Cell::Spread(spread), Measure::Stddev(_)) => float(spread.variance().map(f64::sqrt)),
            (Cell::Spread(spread), _) => float(spread.variance()),
            (Cell::First(row) | Cell::Last(row), _) => held(row.as_deref().map(|Held { value, .. }| value)),
            (Cell::Sketch(sketch), Measure::ApproxQuantile(_, share)) => float(sketch.quantile(*share)),
            (Cell::Sketch(_), _) => Value::Null,
            (Cell::Ranks { ranks, .. }, Measure::TopK { k, .. }) => self.top(ranks, *k),
            (Cell::Ranks { .. }, _) => Value::Null,
            (Cell::Buckets { edges, counts }, _) => buckets(edges, counts),
        }
    }

    /// The `k` values of the greatest rank, those without one last, the smallest first where ranks are equal.
    fn top(&self, ranks: &HashMap<Scalar, Cell, RandomState>, k: usize) -> Value {
        let Some(by) = self.ranked_by.as_deref() else { return Value::Null };
        let kind = self.input.map_or(Type::Int64, |input| input.kind);
        let mut falling: Vec<(Value, &Scalar)> = ranks.iter().map(|(value, cell)| (by.value(cell), value)).collect();
        falling.sort_unstable_by(|(rank, value), (other, than)| other.cmp(rank).then_with(|| value.cmp(than)));
        falling.truncate(k);
        let item = |(rank, value): (Value, &Scalar)| {
            let mut item = Map::new();
            item.insert("value".to_owned(), as_json(&value.value(kind)));
            item.insert(by.measure.name().to_owned(), as_json(&rank));
            Json::Object(item)
        };
        Value::Text(Json::Array(falling.into_iter().map(item).collect()).to_string())
    }
}

/// `[{"below": 0, "count": 3}, {"from": 0, "below": 10, "count": 9}, {"from": 10, "count": 1}]`.
fn buckets(edges: &[i64], counts: &[u64]) -> Value {
    let edge = |index: usize| edges.get(index).map(|edge| json!(float_of(*edge)));
    let bucket = |(index, count): (usize, &u64)| {
        let mut item = Map::new();
        item.extend(index.checked_sub(1).and_then(edge).map(|from| ("from".to_owned(), from)));
        item.extend(edge(index).map(|below| ("below".to_owned(), below)));
        item.insert("count".to_owned(), json!(count));
        Json::Object(item)
    };
    Value::Text(Json::Array(counts.iter().enumerate().map(bucket).collect()).to_string())
}

/// What JSON cannot say, a float that is not finite, is null.
fn as_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => json!(value),
        Value::Int64(value) => json!(value),
        Value::Float64(value) => json!(value),
        Value::Timestamp(_) | Value::Text(_) | Value::Bytes(_) => json!(value.to_string()),
    }
}

fn count(n: u64) -> Value {
    Value::Int64(i64::try_from(n).unwrap_or(i64::MAX))
}

fn float(value: Option<f64>) -> Value {
    value.map_or(Value::Null, Value::Float64)
}

/// The value that has this share of all at or below it.
fn nth(counts: &HashMap<Scalar, u64, RandomState>, share: Share) -> Option<&Scalar> {
    let mut rising: Vec<_> = counts.iter().collect();
    rising.sort_unstable();
    let rank = share.rank(rising.iter().map(|(_, times)| u128::from(**times)).sum());
    let mut seen = 0;
    for (value, times) in rising {
        seen += u128::from(*times);
        if seen >= rank {
            return Some(value);
        }
    }
    None
}
