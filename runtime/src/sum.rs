//! The exact sum of floating point numbers, the same in whatever order they come.

/// How many bits of every finite double, and of 2^64 of them added, there are: in digits of 32.
const DIGITS: usize = 68;

/// The place of `near`'s lowest bit, 2^-64, counted from the lowest bit of all doubles, 2^-1074.
const NEAR_AT: usize = 1074 - 64;

/// After so many additions the carries must move on; a digit has room for twice as many.
const CARRY_AFTER: u32 = 1 << 30;

const NAN: u8 = 1;
const PLUS: u8 = 2;
const MINUS: u8 = 4;

/// A sum that rounds once, when it is asked for. Usual numbers gather in `near`; the rest, where there are any, in `far`.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// In units of 2^-64.
    near: i128,
    far: Option<Box<Far>>,
    /// Which of NaN and the infinities were added.
    odd: u8,
}

/// A fixed-point number that spans all doubles: digit `i` counts units of 2^(32 i - 1074), with carries still to do.
#[derive(Clone, Debug)]
struct Far {
    digits: [i64; DIGITS],
    added: u32,
}

/// What a sum is made of, for its encoding.
#[derive(Debug, PartialEq)]
pub enum Parts {
    /// In units of 2^-64.
    Near(i128),
    /// Digits of 32 bits from digit `first` on, lowest first, without zeros at either end.
    Far {
        /// Whether the sum is below zero.
        negative: bool,
        /// The place of the first digit.
        first: usize,
        /// The digits.
        digits: Vec<u32>,
    },
}

impl Sum {
    #[inline]
    /// Adds a number; its negative takes a finite one out again.
    pub fn add(&mut self, value: f64) {
        let bits = value.to_bits();
        let negative = value.is_sign_negative();
        let exponent = (bits >> 52 & 0x7ff) as usize;
        let fraction = bits & ((1 << 52) - 1);
        if exponent == 0x7ff {
            self.odd |= if fraction != 0 {
                NAN
            } else if negative {
                MINUS
            } else {
                PLUS
            };
            return;
        }
        let whole = if exponent == 0 { fraction } else { fraction | 1 << 52 };
        let at = exponent.saturating_sub(1);
        let term = match at.checked_sub(NEAR_AT) {
            // 53 bits moved up by 73 are below 2^126.
            Some(up) if up <= 73 => i128::from(whole) << up,
            None if (whole.trailing_zeros() as usize) >= NEAR_AT - at => {
                i128::from(whole.checked_shr((NEAR_AT - at) as u32).unwrap_or(0))
            }
            _ => return self.far().add(at, whole, negative),
        };
        self.add_near(if negative { -term } else { term });
    }

    /// Adds all that another sum was given.
    pub fn merge(&mut self, other: &Self) {
        self.odd |= other.odd;
        self.add_near(other.near);
        if let Some(far) = &other.far {
            self.far().merge(far);
        }
    }

    /// The sum, rounded to the nearest double (half to even); NaN for infinities of both signs.
    pub fn value(&self) -> f64 {
        match self.odd {
            0 => {}
            PLUS => return f64::INFINITY,
            MINUS => return f64::NEG_INFINITY,
            _ => return f64::NAN,
        }
        match self.parts() {
            Parts::Near(near) => near as f64 / 2f64.powi(64),
            Parts::Far { negative, first, digits } => {
                let size = rounded(first, &digits);
                if negative { -size } else { size }
            }
        }
    }

    /// Which of NaN and the infinities were added, as bits.
    pub fn odd(&self) -> u8 {
        self.odd
    }

    /// What it is made of.
    pub fn parts(&self) -> Parts {
        let Some(far) = &self.far else { return Parts::Near(self.near) };
        let mut far = far.clone();
        far.add_near(self.near);
        far.carry();
        let negative = far.digits.last().is_some_and(|&top| top < 0);
        if negative {
            far.digits.iter_mut().for_each(|digit| *digit = -*digit);
            far.carry();
        }
        let first = far.digits.iter().take_while(|digit| **digit == 0).count();
        let mut digits: Vec<u32> = far.digits.iter().skip(first).map(|&digit| digit as u32).collect();
        while digits.pop_if(|digit| *digit == 0).is_some() {}
        Parts::Far { negative, first, digits }
    }

    /// The sum that has these parts; none where no sum has.
    pub fn of(odd: u8, parts: Parts) -> Option<Self> {
        let mut sum = Self { near: 0, far: None, odd };
        match parts {
            Parts::Near(near) => sum.near = near,
            Parts::Far { negative, first, digits } => {
                let far = sum.far();
                for (i, digit) in digits.iter().enumerate() {
                    let slot = far.digits.get_mut(first.checked_add(i)?)?;
                    *slot = if negative { -i64::from(*digit) } else { i64::from(*digit) };
                }
                far.carry();
            }
        }
        (odd <= (NAN | PLUS | MINUS)).then_some(sum)
    }

    #[inline]
    fn add_near(&mut self, term: i128) {
        match self.near.checked_add(term) {
            Some(near) => self.near = near,
            None => {
                let full = std::mem::replace(&mut self.near, term);
                self.far().add_near(full);
            }
        }
    }

    fn far(&mut self) -> &mut Far {
        self.far.get_or_insert_with(|| Box::new(Far { digits: [0; DIGITS], added: 0 }))
    }
}

