//! Numbers, bytes and exact sums in few bytes, as what is stored has them.

use crate::sum::{Parts, Sum};

/// Adds a number in seven bits a byte, the lowest first; the high bit says that more follow.
pub fn put(to: &mut Vec<u8>, number: u64) {
    put_long(to, number.into());
}

/// The same of a number below zero or above: small ones of either sign are few bytes.
pub fn put_signed(to: &mut Vec<u8>, number: i128) {
    put_long(to, ((number << 1) ^ (number >> 127)).cast_unsigned());
}

fn put_long(to: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Adds bytes with their length.
pub fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

/// Adds what an exact sum is made of; whether infinities or NaN were added is not in it.
pub fn put_sum(to: &mut Vec<u8>, sum: &Sum) {
    match sum.parts() {
        Parts::Near(near) => {
            to.push(0);
            put_signed(to, near);
        }
        Parts::Far { negative, first, digits } => {
            to.push(if negative { 2 } else { 1 });
            put(to, first as u64);
            put(to, digits.len() as u64);
            digits.iter().for_each(|digit| to.extend(digit.to_le_bytes()));
        }
    }
}

/// FNV-1a in 64 bits, folded to 32.
pub fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    ((hash >> 32) as u32 ^ hash as u32).to_le_bytes()
}

/// Bytes for what reads them with their sum: what follows an even byte gets its right sum in the place of its last four bytes.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn summed(bytes: &[u8]) -> Option<Vec<u8>> {
    let (switch, stored) = bytes.split_first()?;
    let mut stored = stored.to_vec();
    if switch % 2 == 0
        && let Some((body, sum)) = stored.split_last_chunk_mut::<4>()
    {
        *sum = checksum(body);
    }
    Some(stored)
}

/// Bytes still to be read, each by what has put it; none where that cannot be. Nothing is allocated ahead of the bytes that fill it.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next bytes, so many.
    pub fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*chunk)
    }

    /// What [`put`] added.
    pub fn number(&mut self) -> Option<u64> {
        // The usual one is short.
        match self.0.split_first()? {
            (&first, rest) if first < 0x80 => {
                self.0 = rest;
                Some(first.into())
            }
            _ => self.long()?.try_into().ok(),
        }
    }

    /// What [`put_signed`] added.
    pub fn signed(&mut self) -> Option<i128> {
        let number = self.long()?;
        Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    /// What [`put_bytes`] added.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// What [`put_sum`] added, of a sum to which these odd ones were added too ([`Sum::odd`]).
    pub fn sum(&mut self, odd: u8) -> Option<Sum> {
        let parts = match self.byte()? {
            0 => Parts::Near(self.signed()?),
            sign @ (1 | 2) => {
                let first = usize::try_from(self.number()?).ok()?;
                let mut digits = Vec::new();
                for _ in 0..self.number()? {
                    digits.push(u32::from_le_bytes(self.chunk()?));
                }
                Parts::Far { negative: sign == 2, first, digits }
            }
            _ => return None,
        };
        Sum::of(odd, parts)
    }

    fn long(&mut self) -> Option<u128> {
        let mut number = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            number |= bits << shift;
            if byte < 0x80 {
                return (number >> shift == bits).then_some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 1 << 35, u64::MAX] {
            let mut to = Vec::new();
            put(&mut to, number);
            assert_eq!(Reader(&to).number(), Some(number));
        }
        for number in [0, -1, 1, i128::from(i64::MIN), i128::MAX, i128::MIN] {
            let mut to = Vec::new();
            put_signed(&mut to, number);
            assert_eq!(Reader(&to).signed(), Some(number));
        }
        assert_eq!(Reader(&[0x80]).number(), None);
    }

    #[test]
    fn sums_come_back() {
        for values in [vec![0.1, 0.2], vec![1e300, -1e-300], vec![-1e200], vec![]] {
            let (mut sum, mut to) = (Sum::default(), Vec::new());
            values.iter().for_each(|value| sum.add(*value));
            put_sum(&mut to, &sum);
            assert_eq!(Reader(&to).sum(0).map(|sum| sum.value().to_bits()), Some(sum.value().to_bits()), "{values:?}");
        }
    }
}
