//! A landing against what became of its topic's records: each is in one object, whether its table took it or not.

use std::collections::BTreeMap;

use serde_json::Value;

use super::objects::Object;
use super::records::{At, Stored};

/// The records of a topic by their numbers, and those in the objects of its landing.
pub(super) fn faults(landing: &str, stored: &BTreeMap<At, Stored>, objects: &[Object]) -> Vec<String> {
    let (mut expected, mut landed) = (BTreeMap::<i64, usize>::new(), BTreeMap::<i64, usize>::new());
    for what in stored.values() {
        let ind = match what {
            Stored::Row { fields, .. } => fields["ind"].as_i64(),
            Stored::DeadLetter { value } => {
                serde_json::from_slice(value).ok().and_then(|value: Value| value["ind"].as_i64())
            }
        };
        *expected.entry(ind.expect("a number")).or_default() += 1;
    }
    for row in objects.iter().filter(|object| object.table == landing).flat_map(|object| &object.rows) {
        *landed.entry(row["ind"].as_i64().unwrap_or(-1)).or_default() += 1;
    }
    let numbers = expected.keys().chain(landed.keys().filter(|ind| !expected.contains_key(*ind)));
    let differing = numbers.filter(|ind| expected.get(*ind) != landed.get(*ind));
    let said = |ind: &i64| {
        let (landed, expected) = (landed.get(ind).unwrap_or(&0), expected.get(ind).unwrap_or(&0));
        format!("landing {landing:?}: record {ind} is there {landed} times, in its topic {expected} times")
    };
    differing.map(said).collect()
}
