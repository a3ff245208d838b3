//! Words that no dictionary has, made of syllables.

use super::json::text;
use crate::emulate::dice::Dice;

/// How syllables begin.
#[rustfmt::skip] // a table
const STARTS: [&str; 40] = [
    "b", "bl", "br", "c", "ch", "cl", "d", "dr", "f", "fl", "g", "gl", "gr", "h", "j", "k", "l", "m", "n", "p",
    "ph", "pl", "pr", "qu", "r", "s", "sh", "sk", "sl", "sp", "st", "t", "th", "tr", "v", "w", "wh", "x", "y", "z",
];

/// How syllables end.
#[rustfmt::skip] // a table
const ENDS: [&str; 40] = [
    "a", "ai", "al", "an", "ar", "as", "au", "e", "ea", "el", "em", "en", "er", "es", "é", "i", "ia", "il", "im",
    "in", "io", "is", "o", "oa", "ol", "om", "on", "or", "os", "ou", "ö", "u", "ul", "um", "un", "ur", "us", "ü",
    "ang", "ost",
];

/// Appends a word of one syllable to three, of at most 15 bytes, of millions that there are.
///
/// Were the words few, a compression would find each of them a moment ago; those of real pins it does not find.
fn word(into: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..1 + dice.below(3) {
        text(into, dice.pick(&STARTS));
        text(into, dice.pick(&ENDS));
    }
}

/// Appends a word that begins with a capital letter.
pub(super) fn name(into: &mut Vec<u8>, dice: &mut Dice) {
    let start = into.len();
    word(into, dice);
    if let Some(first) = into.get_mut(start) {
        first.make_ascii_uppercase();
    }
}

/// Appends `count` words, the first of them with a capital letter.
pub(super) fn words(into: &mut Vec<u8>, count: u32, dice: &mut Dice) {
    name(into, dice);
    for _ in 1..count {
        into.push(b' ');
        word(into, dice);
    }
}
