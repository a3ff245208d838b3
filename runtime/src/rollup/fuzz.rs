//! The stored state of rollups' groups under bytes that nobody meant.

#![allow(clippy::unwrap_used, reason = "a body may panic: that is how it fails")]

use super::best::First;
use super::cell::Cell;
use super::plan::CellPlan;
use crate::packed::Reader;
use crate::share::Share;

/// Cells of each kind: what is read is what is written again.
pub(crate) fn cells(bytes: &[u8]) {
    for plan in plans() {
        let Some(cell) = Cell::decode(&mut Reader(bytes), &plan) else { continue };
        let again = encoded(&cell);
        let mut from = Reader(&again);
        assert_eq!(encoded(&Cell::decode(&mut from, &plan).unwrap()), again);
        assert!(from.0.is_empty());
    }
}

/// What the target begins with.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let empty = plans().iter().map(|plan| encoded(&Cell::empty(plan))).collect::<Vec<_>>();
    // A count of two bytes, a sum of five, a sum of one word.
    let more: [&[u8]; 2] = [&[200, 1, 255, 255, 255, 255, 15], &[3, 0, 1, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8]];
    empty.into_iter().chain(more.map(<[u8]>::to_vec)).collect()
}

fn encoded(cell: &Cell) -> Vec<u8> {
    let mut bytes = Vec::new();
    cell.encode(&mut bytes);
    bytes
}

fn plans() -> Vec<CellPlan> {
    let quantiles = ["0.5", "0.99"].map(|share| Share::parse(share).unwrap()).to_vec();
    vec![
        CellPlan::Count(0),
        CellPlan::Whole(0),
        CellPlan::Float(0),
        CellPlan::Best { by: 0, shown: Some(1), first: First::Greatest },
        CellPlan::Values { of: 0, quantiles },
    ]
}
