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
use crate::packed::{self, checksum, put, put_bytes, put_signed};
use crate::sum::Sum;

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
    let mut from = Reader(packed::Reader(body));
    let version = from.0.byte().ok_or_else(corrupt)?;
    if version != VERSION {
        let what = format!("the stored state of a group: its format is {version}, and only {VERSION} is known here");
        return Err(Error::new(Kind::Input, what).hint("use the newer version of tidemill that wrote it"));
    }
    let cells = cells(&mut from, plan);
    cells.filter(|_| from.0.0.is_empty()).ok_or_else(corrupt)
}

fn cells(from: &mut Reader<'_>, plan: &Plan) -> Option<Vec<Cell>> {
    plan.measures.iter().map(|measured| from.cell(Cell::empty(measured))).collect()
}

fn put_cell(to: &mut Vec<u8>, cell: &Cell) {
    match cell {
        Cell::Count(n) => {
            to.push(0);
            put(to, *n);
        }
        Cell::Int { sum, n } => {
            to.push(1);
            put(to, *n);
            put_signed(to, *sum);
        }
        Cell::Float { sum, n } => {
            to.push(2);
            put(to, *n);
            put_sum(to, sum);
        }
        Cell::Least(held) | Cell::Greatest(held) => {
            to.push(if matches!(cell, Cell::Least(_)) { 3 } else { 4 });
            to.push(u8::from(held.is_some()));
            held.iter().for_each(|value| put_scalar(to, value));
        }
        Cell::Tally(counts) => {
            to.push(5);
            put(to, counts.len() as u64);
            let mut rising: Vec<_> = counts.iter().collect();
            rising.sort_unstable();
            for (value, times) in rising {
                put_scalar(to, value);
                put(to, *times);
            }
        }
        Cell::Distinct(values) => {
            to.push(6);
            put(to, values.len() as u64);
            let mut rising: Vec<_> = values.iter().collect();
            rising.sort_unstable();
            rising.into_iter().for_each(|value| put_scalar(to, value));
        }
        Cell::Spread(spread) => {
            to.push(7);
            put(to, spread.n);
            put_sum(to, &spread.sum);
            put_sum(to, &spread.squares);
        }
        Cell::First(held) | Cell::Last(held) => {
            to.push(if matches!(cell, Cell::First(_)) { 8 } else { 9 });
            to.push(u8::from(held.is_some()));
            if let Some(held) = held {
                let Place { time, partition, offset } = held.place;
                to.extend(time.to_le_bytes());
                put(to, partition.into());
                put_signed(to, offset.into());
                put_scalar(to, &held.value);
            }
        }
        Cell::Sketch(sketch) => {
            to.push(10);
            put(to, sketch.bins().len() as u64);
            for (bin, count) in sketch.bins() {
                put_signed(to, bin.into());
                put(to, count);
            }
        }
        Cell::Registers(Registers::Few(few)) => {
            to.push(11);
            put(to, few.len() as u64);
            for (register, rank) in few {
                put(to, (*register).into());
                to.push(*rank);
            }
        }
        Cell::Registers(Registers::Many(many)) => {
            to.push(12);
            to.extend_from_slice(&many[..]);
        }
        Cell::Ranks { ranks, .. } => {
            to.push(13);
            put(to, ranks.len() as u64);
            let mut rising: Vec<_> = ranks.iter().collect();
            rising.sort_unstable_by_key(|(value, _)| *value);
            for (value, rank) in rising {
                put_scalar(to, value);
                put_cell(to, rank);
            }
        }
        Cell::Buckets { counts, .. } => {
            to.push(14);
            counts.iter().for_each(|count| put(to, *count));
        }
    }
}

fn put_sum(to: &mut Vec<u8>, sum: &Sum) {
    to.push(sum.odd());
    packed::put_sum(to, sum);
}

fn put_scalar(to: &mut Vec<u8>, value: &Scalar) {
    match value {
        Scalar::Word(word) => {
            to.push(0);
            to.extend(word.to_le_bytes());
        }
        Scalar::Bytes(bytes) => {
            to.push(1);
            put_bytes(to, bytes);
        }
    }
}

/// Cells still to be read.
struct Reader<'a>(packed::Reader<'a>);

