//! The persons behind the rows: who has which rows, where they live, how old they are, since when they are members.

use super::countries;
use crate::emulate::dice::{Dice, part};

/// Rows of a population at its usual size, to which all counts of this file refer.
pub(super) const ROWS: u64 = 11_154;
/// Rows whose poster could not be read, of [`ROWS`]; all of them fall to one person.
const UNREADABLE: u64 = 80;
/// Steps that spread whole numbers evenly round a circle of 2⁶⁴, each for itself or together with the others:
/// the golden section, then two powers of the root of x³ = x + 1.
const STEPS: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xc13f_a9a9_02a6_328f, 0x91e1_0da5_c79e_7b1d];

/// Rows of each age from 20 to 60, of [`ROWS`]: 4,916 up to 24, 3,005 up to 35, 2,225 up to 50, 1,008 above.
#[rustfmt::skip] // a table
const AGES: [u64; 41] = [
    1_600, 1_050, 850, 740, 676, // 20 to 24
    370, 345, 320, 300, 285, 270, 255, 235, 220, 205, 200, // 25 to 35
    180, 175, 170, 165, 160, 155, 150, 148, 145, 140, 135, 130, 125, 121, 126, // 36 to 50
    124, 118, 112, 107, 103, 98, 93, 88, 84, 81, // 51 to 60
];
const AGE_MIN: u64 = 20;

/// Rows by how the follower count is written, of [`ROWS`]: digits, thousands, millions.
const REACHES: [u64; 3] = [2_021, 8_163, 890];

/// Persons with the same number of rows.
pub(super) struct Class {
    joined: u16,
    persons: u64,
    rows_each: u64,
    /// For those with so many rows that chance would upset the counts.
    known: Option<Known>,
}

/// What is settled about a person with many rows.
#[derive(Clone, Copy)]
struct Known {
    country: u64,
    age: u64,
    followers: u64,
}

const fn many(joined: u16, rows_each: u64, persons: u64) -> Class {
    Class { joined, persons, rows_each, known: None }
}

const fn one(joined: u16, rows_each: u64, country: u64, age: u64, followers: u64) -> Class {
    Class { joined, persons: 1, rows_each, known: Some(Known { country, age, followers }) }
}

/// Who has how many rows: 5,307 persons, 11,154 rows. Early members have the most: 4,507 rows to the 841 persons
/// of 2015, 4,791 to the 2,760 of 2016, 1,856 to the 1,706 of 2017.
#[rustfmt::skip] // a table
static CLASSES: [Class; 53] = [
    one(2015, UNREADABLE, 0, 21, 0),
    one(2015, 240, 1, 20, 2_000_000), one(2015, 140, 0, 20, 741_000), one(2015, 88, 5, 23, 6_000_000),
    one(2015, 86, 0, 27, 312_000), one(2015, 80, 2, 20, 94_000), one(2015, 68, 3, 22, 1_000_000),
    one(2015, 61, 4, 20, 58_000), one(2015, 60, 2, 31, 640), one(2015, 60, 6, 21, 127_000),
    one(2015, 54, 3, 24, 8_000), one(2015, 52, 7, 20, 489_000), one(2015, 48, 4, 38, 3_000_000),
    one(2015, 46, 8, 20, 870), one(2015, 44, 9, 26, 33_000), one(2015, 40, 10, 22, 205_000),
    one(2015, 36, 2, 20, 17_000), one(2015, 34, 11, 43, 51_000), one(2015, 32, 12, 23, 430),
    one(2015, 30, 13, 29, 9_000_000), one(2015, 28, 1, 20, 66_000), one(2015, 26, 14, 55, 4_000),
    one(2015, 24, 15, 21, 278_000), one(2015, 22, 16, 20, 12_000), one(2015, 20, 17, 33, 812),
    one(2015, 20, 18, 20, 150_000), one(2015, 20, 19, 24, 5_000_000), one(2016, 47, 1, 25, 83_000),
    many(2015, 18, 8), many(2015, 15, 22), many(2015, 12, 22), many(2015, 10, 14), many(2015, 9, 16),
    many(2015, 8, 22), many(2015, 7, 30), many(2015, 6, 40), many(2015, 5, 50), many(2015, 4, 50),
    many(2015, 3, 90), many(2015, 2, 150), many(2015, 1, 300),
    many(2016, 16, 8), many(2016, 10, 15), many(2016, 8, 30), many(2016, 6, 36), many(2016, 5, 60),
    many(2016, 4, 100), many(2016, 3, 190), many(2016, 2, 420), many(2016, 1, 1_900),
    many(2017, 3, 15), many(2017, 2, 120), many(2017, 1, 1_571),
];

/// All persons of a population, each computed when asked for.
pub(super) struct Crowd {
    stretches: Vec<Stretch>,
    persons: u64,
    countries: Shares,
    ages: Shares,
    reaches: Shares,
    /// Where the even spreading of each of the three begins.
    begins: [u64; 3],
}

