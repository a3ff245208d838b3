//! Random lives of tables: whatever changes, what is shown is what the rows come to.

use std::collections::BTreeMap;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::memory::Memory;
use super::reference::{self, Rows};
use super::*;
use crate::rollup::spec::Rollup;
use crate::time::Timestamp;

fn rollups() -> Vec<Rollup> {
    let column = Grouping::column;
    let of_country = ["count()", "max(followers)", "top(poster, followers)", "min(score)", "count(poster)"];
    let all =
        ["median(followers)", "quantile(followers, 0.9)", "count_distinct(poster)", "min(followers)", "max(poster)"];
    let user_year = Grouping { name: "joined".into(), ..year("user.at") };
    vec![
        rollup("categories", &["pin", "geo"], vec![column("country"), column("category")], &["count()"]),
        rollup("countries", &["pin", "geo"], vec![column("country")], &of_country),
        rollup(
            "years",
            &["pin", "geo"],
            vec![year("at"), column("category")],
            &["count()", "sum(score)", "mean(score)"],
        ),
        rollup("ages", &["pin", "user"], vec![age_group()], &["count()", "median(followers)", "mean(followers)"]),
        rollup("both", &["user", "pin"], vec![user_year, age_group()], &["median(followers)", "median(age)"]),
        rollup("users", &["user"], vec![year("at")], &["count()", "sum(age)", "count_distinct(age)"]),
        rollup("all", &["pin"], vec![], &all),
        rollup("three", &["pin", "geo", "user"], vec![column("shown")], &["count()", "top(age, score)", "max(geo.at)"]),
        rollup("keys", &["geo"], vec![column("ind")], &["min(at)"]),
    ]
}

/// A random row of a table under a key.
fn row(random: &mut ChaCha8Rng, table: usize, key: i64, spread: i64) -> Vec<Value> {
    let null = |random: &mut ChaCha8Rng, value: Value| if random.random_bool(0.1) { Value::Null } else { value };
    let mut value = |value: fn(&mut ChaCha8Rng, i64) -> Value| {
        let value = value(random, spread);
        null(random, value)
    };
    let name = |random: &mut ChaCha8Rng, spread: i64| Value::Text(format!("n{}", random.random_range(0..spread)));
    let small =
        |random: &mut ChaCha8Rng, _: i64| Value::Text(["art", "diy", "quotes"].choose(random).unwrap().to_string());
    let number = |random: &mut ChaCha8Rng, spread: i64| Value::Int64(random.random_range(-5..spread));
    let float =
        |random: &mut ChaCha8Rng, spread: i64| Value::Float64(random.random_range(-spread..spread) as f64 / 4.0);
    let at = |random: &mut ChaCha8Rng, _: i64| {
        Value::Timestamp(Timestamp(random.random_range(1_400_000_000..1_700_000_000) * 1_000_000))
    };
    let age = |random: &mut ChaCha8Rng, _: i64| Value::Int64(random.random_range(10..70));
    let shown = |random: &mut ChaCha8Rng, _: i64| Value::Boolean(random.random());
    let mut values = vec![Value::Int64(key)];
    values.extend(match table {
        0 => vec![value(small), value(number), value(name), value(float), value(shown)],
        1 => vec![value(small), value(at)],
        _ => vec![value(age), value(at)],
    });
    values
}

/// What a family reads of a key.
fn wide<'a>(family: &Family, rows: &'a Rows, key: i64) -> Row<'a> {
    let mut wide = Row::default();
    for (bit, name) in family.tables().iter().enumerate() {
        let table = TABLES.iter().position(|(of, _)| of == name).unwrap();
        let row = rows[table].get(&key);
        wide.tables |= u64::from(row.is_some()) << bit;
        for column in family.columns(bit) {
            let place = TABLES[table].1.iter().position(|(of, _)| *of == column).unwrap();
            wide.values.push(row.map_or(ValueRef::Null, |row| row[place].borrowed()));
        }
    }
    wide
}

fn write(family: &mut Family, keep: &Memory, rows: &Rows) -> bool {
    let joins = family.write(keep).unwrap();
    for join in &joins {
        scan(family, rows, *join, |family, row| family.make_up(row).unwrap());
    }
    assert!(joins.is_empty() || family.write(keep).unwrap().is_empty(), "it was made up for");
    !joins.is_empty()
}