impl Far {
    /// Adds `whole` times 2^(at - 1074).
    fn add(&mut self, at: usize, whole: u64, negative: bool) {
        let mut rest = u128::from(whole) << (at % 32);
        for digit in self.digits.iter_mut().skip(at / 32).take(3) {
            let piece = i64::from(rest as u32);
            *digit += if negative { -piece } else { piece };
            rest >>= 32;
        }
        self.added += 1;
        if self.added >= CARRY_AFTER {
            self.carry();
        }
    }

    fn add_near(&mut self, near: i128) {
        let size = near.unsigned_abs();
        self.add(NEAR_AT, size as u64, near < 0);
        self.add(NEAR_AT + 64, (size >> 64) as u64, near < 0);
    }

    fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        other.carry();
        self.carry();
        for (digit, more) in self.digits.iter_mut().zip(other.digits) {
            *digit += more;
        }
        self.carry();
    }

    /// Brings every digit but the last between 0 and 2^32; the last carries the sign.
    fn carry(&mut self) {
        let mut carried = 0;
        if let Some((last, digits)) = self.digits.split_last_mut() {
            for digit in digits {
                let full = *digit + carried;
                *digit = full & 0xffff_ffff;
                carried = full >> 32;
            }
            *last += carried;
        }
        self.added = 0;
    }
}

/// The double nearest to the number with these digits.
fn rounded(first: usize, digits: &[u32]) -> f64 {
    let digit = |i: usize| i.checked_sub(first).and_then(|i| digits.get(i)).copied().unwrap_or(0);
    let Some(last) = digits.last() else { return 0.0 };
    let bits = (first + digits.len()) * 32 - last.leading_zeros() as usize;
    let from = |i: usize| u128::from(digit(i)) | u128::from(digit(i + 1)) << 32 | u128::from(digit(i + 2)) << 64;
    // Below 2^53 units a double's own bits are the number of units.
    let Some(shift) = bits.checked_sub(53) else { return f64::from_bits(from(0) as u64) };
    if shift > 2045 {
        return f64::INFINITY;
    }
    let whole = (from(shift / 32) >> (shift % 32)) as u64 & ((1 << 53) - 1);
    let mut double = ((shift as u64) << 52) + whole;
    if let Some(half) = shift.checked_sub(1) {
        let up = digit(half / 32) >> (half % 32) & 1 == 1;
        let below = (first..half / 32).any(|i| digit(i) != 0) || digit(half / 32) & ((1 << (half % 32)) - 1) != 0;
        // A carry out of the fraction moves into the exponent, and from the greatest double to infinity, as it should.
        double += u64::from(up && (below || whole & 1 == 1));
    }
    f64::from_bits(double)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> Sum {
        let mut sum = Sum::default();
        values.iter().for_each(|value| sum.add(*value));
        sum
    }

    /// Every rotation and its reverse, cut in two anywhere, encoded in between, gives the same bits.
    fn check(values: &[f64], expected: f64) {
        for turn in 0..values.len() {
            let mut turned = values.to_vec();
            turned.rotate_left(turn);
            for _ in 0..2 {
                turned.reverse();
                let (left, right) = turned.split_at(turn);
                let left = sum(left);
                let mut whole = Sum::of(left.odd(), left.parts()).unwrap();
                whole.merge(&sum(right));
                assert_eq!(whole.value().to_bits(), expected.to_bits(), "{turned:?} gave {}", whole.value());
            }
        }
    }

    #[test]
    fn is_exact_in_any_order() {
        check(&[0.1; 10], 1.0);
        check(&[0.1, 0.2, 0.3], 0.6);
        check(&[1e16, 1.0, -1e16], 1.0);
        check(&[1e308, 1e308, -1e308, 1.5, -1e308], 1.5);
        check(&[1e-300, 1e300, -1e300], 1e-300);
        check(&[5e-324, 5e-324, -2.2250738585072014e-308], -f64::from_bits((1 << 52) - 2));
        check(&[5e-324], 5e-324);
        check(&[0.5, -0.5, -0.0], 0.0);
        check(&[1e-30, -1e-30], 0.0);
        check(&[9e18, 9e18, 9e18, -1e-7], 2.7e19);
    }

    #[test]
    fn rounds_half_to_even() {
        let even = 2f64.powi(53);
        check(&[even, 1.0], even);
        check(&[even, 1.0, 1e-200], even + 2.0);
        check(&[even + 2.0, 1.0, 1e-200, -1e-200], even + 4.0);
        check(&[f64::MAX, 2f64.powi(970)], f64::INFINITY);
        check(&[f64::MAX, 2f64.powi(970), -5e-324], f64::MAX);
        check(&[f64::MAX, f64::MAX], f64::INFINITY);
        check(&[f64::MAX, f64::MAX, -f64::MAX], f64::MAX);
        check(&[-f64::MAX, -f64::MAX], f64::NEG_INFINITY);
    }

    #[test]
    fn keeps_what_is_not_a_number() {
        check(&[f64::INFINITY, 1.0, -1e300], f64::INFINITY);
        check(&[f64::NEG_INFINITY, 1.0], f64::NEG_INFINITY);
        check(&[f64::INFINITY, f64::NEG_INFINITY], f64::NAN);
        check(&[f64::NAN, 1.0, f64::INFINITY], f64::NAN);
    }

    #[test]
    fn spills_without_loss() {
        let big = 2f64.powi(61) + 512.0;
        check(&[big; 16], big * 16.0);
        let mut many = vec![big; 16];
        many.extend(vec![-big; 16]);
        many.push(0.25);
        check(&many, 0.25);
        assert!(Sum::of(0, Parts::Far { negative: false, first: DIGITS, digits: vec![1] }).is_none());
        assert!(Sum::of(8, Parts::Near(0)).is_none());
    }
}
