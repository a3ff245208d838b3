//! What the measures of a group are computed from, so that each row that was added can be taken out.

use crate::error::Result;
use crate::packed::{Reader, put, put_signed, put_sum};
use crate::rolled::Row;
use crate::sum::Sum;
use crate::value::{Value, ValueRef};

use super::best::Best;
use super::encode::{astray, put_rising, risen};
use super::plan::{CellPlan, Shown};
use super::stretches::{At, Values};

/// The state of a cell. Where it says that a row cannot be taken out, the row was never in.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// How many values are not null.
    Count(u64),
    /// Whole numbers; 128 bits hold 2^64 of them.
    Whole { sum: i128, n: u64 },
    /// Floats: the exact sum of those that are finite, and how many are not.
    Float { sum: Sum, n: u64, plus: u64, minus: u64 },
    /// The first of `n` values, once they are needed.
    Best { n: u64, best: Option<Best>, anew: bool },
    /// All values.
    Values(Values),
}

/// Bytes of values while a row is added.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    by: Vec<u8>,
    shown: Vec<u8>,
}

impl Cell {
    /// The cell over no rows.
    pub(super) fn empty(plan: &CellPlan) -> Self {
        match plan {
            CellPlan::Count(_) => Self::Count(0),
            CellPlan::Whole(_) => Self::Whole { sum: 0, n: 0 },
            CellPlan::Float(_) => Self::Float { sum: Sum::default(), n: 0, plus: 0, minus: 0 },
            CellPlan::Best { .. } => Self::Best { n: 0, best: None, anew: false },
            CellPlan::Values { quantiles, .. } => Self::Values(Values::new(quantiles.len())),
        }
    }

