//! A share of values, and the rank that it means.

use std::fmt;

use crate::error::{Error, Kind, Result};

/// The digits behind the point that a share may have.
const SHARE_DIGITS: usize = 9;

/// A share of 0 to 1 as it was written, in decimal digits, so that ranks are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// How many of the parts.
    part: u64,
    /// How many parts there are: a power of ten.
    of: u64,
}

impl Share {
    /// One of two.
    pub const HALF: Self = Self { part: 5, of: 10 };

    /// Reads `0`, `0.95`, `.5` or `1`.
    pub fn parse(text: &str) -> Result<Self> {
        let no = || {
            Error::new(Kind::Input, format!("the share {text:?} is not a number from 0 to 1"))
                .hint("write one such as 0.95")
        };
        let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
        let plain = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
        let some = !whole.is_empty() || !digits.is_empty();
        if !some || !plain(whole) || !plain(digits) || whole.len() > 1 || digits.len() > SHARE_DIGITS {
            return Err(no());
        }
        // Shares are equal however they are written.
        let digits = digits.trim_end_matches('0');
        let of = 10_u64.pow(digits.len() as u32);
        let number = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u64>().ok() };
        let (whole, digits) = (number(whole).ok_or_else(no)?, number(digits).ok_or_else(no)?);
        let part = whole * of + digits;
        if part > of { Err(no()) } else { Ok(Self { part, of }) }
    }

    /// The rank, from 1, of the value that has this share of `count` values at or below it.
    pub fn rank(self, count: u128) -> u128 {
        // A count of 64 bits and a part of 30 are far from 128.
        (count * u128::from(self.part)).div_ceil(u128::from(self.of)).max(1)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.part as f64 / self.of as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_exact() {
        let check = |share: &str, count: u128, rank: u128| {
            assert_eq!(Share::parse(share).unwrap().rank(count), rank, "{share} of {count}");
        };
        check("0.1", 30, 3);
        check("0.1", 31, 4);
        check("0.5", 1, 1);
        check("0.5", 4, 2);
        check("0", 9, 1);
        check("1", 9, 9);
        check("0.999999999", 1_000_000_000, 999_999_999);
        check("0.07", 100, 7);
    }

    #[test]
    fn equal_however_they_are_written() {
        for (one, other) in [("0.5", ".500"), ("1", "1.0"), ("0", "0.00")] {
            assert_eq!(Share::parse(one).unwrap(), Share::parse(other).unwrap());
        }
        assert_eq!(Share::parse("0.50").unwrap(), Share::HALF);
    }
}
