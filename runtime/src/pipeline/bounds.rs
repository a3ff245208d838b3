//! A bound on the future: a record with a row whose time no aggregate can believe is a dead letter.

use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, PrimitiveArray};

use super::transform::Cleaned;
use crate::config::plan;
use crate::config::units::show_duration;
use crate::error::Result;
use crate::time::Timestamp;
use crate::window::spec::Time;

/// The columns of a table that are times of aggregates, each with how far its rows may lie ahead of their records.
#[derive(Debug)]
pub(super) struct Bounds(Vec<Bound>);

#[derive(Debug)]
struct Bound {
    column: String,
    /// The greatest that an aggregate over the column allows: what is beyond it is of use to none.
    future: Duration,
}

impl Bounds {
    /// Those of a table.
    pub(super) fn of(plan: &plan::Table) -> Self {
        let mut bounds: Vec<Bound> = Vec::new();
        for window in plan.aggregates.iter().map(|aggregate| &aggregate.window) {
            let Time::Column(column) = &window.time else { continue };
            match bounds.iter_mut().find(|bound| bound.column == *column) {
                Some(bound) => bound.future = bound.future.max(window.future),
                None => bounds.push(Bound { column: column.clone(), future: window.future }),
            }
        }
        Self(bounds)
    }

    /// Rejects the records of which a row lies beyond a bound, with all their rows; `appended` is the time of the record of a row of the
    /// chunk.
    pub(super) fn keep(&self, mut cleaned: Cleaned, appended: impl Fn(u32) -> Option<Timestamp>) -> Result<Cleaned> {
        let mut beyond = Vec::new();
        for piece in &cleaned.pieces {
            for bound in &self.0 {
                let column = piece.rows.column_by_name(&bound.column);
                let Some(times) = column.and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>()) else {
                    continue;
                };
                let rows = piece.sources.iter().enumerate();
                beyond.extend(
                    rows.filter_map(|(row, source)| Some((*source, bound.refuses(times, row, appended(*source)?)?))),
                );
            }
        }
        if !beyond.is_empty() {
            cleaned.reject(beyond)?;
        }
        Ok(cleaned)
    }
}

impl Bound {
    /// Why a row cannot be; none where it can.
    fn refuses(
        &self,
        times: &PrimitiveArray<TimestampMicrosecondType>,
        row: usize,
        appended: Timestamp,
    ) -> Option<String> {
        let time = times.values().get(row).filter(|_| times.is_valid(row)).map(|time| Timestamp(*time))?;
        (time > appended.plus(self.future)).then(|| {
            let (column, future) = (&self.column, show_duration(self.future));
            format!("column {column:?}: {time} is more than {future} after the record's own time, {appended}")
        })
    }
}