    /// Adds a row, or takes it out; none where it cannot be taken out.
    pub(super) fn change<'a>(
        &mut self,
        plan: &CellPlan,
        row: &Row<'_>,
        add: bool,
        scratch: &mut Scratch,
        at: impl Fn() -> Option<At<'a>>,
    ) -> Result<Option<()>> {
        let value = |slot: usize| row.values.get(slot).copied().unwrap_or(ValueRef::Null);
        let read = match plan {
            CellPlan::Count(slot) | CellPlan::Whole(slot) | CellPlan::Float(slot) => *slot,
            CellPlan::Best { by, .. } => *by,
            CellPlan::Values { of, .. } => *of,
        };
        let read = value(read);
        if read.is_null() {
            return Ok(Some(()));
        }
        let counted = |n: &mut u64| match n.checked_add_signed(if add { 1 } else { -1 }) {
            Some(counted) => {
                *n = counted;
                Some(())
            }
            None => None,
        };
        Ok(match (self, plan, read) {
            (Self::Count(n), ..) => counted(n),
            (Self::Whole { sum, n }, _, ValueRef::Int64(value)) => {
                *sum += if add { i128::from(value) } else { -i128::from(value) };
                counted(n)
            }
            (Self::Float { sum, n, plus, minus }, _, ValueRef::Float64(value)) => {
                let whole = match value {
                    f64::INFINITY => counted(plus),
                    f64::NEG_INFINITY => counted(minus),
                    _ => {
                        sum.add(if add { value } else { -value });
                        Some(())
                    }
                };
                whole.and(counted(n))
            }
            (Self::Best { n, best, .. }, CellPlan::Best { shown, first, .. }, by) => {
                scratch.by.clear();
                put_rising(&mut scratch.by, by);
                scratch.shown.clear();
                let shown = shown.map(value).filter(|shown| !shown.is_null());
                shown.iter().for_each(|shown| put_rising(&mut scratch.shown, *shown));
                let Some(best) = loaded(best, at())? else { return Ok(None) };
                let with = shown.map(|_| scratch.shown.as_slice());
                best.change(*first, &scratch.by, with, add).then_some(()).and(counted(n))
            }
            (Self::Values(values), _, value) => {
                values.change(add, |to| put_rising(to, value));
                Some(())
            }
            _ => None,
        })
    }

    /// Bytes that wait in memory.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Values(values) => values.weight(),
            Self::Best { best: Some(best), .. } => best.weight(),
            _ => 0,
        }
    }

    /// Whether its first values are gone, and have to be made up for from the rows. Those that had none left begin anew.
    pub(super) fn is_used_up(&mut self) -> bool {
        let Self::Best { n, best: Some(best), anew } = self else { return false };
        *anew = best.is_used_up() && *n > 0;
        if best.is_used_up() {
            *best = Best::anew();
        }
        *anew
    }

    /// Adds a row to first values that are made up for.
    pub(super) fn make_up(&mut self, plan: &CellPlan, row: &Row<'_>, scratch: &mut Scratch) -> Result<()> {
        let Self::Best { n, anew: true, .. } = self else { return Ok(()) };
        let before = *n;
        self.change(plan, row, true, scratch, || None)?;
        if let Self::Best { n, .. } = self {
            *n = before;
        }
        Ok(())
    }

    /// Writes what lies beside the group's state; none where it does not go together.
    pub(super) fn write(&mut self, at: At<'_>) -> Result<Option<()>> {
        match self {
            Self::Values(values) => values.write(at),
            Self::Best { n, best, .. } => {
                let Some(best) = loaded(best, Some(at))? else { return Ok(None) };
                if best.first().is_some() != (*n > 0) {
                    return Ok(None);
                }
                if let Some(entries) = best.encode() {
                    at.keep.put_stretch(at.rollup, at.group, at.cell, &[], &entries)?;
                }
                Ok(Some(()))
            }
            _ => Ok(Some(())),
        }
    }

    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        match self {
            Self::Count(n) | Self::Best { n, .. } => put(to, *n),
            Self::Whole { sum, n } => {
                put(to, *n);
                put_signed(to, *sum);
            }
            Self::Float { sum, n, plus, minus } => {
                [n, plus, minus].into_iter().for_each(|n| put(to, *n));
                put_sum(to, sum);
            }
            Self::Values(values) => values.encode(to),
        }
    }

    pub(super) fn decode(from: &mut Reader<'_>, plan: &CellPlan) -> Option<Self> {
        Some(match plan {
            CellPlan::Count(_) => Self::Count(from.number()?),
            CellPlan::Whole(_) => Self::Whole { n: from.number()?, sum: from.signed()? },
            CellPlan::Float(_) => {
                let (n, plus, minus) = (from.number()?, from.number()?, from.number()?);
                Self::Float { n, plus, minus, sum: from.sum(0)? }
            }
            CellPlan::Best { .. } => Self::Best { n: from.number()?, best: None, anew: false },
            CellPlan::Values { quantiles, .. } => Self::Values(Values::decode(from, quantiles.len())?),
        })
    }

    /// What a measure shows of it. Over no values a count is 0 and all else is null, and so is a sum of whole numbers that no int64
    /// holds.
    pub(super) fn shown(&mut self, plan: &CellPlan, how: Shown, at: At<'_>) -> Result<Value> {
        let astray = || astray(at.rollup);
        let risen = |bytes: &[u8], kind| risen(bytes, kind).ok_or_else(astray);
        Ok(match (self, how) {
            (Self::Count(n), _) => count(*n),
            (Self::Whole { n: 0, .. } | Self::Float { n: 0, .. }, _) => Value::Null,
            (Self::Whole { sum, n }, Shown::Mean(_)) => Value::Float64(*sum as f64 / *n as f64),
            (Self::Whole { sum, .. }, _) => i64::try_from(*sum).map_or(Value::Null, Value::Int64),
            (Self::Float { sum, n, plus, minus }, how) => {
                let sum = match (*plus > 0, *minus > 0) {
                    (true, true) => return Ok(Value::Null),
                    (true, false) => f64::INFINITY,
                    (false, true) => f64::NEG_INFINITY,
                    (false, false) => sum.value(),
                };
                Value::Float64(if matches!(how, Shown::Mean(_)) { sum / *n as f64 } else { sum })
            }
            (Self::Best { best: Some(best), .. }, Shown::First(_, kind)) => match best.first() {
                Some(first) => risen(first, kind)?,
                None => Value::Null,
            },
            (Self::Best { best: Some(best), .. }, Shown::Top(_, kind)) => {
                if best.first().is_none() {
                    return Ok(Value::Null);
                }
                let mut shown = Vec::new();
                for value in best.shown() {
                    shown.push(match value.map(|value| risen(value, kind)).transpose()? {
                        Some(Value::Int64(number)) => serde_json::Value::from(number),
                        Some(Value::Text(text)) => serde_json::Value::from(text),
                        _ => serde_json::Value::Null,
                    });
                }
                Value::Text(serde_json::Value::from(shown).to_string())
            }
            (Self::Values(values), Shown::Quantile(_, nth, kind)) => {
                let CellPlan::Values { quantiles, .. } = plan else { return Err(astray()) };
                let share = quantiles.get(nth).copied().ok_or_else(astray)?;
                match values.quantile(at, nth, share)?.ok_or_else(astray)? {
                    Some(value) => risen(&value, kind)?,
                    None => Value::Null,
                }
            }
            (Self::Values(values), _) => count(values.distinct()),
            _ => return Err(astray()),
        })
    }
}

/// The first values, read where they are not in memory; none where they do not decode.
fn loaded<'a>(best: &'a mut Option<Best>, at: Option<At<'_>>) -> Result<Option<&'a mut Best>> {
    if best.is_none() {
        let stored = match at {
            Some(at) => at.keep.stretch(at.rollup, at.group, at.cell, &[])?,
            None => None,
        };
        let Some(read) = stored.map_or(Some(Best::default()), |stored| Best::decode(&stored.entries)) else {
            return Ok(None);
        };
        *best = Some(read);
    }
    Ok(best.as_mut())
}

pub(super) fn count(n: u64) -> Value {
    Value::Int64(i64::try_from(n).unwrap_or(i64::MAX))
}
