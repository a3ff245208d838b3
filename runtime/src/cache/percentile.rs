//! The percentile functions that SQL on a cache may use: Spark's `percentile_approx`, the interpolating `percentile` and `median`.

use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};

/// Registers the functions on a connection.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    // Innocuous, or a view could not use them where the schema is not trusted.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_aggregate_function("percentile_approx", 2, flags, Percentile::Nearest)?;
    connection.create_aggregate_function("percentile_approx", 3, flags, Percentile::Nearest)?;
    connection.create_aggregate_function("percentile", 2, flags, Percentile::Between)?;
    connection.create_aggregate_function("median", 1, flags, Percentile::Between)
}

/// Which value stands for a percentile.
#[derive(Clone, Copy)]
enum Percentile {
    /// The ceil(p * n)-th smallest, at least the first: what Spark gives where its sketch need not compress. Integers stay integers.
    Nearest,
    /// The point between the two nearest, as a float.
    Between,
}

/// The values of one group that are not null. Integers wait apart, so that they stay integers where no float comes.
#[derive(Default)]
struct Group {
    at: f64,
    integers: Vec<i64>,
    floats: Vec<f64>,
}

impl Aggregate<Group, Option<Value>> for Percentile {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Group> {
        Ok(Group::default())
    }

    fn step(&self, context: &mut Context<'_>, group: &mut Group) -> rusqlite::Result<()> {
        group.at = if context.len() == 1 { 0.5 } else { fraction(context.get_raw(1))? };
        match context.get_raw(0) {
            ValueRef::Null => {}
            ValueRef::Integer(value) => group.integers.push(value),
            ValueRef::Real(value) => group.floats.push(value),
            _ => return Err(wrong("a percentile is of numbers only")),
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, group: Option<Group>) -> rusqlite::Result<Option<Value>> {
        let Some(mut group) = group else { return Ok(None) };
        if !group.floats.is_empty() {
            group.floats.extend(group.integers.drain(..).map(|value| value as f64));
        }
        let count = group.integers.len().max(group.floats.len());
        if count == 0 {
            return Ok(None);
        }
        Ok(Some(match self {
            Self::Nearest => {
                let index = ((group.at * count as f64).ceil() as usize).clamp(1, count) - 1;
                match group.integers.is_empty() {
                    true => Value::Real(nth(&mut group.floats, index, f64::total_cmp)),
                    false => Value::Integer(nth(&mut group.integers, index, i64::cmp)),
                }
            }
            Self::Between => {
                let place = group.at * (count - 1) as f64;
                let mut value = |index: usize| match group.integers.is_empty() {
                    true => nth(&mut group.floats, index, f64::total_cmp),
                    false => nth(&mut group.integers, index, i64::cmp) as f64,
                };
                let (low, high) = (value(place.floor() as usize), value(place.ceil() as usize));
                Value::Real(low + (high - low) * place.fract())
            }
        }))
    }
}

/// The value at `index` were the values in order; `index` lies among them.
fn nth<T: Copy>(values: &mut [T], index: usize, order: impl FnMut(&T, &T) -> std::cmp::Ordering) -> T {
    *values.select_nth_unstable_by(index, order).1
}

fn fraction(value: ValueRef<'_>) -> rusqlite::Result<f64> {
    let at = match value {
        ValueRef::Integer(at) => at as f64,
        ValueRef::Real(at) => at,
        _ => return Err(wrong("a percentile is a number from 0 to 1")),
    };
    if (0.0..=1.0).contains(&at) { Ok(at) } else { Err(wrong("a percentile lies between 0 and 1")) }
}

fn wrong(message: &str) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(call: &str, values: &str, expected: Result<Value, &str>) {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        let sql = format!("SELECT {call} FROM (SELECT column1 AS x FROM (VALUES {values}))");
        let got = connection.query_row(&sql, [], |row| row.get::<_, Value>(0));
        match expected {
            Ok(value) => assert_eq!(got.unwrap(), value, "{call} of {values}"),
            Err(words) => assert!(got.unwrap_err().to_string().contains(words), "{call} of {values}"),
        }
    }

    #[test]
    fn takes_the_value_that_spark_takes() {
        check("percentile_approx(x, 0.5)", "(3), (1), (2)", Ok(Value::Integer(2)));
        check("percentile_approx(x, 0.5)", "(4), (1), (2), (3)", Ok(Value::Integer(2)));
        check("percentile_approx(x, 0.5)", "(7)", Ok(Value::Integer(7)));
        check("percentile_approx(x, 0.0)", "(2), (1)", Ok(Value::Integer(1)));
        check("percentile_approx(x, 1)", "(2), (1)", Ok(Value::Integer(2)));
        check("percentile_approx(x, 0.75)", "(10), (20), (30), (40)", Ok(Value::Integer(30)));
        check("percentile_approx(x, 0.5, 10000)", "(1), (2)", Ok(Value::Integer(1)));
    }

    #[test]
    fn leaves_nulls_out() {
        check("percentile_approx(x, 0.5)", "(null), (5), (null), (9)", Ok(Value::Integer(5)));
        check("percentile_approx(x, 0.5)", "(null)", Ok(Value::Null));
        check("percentile_approx(x, 0.5) FILTER (WHERE false)", "(1)", Ok(Value::Null));
        check("median(x)", "(null)", Ok(Value::Null));
    }

    #[test]
    fn is_a_float_where_a_float_comes() {
        check("percentile_approx(x, 0.5)", "(1.5), (2), (0.5)", Ok(Value::Real(1.5)));
        check("percentile_approx(x, 0.9)", "(1.5), (2)", Ok(Value::Real(2.0)));
    }

    #[test]
    fn interpolates_where_it_is_said_to() {
        check("median(x)", "(59000), (60000)", Ok(Value::Real(59500.0)));
        check("median(x)", "(1), (2), (9)", Ok(Value::Real(2.0)));
        check("percentile(x, 0.25)", "(10), (20), (30)", Ok(Value::Real(15.0)));
        check("percentile(x, 1)", "(10), (20.5)", Ok(Value::Real(20.5)));
    }

    #[test]
    fn refuses_what_has_no_answer() {
        check("percentile_approx(x, 1.5)", "(1)", Err("between 0 and 1"));
        check("percentile_approx(x, -0.1)", "(1)", Err("between 0 and 1"));
        check("percentile_approx(x, null)", "(1)", Err("from 0 to 1"));
        check("percentile_approx(x, 0.5)", "('a')", Err("numbers only"));
    }
}
