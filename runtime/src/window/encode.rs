//! A group's cells as bytes: a version, the cells, a checksum.

use std::sync::Arc;

use hashbrown::HashMap;

use super::cell::{Cell, Held, Place};
use super::plan::Plan;
use super::registers::{RANK_MAX, REGISTERS, Registers};
use super::scalar::Scalar;
use super::sketch::Sketch;
use super::spread::Spread;
use crate::error::{Error, Kind, Result};
use crate::sum::{Parts, Sum};

const VERSION: u8 = 1;

/// The cells of one group, the same bytes for the same rows but for how a float sum is held.
pub(super) fn encode(cells: &[Cell]) -> Vec<u8> {
    let mut to = vec![VERSION];
    for cell in cells {
        put_cell(&mut to, cell);
    }
    let sum = checksum(&to);
    to.extend(sum);
    to
}

/// Reads what [`encode`] wrote for the same plan; an error of kind `Input` for a newer format, of kind `Corrupt` for all else.
pub(super) fn decode(plan: &Plan, bytes: &[u8]) -> Result<Vec<Cell>> {
    let corrupt = || Error::new(Kind::Corrupt, "the stored state of a group is not what was written");
    let (body, sum) = bytes.split_last_chunk().ok_or_else(corrupt)?;
    if checksum(body) != *sum {
        return Err(corrupt());
    }
    let mut from = Reader(body);
    let version = from.byte().ok_or_else(corrupt)?;
    if version != VERSION {
        let what = format!("the stored state of a group: its format is {version}, and only {VERSION} is known here");
        return Err(Error::new(Kind::Input, what).hint("use the newer version of tidemill that wrote it"));
    }
    let cells = cells(&mut from, plan);
    cells.filter(|_| from.0.is_empty()).ok_or_else(corrupt)
}

fn cells(from: &mut Reader<'_>, plan: &Plan) -> Option<Vec<Cell>> {
    plan.measures.iter().map(|measured| from.cell(Cell::empty(measured))).collect()
}

fn put_cell(to: &mut Vec<u8>, cell: &Cell) {
    match cell {
        Cell::Count(n) => {
            to.push(0);
            put(to, u128::from(*n));
        }
        Cell::Int { sum, n } => {
            to.push(1);
            put(to, u128::from(*n));
            put(to, zigzag(*sum));
        }
        Cell::Float { sum, n } => {
            to.push(2);
            put(to, u128::from(*n));
            put_sum(to, sum);
        }
        Cell::Least(held) | Cell::Greatest(held) => {
            to.push(if matches!(cell, Cell::Least(_)) { 3 } else { 4 });
            to.push(u8::from(held.is_some()));
            held.iter().for_each(|value| put_scalar(to, value));
        }
        Cell::Tally(counts) => {
            to.push(5);
            put(to, counts.len() as u128);
            let mut rising: Vec<_> = counts.iter().collect();
            rising.sort_unstable();
            for (value, times) in rising {
                put_scalar(to, value);
                put(to, u128::from(*times));
            }
        }
        Cell::Distinct(values) => {
            to.push(6);
            put(to, values.len() as u128);
            let mut rising: Vec<_> = values.iter().collect();
            rising.sort_unstable();
            rising.into_iter().for_each(|value| put_scalar(to, value));
        }
        Cell::Spread(spread) => {
            to.push(7);
            put(to, u128::from(spread.n));
            put_sum(to, &spread.sum);
            put_sum(to, &spread.squares);
        }
        Cell::First(held) | Cell::Last(held) => {
            to.push(if matches!(cell, Cell::First(_)) { 8 } else { 9 });
            to.push(u8::from(held.is_some()));
            if let Some(held) = held {
                let Place { time, partition, offset } = held.place;
                to.extend(time.to_le_bytes());
                put(to, u128::from(partition));
                put(to, zigzag(i128::from(offset)));
                put_scalar(to, &held.value);
            }
        }
        Cell::Sketch(sketch) => {
            to.push(10);
            put(to, sketch.bins().len() as u128);
            for (bin, count) in sketch.bins() {
                put(to, zigzag(i128::from(bin)));
                put(to, u128::from(count));
            }
        }
        Cell::Registers(Registers::Few(few)) => {
            to.push(11);
            put(to, few.len() as u128);
            for (register, rank) in few {
                put(to, u128::from(*register));
                to.push(*rank);
            }
        }
        Cell::Registers(Registers::Many(many)) => {
            to.push(12);
            to.extend_from_slice(&many[..]);
        }
        Cell::Ranks { ranks, .. } => {
            to.push(13);
            put(to, ranks.len() as u128);
            let mut rising: Vec<_> = ranks.iter().collect();
            rising.sort_unstable_by_key(|(value, _)| *value);
            for (value, rank) in rising {
                put_scalar(to, value);
                put_cell(to, rank);
            }
        }
        Cell::Buckets { counts, .. } => {
            to.push(14);
            counts.iter().for_each(|count| put(to, u128::from(*count)));
        }
    }
}

