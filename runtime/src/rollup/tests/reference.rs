//! What rollups come to when all rows are counted anew, by the plainest means.

use std::collections::{BTreeMap, BTreeSet};

use super::TABLES;
use crate::rollup::spec::{Measure, Rollup};
use crate::value::Value;

/// The latest rows of the tables, by key.
pub(super) type Rows = [BTreeMap<i64, Vec<Value>>; 3];

/// The rows that a rollup has to show, in order.
pub(super) fn shown(rollup: &Rollup, rows: &Rows) -> Vec<Vec<Value>> {
    let tables: Vec<usize> =
        rollup.tables().map(|name| TABLES.iter().position(|(of, _)| *of == name).unwrap()).collect();
    let mut groups: BTreeMap<Vec<Value>, Vec<Wide<'_>>> = BTreeMap::new();
    for key in rows[tables[0]].keys() {
        let wide: Option<Vec<(usize, &Vec<Value>)>> =
            tables.iter().map(|&table| Some((table, rows[table].get(key)?))).collect();
        let Some(wide) = wide.map(Wide) else { continue };
        let by = rollup.by.iter().map(|by| by.expression.value(wide.get(by.expression.column())));
        groups.entry(by.collect()).or_default().push(wide);
    }
    let mut shown: Vec<Vec<Value>> = (groups.into_iter())
        .map(|(by, rows)| by.into_iter().chain(rollup.measures.iter().map(|(_, of)| measure(of, &rows))).collect())
        .collect();
    shown.sort();
    shown
}

/// A row of each table of a rollup.
struct Wide<'a>(Vec<(usize, &'a Vec<Value>)>);

impl Wide<'_> {
    fn get(&self, column: &str) -> &Value {
        let (table, column) = column.split_once('.').map_or((None, column), |(table, column)| (Some(table), column));
        let of = self.0.iter().filter(|(place, _)| table.is_none_or(|table| TABLES[*place].0 == table));
        let mut found =
            of.filter_map(|(place, row)| Some(&row[TABLES[*place].1.iter().position(|(name, _)| *name == column)?]));
        found.next().unwrap()
    }
}

fn measure(measure: &Measure, rows: &[Wide<'_>]) -> Value {
    let values = |column: &str| {
        let mut values: Vec<Value> = rows.iter().map(|row| row.get(column)).cloned().collect();
        values.retain(|value| *value != Value::Null);
        values.sort();
        values
    };
    let number = |value: &Value| match value {
        Value::Int64(number) => *number as f64,
        Value::Float64(number) => *number,
        other => panic!("{other:?} is no number"),
    };
    let first = |value: Option<&Value>| value.cloned().unwrap_or(Value::Null);
    match measure {
        Measure::Count(None) => Value::Int64(rows.len() as i64),
        Measure::Count(Some(column)) => Value::Int64(values(column).len() as i64),
        Measure::Sum(column) => match values(column).as_slice() {
            [] => Value::Null,
            values @ [Value::Int64(_), ..] => Value::Int64(values.iter().map(|value| number(value) as i64).sum()),
            // The floats of the tests are quarters, whose sums are exact.
            values => Value::Float64(values.iter().map(number).sum()),
        },
        Measure::Mean(column) => match values(column).as_slice() {
            [] => Value::Null,
            values => Value::Float64(values.iter().map(number).sum::<f64>() / values.len() as f64),
        },
        Measure::Min(column) => first(values(column).first()),
        Measure::Max(column) => first(values(column).last()),
        Measure::Quantile(column, share) => {
            let values = values(column);
            let rank = share.rank(values.len() as u128) as usize;
            first(values.get(rank - 1))
        }
        Measure::CountDistinct(column) => Value::Int64(BTreeSet::from_iter(values(column)).len() as i64),
        Measure::Top(shown, by) => {
            let by_values = values(by);
            let Some(most) = by_values.last() else { return Value::Null };
            let of: BTreeSet<&Value> =
                rows.iter().filter(|row| row.get(by) == most).map(|row| row.get(shown)).collect();
            let json = |value: &Value| match value {
                Value::Null => serde_json::Value::Null,
                Value::Int64(number) => (*number).into(),
                other => other.to_string().into(),
            };
            Value::Text(serde_json::Value::from(of.into_iter().map(json).collect::<Vec<_>>()).to_string())
        }
    }
}
