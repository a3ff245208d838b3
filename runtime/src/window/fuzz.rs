//! The stored state of groups under bytes that nobody meant.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a body may panic: that is how it fails")]

use std::time::Duration;

use super::cell::Cell;
use super::encode;
use super::plan::Plan;
use super::spec::{self, Aggregate, Kind, Time, Window};
use crate::packed::summed;
use crate::schema::{Field, Type};

/// Cells: what is read is what is written again. What follows an even byte gets its right sum first.
pub(crate) fn groups(bytes: &[u8]) {
    let Some(stored) = summed(bytes) else { return };
    let plan = plan();
    if let Ok(cells) = encode::decode(&plan, &stored) {
        let again = encode::encode(&cells);
        let read = encode::decode(&plan, &again).unwrap();
        assert_eq!(encode::encode(&read), again);
    }
}

/// What the target begins with.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let plan = plan();
    let cells: Vec<Cell> = plan.measures.iter().map(Cell::empty).collect();
    let mut with_more = encode::encode(&cells);
    // A sum over far more than a word, a tally of two.
    with_more.splice(1..2, [0, 200, 1]);
    vec![[&[0], encode::encode(&cells).as_slice()].concat(), [&[0], with_more.as_slice()].concat()]
}

/// A plan with a measure for each kind of cell.
fn plan() -> Plan {
    let measures = [
        "count()",
        "sum(code)",
        "sum(price)",
        "min(name)",
        "max(code)",
        "median(name)",
        "count_distinct(code)",
        "variance(price)",
        "first(name)",
        "last(code)",
        "approx_quantile(price, 0.9)",
        "approx_count_distinct(name)",
        "top_k(name, 2, sum(price))",
        "histogram(price, 0, 10)",
    ];
    let aggregate = Aggregate {
        name: "a".into(),
        by: Vec::new(),
        window: Window {
            kind: Kind::Tumbling { size: Duration::from_secs(10) },
            time: Time::Append,
            lateness: Duration::ZERO,
            idle: Duration::from_secs(60),
            future: Duration::from_hours(24),
        },
        measures: measures.iter().map(|text| ((*text).to_owned(), spec::parse(text).unwrap())).collect(),
        memory_max: spec::MEMORY_MAX,
    };
    let fields = [("name", Type::Text), ("code", Type::Int64), ("price", Type::Float64)];
    let fields = fields.map(|(name, kind)| Field { name: name.into(), aliases: vec![], kind, nullable: true });
    Plan::new(&aggregate, &fields).unwrap()
}
