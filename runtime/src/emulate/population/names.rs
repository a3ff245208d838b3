//! The names of persons: those that they have, those that they post under.

use super::crowd::{Person, scale};
use super::json::{number, text};
use super::words;
use crate::emulate::dice::Dice;
use crate::emulate::shuffle::Shuffle;

/// Distinct names, of [`PERSONS`].
const NAMES: u64 = 5_081;
/// Names that more than one person has, of [`PERSONS`].
const NAMES_SHARED: u64 = 196;
const PERSONS: u64 = 5_307;

/// Pairs of a first and a last name.
const PAIRS: u64 = (words::FIRST_NAMES.len() * words::LAST_NAMES.len()) as u64;
/// Posters' names without a number.
const POSTERS: u64 = (words::POSTER_STARTS.len() * words::POSTER_ENDS.len() * words::POSTER_TAILS.len()) as u64;

/// How persons come to their names.
pub(super) struct Names {
    distinct: u64,
    shared: u64,
    pairs: Shuffle,
    posters: Shuffle,
}

impl Names {
    /// The names of so many persons.
    pub(super) fn new(persons: u64, pairs: Dice, posters: Dice) -> Self {
        Self {
            distinct: scale(NAMES, PERSONS, persons).max(1),
            shared: scale(NAMES_SHARED, PERSONS, persons).max(1),
            pairs: Shuffle::new(PAIRS, pairs),
            posters: Shuffle::new(persons.max(POSTERS), posters),
        }
    }

    /// A person's first and last name. The last persons have names that others have already.
    pub(super) fn full(&self, person: &Person) -> (&'static str, &'static str) {
        let name = match person.number.checked_sub(self.distinct) {
            Some(late) => late % self.shared,
            None => person.number,
        };
        let mut rest = self.pairs.at(name % PAIRS) as usize;
        (next(&mut rest, &words::FIRST_NAMES), next(&mut rest, &words::LAST_NAMES))
    }

    /// Appends the name under which a person posts, which nobody else has.
    pub(super) fn poster(&self, into: &mut Vec<u8>, person: &Person) {
        let mut rest = self.posters.at(person.number) as usize;
        text(into, next(&mut rest, &words::POSTER_STARTS));
        into.push(b' ');
        text(into, next(&mut rest, &words::POSTER_ENDS));
        text(into, next(&mut rest, &words::POSTER_TAILS));
        if rest > 0 {
            into.push(b' ');
            number(into, rest as u64 + 1);
        }
    }
}

/// The word that a number's last digit names, where each word is a digit; takes the digit off.
fn next(rest: &mut usize, words: &[&'static str]) -> &'static str {
    let word = words.get(*rest % words.len()).copied().unwrap_or_default();
    *rest /= words.len();
    word
}