/// The slots of a class. A slot is a row's place when the rows stand person by person.
struct Stretch {
    class: &'static Class,
    start: u64,
    end: u64,
    rows_each: u64,
    first_person: u64,
}

/// One person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// Counted from 0, which is the one to whom the unreadable rows fall.
    pub(super) number: u64,
    /// The year of joining.
    pub(super) joined: u16,
    /// The country's place in the list.
    pub(super) country: u64,
    /// In years.
    pub(super) age: u64,
    /// As they are written: digits, thousands, millions.
    pub(super) followers: Followers,
}

/// How many follow a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Followers {
    /// So many.
    Known(u64),
    /// Still to be drawn: 0 in digits, 1 in thousands, 2 in millions.
    Drawn(u64),
}

impl Crowd {
    pub(super) fn new(rows: u64, mut dice: Dice) -> Self {
        let (mut stretches, mut persons) = (Vec::<Stretch>::with_capacity(CLASSES.len()), 0);
        let (mut usual, mut start) = (0, 0);
        for class in &CLASSES {
            usual += class.persons * class.rows_each;
            let end = scale(usual, ROWS, rows);
            // However many rows there are, the unreadable ones are one person's.
            let rows_each = if stretches.is_empty() { end.max(1) } else { class.rows_each };
            stretches.push(Stretch { class, start, end, rows_each, first_person: persons });
            persons += (end - start).div_ceil(rows_each);
            start = end;
        }
        Self {
            stretches,
            persons,
            countries: Shares::new(countries::weights(), |known| known.country),
            ages: Shares::new(AGES.to_vec(), |known| known.age - AGE_MIN),
            reaches: Shares::new(REACHES.to_vec(), |known| reach(known.followers)),
            begins: std::array::from_fn(|_| dice.bits()),
        }
    }

    /// How many persons there are.
    pub(super) fn persons(&self) -> u64 {
        self.persons
    }

    /// How many slots, from the first, are the unreadable rows.
    pub(super) fn unreadable(&self) -> u64 {
        self.stretches.first().map_or(0, |stretch| stretch.end)
    }

    /// The person whose row stands at `slot`.
    pub(super) fn person(&self, slot: u64) -> Option<Person> {
        let stretch = self.stretches.get(self.stretches.partition_point(|stretch| stretch.end <= slot))?;
        let number = stretch.first_person + (slot - stretch.start) / stretch.rows_each;
        let joined = stretch.class.joined;
        Some(match stretch.class.known {
            Some(Known { country, age, followers }) => {
                Person { number, joined, country, age, followers: Followers::Known(followers) }
            }
            None => {
                let [country, age, reach] = self.spread(number);
                let (country, age) = (self.countries.at(country), AGE_MIN + self.ages.at(age));
                Person { number, joined, country, age, followers: Followers::Drawn(self.reaches.at(reach)) }
            }
        })
    }

    /// Three fractions of 2⁶⁴ for a person. Over any run of persons each of them is spread evenly, so that counts
    /// come out near what they should be without a table of persons.
    fn spread(&self, number: u64) -> [u64; 3] {
        let [a, b, c] = self.begins;
        let [i, j, k] = STEPS.map(|step| number.wrapping_mul(step));
        [a.wrapping_add(i), b.wrapping_add(j), c.wrapping_add(k)]
    }
}

/// What `usual` of `of` is in a population of `rows`, to the nearest.
pub(super) fn scale(usual: u64, of: u64, rows: u64) -> u64 {
    ((u128::from(usual) * u128::from(rows) + u128::from(of / 2)) / u128::from(of)) as u64
}

/// Whether followers are written in digits, thousands or millions.
fn reach(followers: u64) -> u64 {
    u64::from(followers >= 1_000) + u64::from(followers >= 1_000_000)
}

/// Choices with their weights.
struct Shares {
    ends: Vec<u64>,
}

impl Shares {
    /// What is left of `weights` after those persons of whom it is known; `choice` says where they went.
    fn new(mut weights: Vec<u64>, choice: impl Fn(&Known) -> u64) -> Self {
        for class in &CLASSES {
            let chosen = class.known.as_ref().and_then(|known| weights.get_mut(choice(known) as usize));
            if let Some(weight) = chosen {
                *weight = weight.saturating_sub(class.rows_each);
            }
        }
        let ends = weights.iter().scan(0, |end, weight| {
            *end += weight;
            Some(*end)
        });
        Self { ends: ends.collect() }
    }

    /// The choice at a fraction of 2⁶⁴.
    fn at(&self, fraction: u64) -> u64 {
        let total = self.ends.last().copied().unwrap_or(0);
        let place = part(total, fraction);
        self.ends.partition_point(|end| *end <= place) as u64
    }
}
