//! Lists of two numbers by their names: bounds, of which `inf` is none.

use toml::de::DeValue;

use super::super::fault::wrong;
use super::{Section, integer, not_a};
use crate::error::Result;

impl Section<'_> {
    /// The pairs of numbers in this table by their names, in the file's order; none where one is wrong, which is told.
    pub(in crate::config) fn bounds(&self) -> Option<Vec<(String, [f64; 2])>> {
        let read = |(name, value): (String, _)| self.judge(&name, pair(value)).map(|pair| (name, pair));
        let found: Vec<_> = self.entries().into_iter().map(read).collect();
        found.into_iter().collect()
    }
}

fn pair(value: &DeValue<'_>) -> Result<[f64; 2]> {
    let DeValue::Array(items) = value else { return Err(not_a("a list of two numbers", value)) };
    let numbers = items.iter().map(|item| number(item.get_ref())).collect::<Result<Vec<f64>>>()?;
    let count = numbers.len();
    let pair = <[f64; 2]>::try_from(numbers).map_err(|_| wrong(format!("it is a list of {count}, not of two numbers")));
    pair.map_err(|fault| fault.hint("write the least number, then the greatest, such as [18, 24]; inf for no bound"))
}

fn number(value: &DeValue<'_>) -> Result<f64> {
    let found = match value {
        DeValue::Integer(number) => {
            let whole = integer(number).filter(|whole| (*whole as f64) as i128 == i128::from(*whole));
            return whole
                .map(|whole| whole as f64)
                .ok_or_else(|| wrong(format!("{number} is not exact as a number with a fraction")));
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().ok().filter(|number| !number.is_nan()),
        _ => None,
    };
    found.ok_or_else(|| not_a("a number", value))
}
