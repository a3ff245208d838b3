//! A DDSketch: how many numbers there are in each of bins that are 1/64 of a power of two wide, so that a quantile is known within 1/128.

use std::collections::BTreeMap;

use super::scalar::{self, float_of};
use crate::share::Share;

/// A number's bin is what is left of its word: sign, exponent, six bits of the fraction.
const SHIFT: u32 = 46;
/// The first bin of what is not finite.
const INFINITE: i32 = 0x7ff << (52 - SHIFT);
/// Numbers that are smaller than the greatest by as many bins, which are 128 powers of two, count as zero: so many bins there are.
const BINS_MAX: i32 = 128 << (52 - SHIFT);

/// Numbers by bin. Whatever the order in which they came, equal numbers give equal bins.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sketch {
    bins: BTreeMap<i32, u64>,
    /// The greatest magnitude of a finite number.
    top: i32,
}

impl Sketch {
    /// Adds a number by its word.
    pub(super) fn add(&mut self, word: i64) {
        self.add_bin((word >> SHIFT) as i32, 1);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        other.bins.iter().for_each(|(bin, count)| self.add_bin(*bin, *count));
    }

    /// The value with this share of all at or below it, within 1/128 of it; none where there is no number.
    pub(super) fn quantile(&self, share: Share) -> Option<f64> {
        let count = self.bins.values().map(|count| u128::from(*count)).sum();
        let rank = share.rank(count);
        let mut seen = 0;
        for (bin, count) in &self.bins {
            seen += u128::from(*count);
            if seen >= rank {
                return Some(middle(*bin));
            }
        }
        None
    }

    /// The bins that hold numbers, from the least on.
    pub(super) fn bins(&self) -> impl ExactSizeIterator<Item = (i32, u64)> {
        self.bins.iter().map(|(bin, count)| (*bin, *count))
    }

    /// Whether a number is that of a bin: some double is in it.
    pub(super) fn is_bin(number: i32) -> bool {
        magnitude(number) <= (scalar::NAN >> SHIFT) as i32
    }

    /// Adds numbers to a bin.
    pub(super) fn add_bin(&mut self, bin: i32, count: u64) {
        let size = magnitude(bin);
        if size < INFINITE && size > self.top {
            self.top = size;
            self.fold();
        }
        let bin = if size.saturating_add(BINS_MAX) <= self.top { 0 } else { bin };
        let held = self.bins.entry(bin).or_default();
        *held = held.saturating_add(count);
    }

    /// Moves what has become too small into the bin of zero.
    fn fold(&mut self) {
        let small = self.top.saturating_sub(BINS_MAX);
        if small < 0 {
            return;
        }
        let small: Vec<i32> =
            self.bins.range(-small - 1..=small).map(|(bin, _)| *bin).filter(|bin| *bin != 0).collect();
        for bin in small {
            let count = self.bins.remove(&bin).unwrap_or_default();
            let zero = self.bins.entry(0).or_default();
            *zero = zero.saturating_add(count);
        }
    }
}

/// The bin of the same numbers without their sign.
fn magnitude(bin: i32) -> i32 {
    if bin < 0 { !bin } else { bin }
}

/// The middle of a bin; zero of the one around it.
fn middle(bin: i32) -> f64 {
    let size = magnitude(bin);
    let edge = |size: i32| float_of(i64::from(size) << SHIFT);
    let middle = match size {
        0 => 0.0,
        size if size + 1 < INFINITE => f64::midpoint(edge(size), edge(size + 1)),
        size => edge(size),
    };
    if bin < 0 { -middle } else { middle }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::scalar::word_of;
    use crate::window::spec::{Measure, parse};

    fn share(text: &str) -> Share {
        match parse(&format!("quantile(x, {text})")).unwrap() {
            Measure::Quantile(_, share) => share,
            other => panic!("{other}"),
        }
    }

    fn sketch(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|value| sketch.add(word_of(*value)));
        sketch
    }

    /// Each quantile is within 1/128 of the exact one, whatever the order and the cut.
    fn check(values: &[f64]) {
        let mut rising = values.to_vec();
        rising.sort_by(f64::total_cmp);
        let all = sketch(values);
        let mut cut = sketch(&values[values.len() / 3..]);
        cut.merge(&sketch(&values[..values.len() / 3]));
        assert_eq!(cut, all);
        let mut turned = values.to_vec();
        turned.reverse();
        assert_eq!(sketch(&turned), all);
        for text in ["0", "0.01", "0.25", "0.5", "0.75", "0.9", "0.999", "1"] {
            let exact = rising[share(text).rank(rising.len() as u128) as usize - 1];
            let got = all.quantile(share(text)).unwrap();
            assert!((got - exact).abs() <= exact.abs() / 128.0 || got == exact, "{text}: {got}, not {exact}");
        }
    }

    #[test]
    fn quantiles_are_within_their_error() {
        check(&[0.0]);
        check(&[7.0, -7.0]);
        check(&(0..1000).map(|i| f64::from(i) * 0.37 - 100.0).collect::<Vec<_>>());
        check(&(0..600).map(|i| 1.1_f64.powi(i) * 1e-12).collect::<Vec<_>>());
        check(&[f64::MAX, f64::MAX, f64::INFINITY, f64::NEG_INFINITY]);
        assert_eq!(Sketch::default().quantile(share("0.5")), None);
        assert!(sketch(&[1.0, f64::NAN]).quantile(share("1")).unwrap().is_nan());
    }

    #[test]
    fn what_is_far_smaller_than_the_greatest_counts_as_zero_in_any_order() {
        let mut values: Vec<f64> = (-300..=300).map(|power| 10_f64.powi(power)).collect();
        values.extend((-300..=300).map(|power| -10_f64.powi(power)));
        let all = sketch(&values);
        assert!(all.bins().len() <= 2 * BINS_MAX as usize + 1);
        assert_eq!(all.quantile(share("0.5")), Some(0.0));
        for turn in [1, 300, 601, 900] {
            let mut turned = values.clone();
            turned.rotate_left(turn);
            assert_eq!(sketch(&turned), all);
            let (one, other) = turned.split_at(turn);
            let mut merged = sketch(other);
            merged.merge(&sketch(one));
            assert_eq!(merged, all);
        }
    }
}