/// Gives the rows of a join, with the tables of the join alone.
fn scan(family: &mut Family, rows: &Rows, join: u64, mut each: impl FnMut(&mut Family, &Row<'_>)) {
    let keys: std::collections::BTreeSet<i64> = rows.iter().flat_map(BTreeMap::keys).copied().collect();
    for key in keys {
        let mut row = wide(family, rows, key);
        if row.tables & join == join {
            let mut place = 0;
            for bit in 0..family.tables().len() {
                for _ in family.columns(bit) {
                    if join & (1 << bit) == 0 {
                        row.values[place] = ValueRef::Null;
                    }
                    place += 1;
                }
            }
            row.tables = join;
            each(family, &row);
        }
    }
}

fn check(rollups: &[Rollup], keep: &Memory, rows: &Rows, what: &str) {
    for rollup in rollups {
        assert_eq!(keep.shown(&rollup.name), reference::shown(rollup, rows), "{what}: {}", rollup.name);
    }
}

/// A life of so many epochs; how often first values had to be made up for.
fn live(seed: u64, epochs: u32, keys: i64, changes: usize) -> u32 {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let rollups = rollups();
    let mut families = families(&rollups, &sources()).unwrap();
    let [family] = families.as_mut_slice() else { panic!("they share tables") };
    let (keep, mut rows, mut made_up) = (Memory::default(), Rows::default(), 0);
    let spread = *[3, 40, 100_000].choose(&mut random).unwrap();
    for epoch in 0..epochs {
        // Large tables lose their first values again and again.
        let falling = random.random_bool(if keys > 1000 { 0.9 } else { 0.2 });
        for _ in 0..random.random_range(1..=changes) {
            let (key, table) = (random.random_range(0..keys), random.random_range(0..3));
            let before = rows.clone_of(key);
            match random.random_range(0..10) {
                0 => _ = rows[table].remove(&key),
                // A repeat.
                1 => {}
                _ => _ = rows[table].insert(key, row(&mut random, table, key, spread)),
            }
            if falling && let Some(pin) = rows[0].get_mut(&key) {
                pin[2] = Value::Int64(-100_000 * i64::from(epoch) - random.random_range(0..100_000));
            }
            let (old, new) = (wide(family, &before, key), wide(family, &rows, key));
            family.change(&keep, &old, &new).unwrap();
        }
        made_up += u32::from(write(family, &keep, &rows));
        check(&rollups, &keep, &rows, &format!("seed {seed}, epoch {epoch}"));
    }
    let anew = Memory::default();
    let joins: std::collections::BTreeSet<u64> = family.rollups().map(|(_, tables, ..)| tables).collect();
    for join in joins {
        scan(family, &rows, join, |family, row| family.add(&anew, row, |_| true).unwrap());
    }
    assert!(family.write(&anew).unwrap().is_empty());
    check(&rollups, &anew, &rows, &format!("seed {seed}, anew"));
    made_up
}

/// The rows of one key alone.
trait CloneOf {
    fn clone_of(&self, key: i64) -> Self;
}

impl CloneOf for Rows {
    fn clone_of(&self, key: i64) -> Self {
        std::array::from_fn(|table| self[table].get(&key).map(|row| (key, row.clone())).into_iter().collect())
    }
}

#[test]
fn what_is_shown_is_what_the_rows_come_to() {
    let made_up: u32 = (0..60).map(|seed| live(seed, 50, 20 + 5 * seed as i64, 12)).sum();
    println!("first values were made up for {made_up} times");
}

#[test]
fn large_groups_are_cut_and_made_up_for() {
    let made_up: u32 = (1000..1006).map(|seed| live(seed, 25, 3000, 1500)).sum();
    assert!(made_up > 0, "no group ran out of first values");
}

#[test]
fn a_change_writes_what_it_falls_into() {
    let mut family = one(rollup("r", &["pin"], vec![], &["median(followers)"]));
    let keep = Memory::default();
    let pin = |followers| Row { tables: 1, values: vec![ValueRef::Int64(followers)] };
    for nth in 0..100_000 {
        family.change(&keep, &Row::default(), &pin(nth * 7919 % 100_003)).unwrap();
    }
    family.write(&keep).unwrap();
    assert!(keep.stretches() > 50, "{}", keep.stretches());
    keep.written.set(0);
    for nth in 0..10 {
        family.change(&keep, &Row::default(), &pin(nth * 10_000)).unwrap();
    }
    family.write(&keep).unwrap();
    assert!(keep.written.get() < 10 * 4000, "{} bytes for ten values", keep.written.get());
}
