//! Records against what became of them: each is one row of the lake or one dead letter, and the cache has the latest rows.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};
use tidemill::time::Timestamp;

use super::objects::Object;
use super::{Cache, Journal, Sent, Table};

/// Partition and offset.
pub(super) type At = (u32, u64);

/// What became of a record.
pub(super) enum Stored {
    Row { time: i64, fields: Map<String, Value> },
    DeadLetter { value: Vec<u8> },
}

impl Stored {
    /// Whether a record with this value may have become so.
    pub(super) fn is_of(&self, value: &[u8]) -> bool {
        match self {
            Self::DeadLetter { value: kept } => kept == value,
            Self::Row { fields, .. } => {
                let sent: Value = serde_json::from_slice(value).unwrap_or_default();
                sent["ind"].is_i64() && sent["ind"] == fields["ind"]
            }
        }
    }
}

/// What became of each record of a table, and what is wrong with that by itself.
pub(super) fn stored(cache: &Cache, table: Table, objects: &[Object]) -> (BTreeMap<At, Stored>, Vec<String>) {
    let (mut stored, mut faults) = (BTreeMap::new(), Vec::new());
    for fields in objects.iter().filter(|object| object.table == table.name).flat_map(|object| &object.rows) {
        let number = |name: &str| fields[name].as_u64().expect("a place");
        let at = (number("_partition") as u32, number("_offset"));
        if number("_row") != 0 {
            faults.push(format!("record {at:?}: it has become several rows"));
        }
        let time = Timestamp::parse(fields["_time"].as_str().expect("a time")).expect("a time").0;
        if stored.insert(at, Stored::Row { time, fields: fields.clone() }).is_some() {
            faults.push(format!("record {at:?}: its row is in the lake twice"));
        }
    }
    let sql = "SELECT partition, offset, value FROM tidemill_dead_letters WHERE table_name = ?";
    let letters = cache.rows(sql, [table.name], |row| {
        Ok(((row.get(0)?, row.get::<_, i64>(1)? as u64), row.get::<_, Option<Vec<u8>>>(2)?.unwrap_or_default()))
    });
    for (at, value) in letters {
        if stored.insert(at, Stored::DeadLetter { value }).is_some() {
            faults.push(format!("record {at:?}: it is a row and a dead letter, or a dead letter twice"));
        }
    }
    (stored, faults)
}

/// Whether offsets are dense, all that was acknowledged is where it was said to be, nothing is there too often, and the cache agrees.
pub(super) fn faults(cache: &Cache, table: Table, stored: &BTreeMap<At, Stored>, journal: &Journal) -> Vec<String> {
    let mut faults = Vec::new();
    let mut next: BTreeMap<u32, u64> = BTreeMap::new();
    for &(partition, offset) in stored.keys() {
        let next = next.entry(partition).or_default();
        if offset != *next {
            faults.push(format!("partition {partition}: nothing became of offsets {next} to {}", offset - 1));
        }
        *next = offset + 1;
    }
    faults.extend(copies(table, stored, journal));
    faults.extend(latest(cache, table, stored));
    faults
}

fn copies(table: Table, stored: &BTreeMap<At, Stored>, journal: &Journal) -> Vec<String> {
    let sent: Vec<&Sent> = journal.sent.iter().filter(|sent| sent.topic == table.name).collect();
    let by_ind: HashMap<i64, usize> = sent.iter().enumerate().filter_map(|(n, sent)| Some((sent.ind?, n))).collect();
    let by_value: HashMap<&[u8], usize> = sent.iter().enumerate().map(|(n, sent)| (sent.value.as_bytes(), n)).collect();
    let mut found: Vec<Vec<At>> = vec![Vec::new(); sent.len()];
    let mut faults = Vec::new();
    for (&at, what) in stored {
        let known = match what {
            Stored::Row { fields, .. } => fields["ind"].as_i64().and_then(|ind| by_ind.get(&ind)),
            Stored::DeadLetter { value } => by_value.get(value.as_slice()).filter(|&&n| sent[n].ind.is_none()),
        };
        match known {
            Some(&n) => found[n].push(at),
            None => faults.push(format!("record {at:?}: nobody has sent it so")),
        }
    }
    for (sent, found) in sent.iter().zip(&found) {
        let Sent { partition, value, acked, unknown, .. } = sent;
        let value: String = value.chars().take(60).collect();
        for offset in acked.iter().filter(|offset| !found.contains(&(*partition, **offset))) {
            faults.push(format!("record {value}: acknowledged at {partition}/{offset}, and lost; it is at {found:?}"));
        }
        if found.len() > acked.len() + unknown || found.iter().any(|(other, _)| other != partition) {
            faults.push(format!(
                "record {value}: acknowledged at {acked:?}, {unknown} times not answered, and it is at {found:?}"
            ));
        }
    }
    faults
}

/// The cache has the latest row of each key.
fn latest(cache: &Cache, table: Table, stored: &BTreeMap<At, Stored>) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut expected: BTreeMap<String, (i64, u32, u64, String)> = BTreeMap::new();
    for (&(partition, offset), what) in stored {
        let Stored::Row { time, fields } = what else { continue };
        let row = (*time, partition, offset, text(&fields[table.kept]));
        let place = expected.entry(text(&fields[table.key])).or_insert_with(|| row.clone());
        if (row.0, row.1, row.2) > (place.0, place.1, place.2) {
            *place = row;
        }
    }
    let sql = format!(
        "SELECT CAST({} AS TEXT), _time, _partition, _offset, CAST({} AS TEXT) FROM {}",
        table.key, table.kept, table.name
    );
    let rows = cache.rows(&sql, [], |row| {
        Ok((row.get::<_, String>(0)?, (row.get(1)?, row.get(2)?, row.get::<_, i64>(3)? as u64, row.get(4)?)))
    });
    let got: BTreeMap<String, (i64, u32, u64, String)> = rows.into_iter().collect();
    let keys = expected.keys().chain(got.keys().filter(|key| !expected.contains_key(*key)));
    let differing = keys.filter(|key| expected.get(*key) != got.get(*key));
    differing
        .map(|key| {
            format!("key {key:?}: the cache has {:?}, the lake's latest is {:?}", got.get(key), expected.get(key))
        })
        .collect()
}
