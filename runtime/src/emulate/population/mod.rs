//! The generated population: rows shaped like those of the original's three tables.
//!
//! Row `n` of a size and seed is the same on every machine with every version, and each is computed on its own.
//! The counts follow what was measured of the original's 11,154 rows; other sizes keep the proportions.

mod countries;
mod crowd;
mod json;
mod names;
mod pin;
#[cfg(test)]
mod tests;
mod vocabulary;
mod words;

use self::crowd::{Crowd, Followers, Person, scale};
use self::json::{Object, decimal, number, text};
use self::names::Names;
use self::pin::Kind;
use self::words::Category;
use crate::emulate::dice::{Dice, part};
use crate::emulate::shuffle::Shuffle;
use crate::time::Timestamp;

/// Rows of each stretch of the timestamps, of 11,154, then its end in seconds since 1970.
const TIMES: [(u64, u64); 6] = [
    (432, 1_514_764_800),   // to the end of 2017
    (2_316, 1_546_300_800), // 2018
    (2_192, 1_577_836_800), // 2019
    (2_172, 1_609_459_200), // 2020
    (2_208, 1_640_995_200), // 2021
    (1_834, 1_666_198_800), // to 2022-10-19 17:00
];
/// 2017-10-19 16:00, the first timestamp, in seconds since 1970.
const TIMES_START: u64 = 1_508_428_800;

/// Streams of random numbers that belong to the whole; those of rows and persons lie below.
const STREAM_SLOTS: u64 = u64::MAX;
const STREAM_KINDS: u64 = u64::MAX - 1;
const STREAM_TIMES: u64 = u64::MAX - 2;
const STREAM_CROWD: u64 = u64::MAX - 3;
const STREAM_NAMES: u64 = u64::MAX - 4;
const STREAM_POSTERS: u64 = u64::MAX - 5;

/// Rows of pins, places and users that never were.
pub struct Population {
    rows: u64,
    seed: u64,
    crowd: Crowd,
    /// From an index to its slot in the crowd.
    slots: Shuffle,
    /// From a readable row to its place when these rows stand kind by kind.
    kinds: Shuffle,
    /// From an index to its rank in time.
    times: Shuffle,
    names: Names,
}

/// What is drawn for a person, as fractions of 2⁶⁴.
struct Own {
    followers: u64,
    latitude: u64,
    longitude: u64,
    joined: u64,
}

impl Population {
    /// A population of `rows` rows in each table, at least one.
    pub fn new(rows: u64, seed: u64) -> Self {
        let rows = rows.max(1);
        let dice = |stream| Dice::new(seed, stream);
        let crowd = Crowd::new(rows, dice(STREAM_CROWD));
        Self {
            rows,
            seed,
            slots: Shuffle::new(rows, dice(STREAM_SLOTS)),
            kinds: Shuffle::new((rows - crowd.unreadable()).max(1), dice(STREAM_KINDS)),
            times: Shuffle::new(rows, dice(STREAM_TIMES)),
            names: Names::new(crowd.persons(), dice(STREAM_NAMES), dice(STREAM_POSTERS)),
            crowd,
        }
    }

    /// How many rows each table has.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends the row of `index` in table 0 pin, 1 geo, 2 user.
    pub(super) fn row(&self, table: usize, index: u64, into: &mut Vec<u8>) {
        match table {
            0 => self.pin(index, into),
            1 => self.geo(index, into),
            _ => self.user(index, into),
        }
    }

    /// Appends the pin of `index`, a JSON object without blanks. Indexes count from 0; beyond the last they begin again.
    pub fn pin(&self, index: u64, into: &mut Vec<u8>) {
        let index = index % self.rows;
        let slot = self.slots.at(index);
        let Some(person) = self.crowd.person(slot) else { return };
        let (kind, category) = (self.kind(slot), self.category(index));
        let (start, dice) = (into.len(), &mut Dice::new(self.seed, 2 * index));
        let poster = (kind != Kind::UnreadableStory).then_some(&person);
        Object::new(into)
            .raw("index", |to| number(to, index))
            .text("unique_id", |to| pin::unique_id(to, dice))
            .text("title", |to| pin::title(to, kind, &category, dice))
            .text("description", |to| pin::description(to, kind, &category, start, dice))
            .text("poster_name", |to| match poster {
                Some(person) => self.names.poster(to, person),
                None => text(to, pin::UNREADABLE),
            })
            .text("follower_count", |to| match poster {
                Some(person) => followers(to, person.followers, self.own(person).followers),
                None => text(to, pin::UNREADABLE),
            })
            .text("tag_list", |to| pin::tags(to, kind, &category, start, dice))
            .text("is_image_or_video", |to| text(to, kind.word()))
            .text("image_src", |to| pin::image(to, kind, dice))
            .raw("downloaded", |to| number(to, u64::from(kind.has_image())))
            .text("save_location", |to| {
                text(to, "Local save in /data/");
                text(to, category.name);
            })
            .text("category", |to| text(to, category.name))
            .end();
    }

