//! Aggregates against the rows that they are of: counted again from the lake, and each closed window landed once.

use std::collections::BTreeMap;

use tidemill::time::Timestamp;

use super::objects::Object;
use super::records::{At, Stored};
use super::{Cache, Table};

/// Window and group.
type Group = (i64, String);
/// Rows, and the sum of their numbers.
type Measures = (i64, i64);

pub(super) fn faults(cache: &Cache, table: Table, stored: &BTreeMap<At, Stored>, objects: &[Object]) -> Vec<String> {
    let aggregate = table.aggregate;
    let mut expected: BTreeMap<Group, Measures> = BTreeMap::new();
    for what in stored.values() {
        let Stored::Row { time, fields } = what else { continue };
        let window = time.div_euclid(aggregate.size) * aggregate.size;
        let group = (window, fields[aggregate.by].as_str().unwrap_or_default().to_owned());
        let measures = expected.entry(group).or_default();
        measures.0 += 1;
        measures.1 += fields["ind"].as_i64().unwrap_or_default();
    }
    let sql = format!("SELECT window_start, {}, rows, total, _closed FROM {}", aggregate.by, aggregate.name);
    let shown = cache.rows(&sql, [], |row| {
        let group = (time(&row.get::<_, String>(0)?), row.get::<_, Option<String>>(1)?.unwrap_or_default());
        Ok((group, (row.get(2)?, row.get(3)?), row.get::<_, bool>(4)?))
    });
    let mut faults = Vec::new();
    let (mut got, mut closed) = (BTreeMap::new(), BTreeMap::new());
    for (group, measures, is_closed) in shown {
        if is_closed {
            closed.insert(group.clone(), measures);
        }
        if got.insert(group.clone(), measures).is_some() {
            faults.push(format!("aggregate {:?}: group {group:?} is there twice", aggregate.name));
        }
    }
    let of = |what: String| format!("aggregate {:?}: {what}", aggregate.name);
    faults.extend(compare(&expected, &got).into_iter().map(of));
    let mut landed: BTreeMap<Group, Measures> = BTreeMap::new();
    for row in objects.iter().filter(|object| object.table == aggregate.name).flat_map(|object| &object.rows) {
        let group = (time(row["window_start"].as_str().unwrap_or_default()), text(&row[aggregate.by]));
        let measures = (row["rows"].as_i64().unwrap_or_default(), row["total"].as_i64().unwrap_or_default());
        if landed.insert(group.clone(), measures).is_some() {
            faults.push(format!("aggregate {:?}: group {group:?} is in the lake twice", aggregate.name));
        }
    }
    let landed_of = |what: String| format!("aggregate {:?} in the lake: {what}", aggregate.name);
    faults.extend(compare(&closed, &landed).into_iter().map(landed_of));
    faults
}

fn compare(expected: &BTreeMap<Group, Measures>, got: &BTreeMap<Group, Measures>) -> Vec<String> {
    let groups = expected.keys().chain(got.keys().filter(|group| !expected.contains_key(*group)));
    let differing = groups.filter(|group| expected.get(*group) != got.get(*group));
    differing.map(|group| format!("group {group:?}: {:?}, not {:?}", got.get(group), expected.get(group))).collect()
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn time(text: &str) -> i64 {
    Timestamp::parse(text).expect("a time").0
}
