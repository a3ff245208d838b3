//! Which line that came stands for which that was expected.

use super::case::Line;
use super::difference::changes;

/// So many pairs of lines are weighed against one another; beyond it lines are paired by their places.
const PAIRS_MAX: usize = 1 << 18;
/// What a line costs that has no other; one whose fields all differ costs [`WHOLE`].
const ALONE: usize = 60;
const WHOLE: usize = 100;

/// A line that was expected, a line that came, or one for the other.
pub(super) type Pair<'a> = (Option<&'a Line>, Option<&'a Line>);

#[derive(Clone, Copy)]
enum Choice {
    Pair,
    Missing,
    Unexpected,
}

/// Pairs lines in their order, so that as few fields as possible differ.
pub(super) fn align<'a>(expected: &'a [Line], actual: &'a [Line]) -> Vec<Pair<'a>> {
    let same = |(wanted, got): (&Line, &Line)| changes(wanted, got).is_empty();
    let begin = expected.iter().zip(actual).take_while(|&(wanted, got)| same((wanted, got))).count();
    let (begun, expected) = expected.split_at(begin);
    let (begun_too, actual) = actual.split_at(begin);
    let end = expected.iter().rev().zip(actual.iter().rev()).take_while(|&(wanted, got)| same((wanted, got))).count();
    let (expected, ended) = expected.split_at(expected.len() - end);
    let (actual, ended_too) = actual.split_at(actual.len() - end);
    let mut pairs: Vec<Pair<'a>> = begun.iter().map(Some).zip(begun_too.iter().map(Some)).collect();
    if expected.len().saturating_mul(actual.len()) > PAIRS_MAX {
        pairs.extend((0..expected.len().max(actual.len())).map(|place| (expected.get(place), actual.get(place))));
    } else {
        pairs.extend(cheapest(expected, actual));
    }
    pairs.extend(ended.iter().map(Some).zip(ended_too.iter().map(Some)));
    pairs
}

/// The alignment of the least cost: the choices of every prefix with every other, then back from the end.
fn cheapest<'a>(expected: &'a [Line], actual: &'a [Line]) -> Vec<Pair<'a>> {
    let mut above: Vec<usize> = (0..=actual.len()).map(|count| count * ALONE).collect();
    let mut choices = vec![vec![Choice::Unexpected; actual.len() + 1]];
    for (count, wanted) in (1..).zip(expected) {
        let mut left = count * ALONE;
        let (mut costs, mut row) = (vec![left], vec![Choice::Missing]);
        for (got, (diagonal, up)) in actual.iter().zip(above.iter().zip(above.iter().skip(1))) {
            let fields = got.fields.len().max(wanted.fields.len()).max(1);
            let pair = diagonal + changes(wanted, got).len() * WHOLE / fields;
            let all = [(pair, Choice::Pair), (up + ALONE, Choice::Missing), (left + ALONE, Choice::Unexpected)];
            let (cost, choice) = all.into_iter().min_by_key(|(cost, _)| *cost).unwrap_or((pair, Choice::Pair));
            left = cost;
            costs.push(cost);
            row.push(choice);
        }
        above = costs;
        choices.push(row);
    }
    let mut pairs = Vec::new();
    let (mut wanted, mut got) = (expected.iter().rev(), actual.iter().rev());
    while wanted.len() + got.len() > 0 {
        match choices.get(wanted.len()).and_then(|row| row.get(got.len())) {
            Some(Choice::Pair) => pairs.push((wanted.next(), got.next())),
            Some(Choice::Missing) => pairs.push((wanted.next(), None)),
            _ => pairs.push((None, got.next())),
        }
    }
    pairs.reverse();
    pairs
}