    /// Appends the place of `index`: when and where its pin was posted.
    pub fn geo(&self, index: u64, into: &mut Vec<u8>) {
        let index = index % self.rows;
        let Some(person) = self.crowd.person(self.slots.at(index)) else { return };
        let own = self.own(&person);
        let country = countries::COUNTRIES.get(person.country as usize).copied().unwrap_or_default();
        Object::new(into)
            .raw("ind", |to| number(to, index))
            .text("timestamp", |to| time(to, self.timestamp(index)))
            .raw("latitude", |to| decimal(to, degrees(90, own.latitude)))
            .raw("longitude", |to| decimal(to, degrees(180, own.longitude)))
            .text("country", |to| text(to, country))
            .end();
    }

    /// Appends the user of `index`: who posted its pin.
    pub fn user(&self, index: u64, into: &mut Vec<u8>) {
        let index = index % self.rows;
        let Some(person) = self.crowd.person(self.slots.at(index)) else { return };
        let (first, last) = self.names.full(&person);
        Object::new(into)
            .raw("ind", |to| number(to, index))
            .text("first_name", |to| text(to, first))
            .text("last_name", |to| text(to, last))
            .raw("age", |to| number(to, person.age))
            .text("date_joined", |to| time(to, joined(person.joined, self.own(&person).joined)))
            .end();
    }

    /// What is drawn for a person, the same for each of the rows.
    fn own(&self, person: &Person) -> Own {
        let mut dice = Dice::new(self.seed, 2 * person.number + 1);
        Own { followers: dice.bits(), latitude: dice.bits(), longitude: dice.bits(), joined: dice.bits() }
    }

    fn kind(&self, slot: u64) -> Kind {
        match slot.checked_sub(self.crowd.unreadable()) {
            Some(readable) => Kind::at(self.kinds.at(readable), self.rows),
            None => Kind::UnreadableStory,
        }
    }

    /// Categories are blocks of indexes.
    fn category(&self, index: u64) -> Category {
        let mut all = words::CATEGORIES.iter();
        all.find(|category| index < scale(category.end, crowd::ROWS, self.rows)).copied().unwrap_or_default()
    }

    /// Seconds since 1970, another for each index while there are seconds enough.
    fn timestamp(&self, index: u64) -> u64 {
        let rank = self.times.at(index);
        let (mut usual, mut first, mut start) = (0, 0, TIMES_START);
        for (rows, end) in TIMES {
            usual += rows;
            let next = scale(usual, crowd::ROWS, self.rows);
            if rank < next {
                // Each row of the stretch has a part of it for itself.
                let at =
                    |rank| start + ((end - start) as u128 * u128::from(rank - first) / u128::from(next - first)) as u64;
                let (from, to) = (at(rank), at(rank + 1));
                return from + Dice::new(self.seed, 2 * index).below_wide((to - from).max(1));
            }
            (first, start) = (next, end);
        }
        start
    }
}

/// Appends how many follow a person, as it is written on the page.
fn followers(into: &mut Vec<u8>, followers: Followers, drawn: u64) {
    // Small counts are the common ones: the last digit of what was drawn says how far its fraction reaches.
    let (thousands, millions) = match drawn % 3 {
        0 => (9, 3),
        1 => (99, 3),
        _ => (991, 15),
    };
    let (count, unit) = match followers {
        Followers::Known(count @ 0..1_000) => (count, ""),
        Followers::Known(count @ 0..1_000_000) => (count / 1_000, "k"),
        Followers::Known(count) => (count / 1_000_000, "M"),
        Followers::Drawn(0) => (part(999, drawn), ""),
        Followers::Drawn(1) => (1 + part(thousands, drawn), "k"),
        Followers::Drawn(_) => (1 + part(millions, drawn), "M"),
    };
    number(into, count);
    text(into, unit);
}

/// Ten-thousandths of a degree, on either side of 0 below `most`, with no more than six digits.
fn degrees(most: u64, drawn: u64) -> i64 {
    let most = most * 10_000;
    let at = part(2 * most - 1, drawn) as i64 - (most as i64 - 1);
    if at.abs() >= 1_000_000 { at - at % 10 } else { at }
}

/// When a person of that year joined, in seconds since 1970.
fn joined(year: u16, drawn: u64) -> u64 {
    let (start, end) = match year {
        2015 => (1_445_385_600, 1_451_606_400), // from 2015-10-21
        2016 => (1_451_606_400, 1_483_228_800),
        _ => (1_483_228_800, 1_508_544_000), // to 2017-10-20
    };
    start + part(end - start, drawn)
}

/// Appends a time as Python's `isoformat` writes it: `2017-10-19T16:00:00`.
fn time(into: &mut Vec<u8>, seconds: u64) {
    let at = Timestamp(seconds as i64 * 1_000_000).to_string();
    into.extend_from_slice(at.trim_end_matches('Z').as_bytes());
}
