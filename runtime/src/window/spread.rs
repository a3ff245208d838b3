//! How far numbers lie apart: their sum and that of their squares, both exact, whatever the order in which they came.

use crate::sum::Sum;

/// What a variance is computed from.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread {
    pub(super) sum: Sum,
    pub(super) squares: Sum,
    pub(super) n: u64,
}

impl Spread {
    pub(super) fn add(&mut self, value: f64) {
        self.n = self.n.saturating_add(1);
        self.sum.add(value);
        let (square, rest) = product(value, value);
        self.squares.add(square);
        if square.is_finite() {
            self.squares.add(rest);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.n = self.n.saturating_add(other.n);
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
    }

    /// The variance of a sample; none for fewer than two values.
    pub(super) fn variance(&self) -> Option<f64> {
        if self.n < 2 {
            return None;
        }
        let n = self.n as f64;
        let ((sum, sum_rest), (squares, squares_rest)) = (pair(&self.sum), pair(&self.squares));
        // n times the squares less the square of the sum, each as two doubles: what cancels out is exact.
        let (less, less_rest) = product(sum, sum);
        let (more, more_rest) = product(n, squares);
        let (apart, lost) = difference(more, less);
        let rest = lost + ((more_rest + n * squares_rest) - (less_rest + 2.0 * sum * sum_rest));
        let apart = apart + rest;
        Some(if apart < 0.0 { 0.0 } else { apart / (n * (n - 1.0)) })
    }
}

/// A sum as the nearest double, and what that lacks.
fn pair(sum: &Sum) -> (f64, f64) {
    let near = sum.value();
    let mut rest = sum.clone();
    rest.add(-near);
    (near, rest.value())
}

/// A product as the nearest double, and what that lacks.
fn product(one: f64, other: f64) -> (f64, f64) {
    let near = one * other;
    (near, one.mul_add(other, -near))
}

/// A difference as the nearest double, and what that lacks.
fn difference(one: f64, other: f64) -> (f64, f64) {
    let near = one - other;
    let back = near - one;
    (near, (one - (near - back)) - (other + back))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], expected: Option<f64>) {
        let mut all = Spread::default();
        values.iter().for_each(|value| all.add(*value));
        assert_eq!(all.variance(), expected, "{values:?}");
        for cut in 0..values.len() {
            let (mut one, mut other) = (Spread::default(), Spread::default());
            values[cut..].iter().rev().for_each(|value| one.add(*value));
            values[..cut].iter().for_each(|value| other.add(*value));
            one.merge(&other);
            assert_eq!(one.variance(), expected, "{values:?} cut at {cut}");
        }
    }

    #[test]
    fn what_cancels_out_is_exact() {
        check(&[], None);
        check(&[5.0], None);
        check(&[5.0, 5.0, 5.0], Some(0.0));
        check(&[1.0, 2.0, 3.0, 4.0], Some(5.0 / 3.0));
        check(&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0], Some(1.0));
        check(&[1e15 + 1.0, 1e15 + 2.0, 1e15 + 3.0], Some(1.0));
        check(&[-1e15, 1e15], Some(2e30));
        check(&[0.1, 0.1, 0.1], Some(0.0));
        check(&[9_007_199_254_740_993_i64 as f64; 4], Some(0.0));
    }

    #[test]
    fn what_is_not_finite_has_no_spread() {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
            let mut spread = Spread::default();
            [1.0, odd, 2.0].iter().for_each(|value| spread.add(*value));
            assert!(!spread.variance().unwrap().is_finite(), "{odd}");
        }
    }
}