fn put_sum(to: &mut Vec<u8>, sum: &Sum) {
    to.push(sum.odd());
    match sum.parts() {
        Parts::Near(near) => {
            to.push(0);
            put(to, zigzag(near));
        }
        Parts::Far { negative, first, digits } => {
            to.push(if negative { 2 } else { 1 });
            put(to, first as u128);
            put(to, digits.len() as u128);
            digits.iter().for_each(|digit| to.extend(digit.to_le_bytes()));
        }
    }
}

fn put_scalar(to: &mut Vec<u8>, value: &Scalar) {
    match value {
        Scalar::Word(word) => {
            to.push(0);
            to.extend(word.to_le_bytes());
        }
        Scalar::Bytes(bytes) => {
            to.push(1);
            put(to, bytes.len() as u128);
            to.extend(bytes);
        }
    }
}

/// Seven bits a byte, the lowest first; the high bit says that more follow.
fn put(to: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Small numbers of either sign become small numbers.
fn zigzag(number: i128) -> u128 {
    (number << 1 ^ number >> 127).cast_unsigned()
}

/// FNV-1a in 64 bits, folded to 32.
pub(super) fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    ((hash >> 32) as u32 ^ hash as u32).to_le_bytes()
}

/// Bytes still to be read. Nothing is allocated ahead of the bytes that fill it.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn number(&mut self) -> Option<u128> {
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

    fn u64(&mut self) -> Option<u64> {
        self.number()?.try_into().ok()
    }

    fn signed(&mut self) -> Option<i128> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    fn scalar(&mut self) -> Option<Scalar> {
        match self.byte()? {
            0 => Some(Scalar::Word(i64::from_le_bytes(self.chunk()?))),
            1 => {
                let length = usize::try_from(self.number()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Some(Scalar::Bytes(bytes.into()))
            }
            _ => None,
        }
    }

    fn sum(&mut self) -> Option<Sum> {
        let odd = self.byte()?;
        let parts = match self.byte()? {
            0 => Parts::Near(self.signed()?),
            sign @ (1 | 2) => {
                let first = usize::try_from(self.number()?).ok()?;
                let mut digits = Vec::new();
                for _ in 0..self.u64()? {
                    digits.push(u32::from_le_bytes(self.chunk()?));
                }
                Parts::Far { negative: sign == 2, first, digits }
            }
            _ => return None,
        };
        Sum::of(odd, parts)
    }

    fn held(&mut self) -> Option<Option<Scalar>> {
        match self.byte()? {
            0 => Some(None),
            1 => self.scalar().map(Some),
            _ => None,
        }
    }

    /// The cell that was written of a measure whose cell over no rows is `empty`; none where another was written.
    fn cell(&mut self, empty: Cell) -> Option<Cell> {
        Some(match (self.byte()?, empty) {
            (0, Cell::Count(_)) => Cell::Count(self.u64()?),
            (1, Cell::Int { .. }) => Cell::Int { n: self.u64()?, sum: self.signed()? },
            (2, Cell::Float { .. }) => Cell::Float { n: self.u64()?, sum: self.sum()? },
            (3, Cell::Least(_)) => Cell::Least(self.held()?),
            (4, Cell::Greatest(_)) => Cell::Greatest(self.held()?),
            (5, Cell::Tally(mut counts)) => {
                for _ in 0..self.u64()? {
                    counts.insert(self.scalar()?, self.u64()?);
                }
                Cell::Tally(counts)
            }
            (6, Cell::Distinct(mut values)) => {
                for _ in 0..self.u64()? {
                    values.insert(self.scalar()?);
                }
                Cell::Distinct(values)
            }
            (7, Cell::Spread(_)) => {
                Cell::Spread(Box::new(Spread { n: self.u64()?, sum: self.sum()?, squares: self.sum()? }))
            }
            (8, Cell::First(_)) => Cell::First(self.placed()?),
            (9, Cell::Last(_)) => Cell::Last(self.placed()?),
            (10, Cell::Sketch(mut sketch)) => {
                for _ in 0..self.u64()? {
                    let (bin, count) = (i32::try_from(self.signed()?).ok()?, self.u64()?);
                    sketch.add_bin(Sketch::is_bin(bin).then_some(bin)?, count);
                }
                Cell::Sketch(sketch)
            }
            (tag @ (11 | 12), Cell::Registers(_)) => Cell::Registers(self.registers(tag == 11)?),
            (13, Cell::Ranks { none, .. }) => self.ranks(none)?,
            (14, Cell::Buckets { edges, mut counts }) => {
                for count in &mut counts {
                    *count = self.u64()?;
                }
                Cell::Buckets { edges: Arc::clone(&edges), counts }
            }
            _ => return None,
        })
    }

    fn placed(&mut self) -> Option<Option<Box<Held>>> {
        match self.byte()? {
            0 => Some(None),
            1 => {
                let time = i64::from_le_bytes(self.chunk()?);
                let partition = self.number()?.try_into().ok()?;
                let offset = self.signed()?.try_into().ok()?;
                let value = self.scalar()?;
                Some(Some(Box::new(Held { place: Place { time, partition, offset }, value })))
            }
            _ => None,
        }
    }

    fn registers(&mut self, few: bool) -> Option<Registers> {
        let mut registers = Registers::default();
        let mut raise = |register: u128, rank: u8| {
            let register = u16::try_from(register).ok().filter(|register| usize::from(*register) < REGISTERS)?;
            registers.raise(register, (1..=RANK_MAX).contains(&rank).then_some(rank)?);
            Some(())
        };
        if few {
            for _ in 0..self.u64()? {
                raise(self.number()?, self.byte()?)?;
            }
        } else {
            let ranks = self.chunk::<REGISTERS>()?;
            (0..).zip(ranks).filter(|(_, rank)| *rank > 0).try_for_each(|(register, rank)| raise(register, rank))?;
        }
        Some(registers)
    }

    fn ranks(&mut self, none: Box<Cell>) -> Option<Cell> {
        let mut ranks = HashMap::default();
        for _ in 0..self.u64()? {
            ranks.insert(self.scalar()?, self.cell((*none).clone())?);
        }
        Some(Cell::Ranks { none, ranks })
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::window::scalar::ScalarRef;
    use crate::window::tests::{aggregate, fields};

    /// Bytes with a right checksum, changed at random, are cells or corrupt, and never more than that.
    #[test]
    fn decodes_anything_without_harm() {
        let measures = [
            "count()",
            "sum(code)",
            "sum(price)",
            "max(name)",
            "median(name)",
            "count_distinct(code)",
            "variance(price)",
            "first(name)",
            "last(code)",
            "approx_quantile(price, 0.9)",
            "approx_count_distinct(name)",
            "top_k(name, 2, sum(price))",
            "histogram(price, 0, 10)",
        ];
        let plan = Plan::new(&aggregate(&[], None, 1, 0, &measures), &fields()).unwrap();
        let mut cells: Vec<_> = plan.measures.iter().map(Cell::empty).collect();
        for word in [0, 1, 1 << 60, i64::MAX - (1 << 53), -7] {
            for cell in &mut cells {
                cell.add(ScalarRef::Word(word));
                cell.add_at(ScalarRef::Word(word), Place { time: word, partition: 1, offset: 2 });
                cell.add_ranked(ScalarRef::Word(word), Some(ScalarRef::Word(7)));
            }
        }
        let good = encode(&cells);
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for _ in 0..20_000 {
            let mut body = good[..good.len() - 4].to_vec();
            for _ in 0..random.random_range(0..4) {
                let at = random.random_range(0..body.len());
                body[at] = if random.random_bool(0.3) { 0xff } else { random.random() };
            }
            body.truncate(random.random_range(1..=2 * body.len()));
            body.extend(checksum(&body));
            match decode(&plan, &body) {
                Ok(mut cells) => {
                    let again = cells.clone();
                    cells.iter_mut().zip(again).for_each(|(cell, more)| cell.merge(more));
                    assert!(decode(&plan, &encode(&cells)).is_ok());
                    for (cell, measured) in cells.iter().zip(&plan.measures) {
                        measured.value(cell);
                    }
                }
                Err(error) => assert_eq!(error.kind() == Kind::Input, body[0] != VERSION, "{error}"),
            }
        }
    }
}