impl Reader<'_> {
    fn scalar(&mut self) -> Option<Scalar> {
        match self.0.byte()? {
            0 => Some(Scalar::Word(i64::from_le_bytes(self.0.chunk()?))),
            1 => self.0.bytes().map(|bytes| Scalar::Bytes(bytes.into())),
            _ => None,
        }
    }

    fn sum(&mut self) -> Option<Sum> {
        let odd = self.0.byte()?;
        self.0.sum(odd)
    }

    fn held(&mut self) -> Option<Option<Scalar>> {
        match self.0.byte()? {
            0 => Some(None),
            1 => self.scalar().map(Some),
            _ => None,
        }
    }

    /// The cell that was written of a measure whose cell over no rows is `empty`; none where another was written.
    fn cell(&mut self, empty: Cell) -> Option<Cell> {
        Some(match (self.0.byte()?, empty) {
            (0, Cell::Count(_)) => Cell::Count(self.0.number()?),
            (1, Cell::Int { .. }) => Cell::Int { n: self.0.number()?, sum: self.0.signed()? },
            (2, Cell::Float { .. }) => Cell::Float { n: self.0.number()?, sum: self.sum()? },
            (3, Cell::Least(_)) => Cell::Least(self.held()?),
            (4, Cell::Greatest(_)) => Cell::Greatest(self.held()?),
            (5, Cell::Tally(mut counts)) => {
                for _ in 0..self.0.number()? {
                    counts.insert(self.scalar()?, self.0.number()?);
                }
                Cell::Tally(counts)
            }
            (6, Cell::Distinct(mut values)) => {
                for _ in 0..self.0.number()? {
                    values.insert(self.scalar()?);
                }
                Cell::Distinct(values)
            }
            (7, Cell::Spread(_)) => {
                Cell::Spread(Box::new(Spread { n: self.0.number()?, sum: self.sum()?, squares: self.sum()? }))
            }
            (8, Cell::First(_)) => Cell::First(self.placed()?),
            (9, Cell::Last(_)) => Cell::Last(self.placed()?),
            (10, Cell::Sketch(mut sketch)) => {
                for _ in 0..self.0.number()? {
                    let (bin, count) = (i32::try_from(self.0.signed()?).ok()?, self.0.number()?);
                    sketch.add_bin(Sketch::is_bin(bin).then_some(bin)?, count);
                }
                Cell::Sketch(sketch)
            }
            (tag @ (11 | 12), Cell::Registers(_)) => Cell::Registers(self.registers(tag == 11)?),
            (13, Cell::Ranks { none, .. }) => self.ranks(none)?,
            (14, Cell::Buckets { edges, mut counts }) => {
                for count in &mut counts {
                    *count = self.0.number()?;
                }
                Cell::Buckets { edges: Arc::clone(&edges), counts }
            }
            _ => return None,
        })
    }

    fn placed(&mut self) -> Option<Option<Box<Held>>> {
        match self.0.byte()? {
            0 => Some(None),
            1 => {
                let time = i64::from_le_bytes(self.0.chunk()?);
                let partition = self.0.number()?.try_into().ok()?;
                let offset = self.0.signed()?.try_into().ok()?;
                let value = self.scalar()?;
                Some(Some(Box::new(Held { place: Place { time, partition, offset }, value })))
            }
            _ => None,
        }
    }

    fn registers(&mut self, few: bool) -> Option<Registers> {
        let mut registers = Registers::default();
        let mut raise = |register: u64, rank: u8| {
            let register = u16::try_from(register).ok().filter(|register| usize::from(*register) < REGISTERS)?;
            registers.raise(register, (1..=RANK_MAX).contains(&rank).then_some(rank)?);
            Some(())
        };
        if few {
            for _ in 0..self.0.number()? {
                raise(self.0.number()?, self.0.byte()?)?;
            }
        } else {
            let ranks = self.0.chunk::<REGISTERS>()?;
            (0..).zip(ranks).filter(|(_, rank)| *rank > 0).try_for_each(|(register, rank)| raise(register, rank))?;
        }
        Some(registers)
    }

    fn ranks(&mut self, none: Box<Cell>) -> Option<Cell> {
        let mut ranks = HashMap::default();
        for _ in 0..self.0.number()? {
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
