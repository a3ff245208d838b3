//! Revisions of groups: what was shown before is kept under the group's name, and found again, whatever types the name has.

use super::*;
use crate::cache::Revise;
use crate::commit::{Group, Standing};

const NAME: &str = "kinds";
const END: Timestamp = Timestamp(60_000_000);

/// An aggregate that is grouped by a column of each type.
fn kinds() -> AggregateLayout {
    let fields = [
        ("window_start", Type::Timestamp),
        ("window_end", Type::Timestamp),
        ("flag", Type::Boolean),
        ("number", Type::Int64),
        ("ratio", Type::Float64),
        ("words", Type::Text),
        ("raw", Type::Bytes),
        ("at", Type::Timestamp),
        ("rows", Type::Int64),
    ];
    AggregateLayout {
        name: NAME.into(),
        table: "pin".into(),
        fields: fields.iter().map(|&(name, kind)| field(name, kind)).collect(),
        by: 6,
        definition: "sessions".into(),
    }
}

fn with_kinds() -> Layout {
    Layout { aggregates: vec![kinds()], ..layout() }
}

/// Keys that differ, of values that SQLite, JSON and people write in ways of their own.
fn keys() -> Vec<Vec<Value>> {
    let plain = vec![
        Value::Boolean(true),
        Value::Int64(-7),
        Value::Float64(0.1),
        Value::Text("a".into()),
        Value::Bytes(vec![0, 255]),
        Value::Timestamp(Timestamp(1_500_000)),
    ];
    let mut keys = vec![plain.clone(), vec![Value::Null; 6]];
    let others = [
        (0, Value::Boolean(false)),
        (1, Value::Int64(i64::MIN)),
        (1, Value::Int64(1 << 60)),
        (2, Value::Float64(3.0)),
        (2, Value::Float64(1e300)),
        (2, Value::Float64(f64::INFINITY)),
        (2, Value::Float64(f64::NEG_INFINITY)),
        (2, Value::Float64(5e-324)),
        (3, Value::Text(String::new())),
        (3, Value::Text("it's \"é\"\\\n\u{1f600}".into())),
        (4, Value::Bytes(Vec::new())),
        (5, Value::Timestamp(Timestamp(-1))),
        (5, Value::Timestamp(Timestamp(i64::MAX))),
    ];
    for (place, value) in others {
        let mut key = plain.clone();
        key[place] = value;
        keys.push(key);
    }
    keys
}

fn group(key: &[Value], number: usize, rows: i64, standing: Standing) -> Group {
    Group {
        window: Timestamp(0),
        end: END,
        key: key.to_vec(),
        measures: vec![Value::Int64(rows)],
        standing,
        revised: rows > 1,
        number: number as i64 + 1,
        stored: rows > 1,
        state: vec![rows as u8],
    }
}

/// All keys as groups of so many rows.
fn groups(rows: i64, standing: Standing) -> Vec<Group> {
    keys().iter().enumerate().map(|(number, key)| group(key, number, rows, standing)).collect()
}

fn revisions(folder: &Folder) -> Vec<String> {
    ask(&folder.file(), &format!("SELECT rows, _revision, _state, count(*) FROM {NAME} GROUP BY 1, 2, 3"))
}

#[test]
fn a_group_of_any_name_goes_on_with_its_revisions() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &with_kinds()).unwrap();
    let mut write =
        |groups: [&[Group]; 3], at| commit(&mut store, |to| to.groups(NAME, groups, Timestamp(at))).unwrap();
    let count = keys().len();
    write([&[], &groups(1, Standing::OnTime), &[]], 1);
    write([&[], &groups(2, Standing::OnTime), &[]], 2);
    assert_eq!(revisions(&folder), [format!("2|1|on time|{count}")]);
    // They become parts of others that begin when they did: what was kept of them is found by their names.
    let come: Vec<Group> =
        groups(1, Standing::Closed).into_iter().map(|group| Group { number: 100 + group.number, ..group }).collect();
    write([&groups(3, Standing::OnTime), &[], &come], 3);
    assert_eq!(revisions(&folder), [format!("1|2|closed|{count}")]);
    let kept = "SELECT count(DISTINCT grouped), count(*), max(revision) FROM tidemill_changes";
    assert_eq!(ask(&folder.file(), kept), [format!("{count}|{}|1", 2 * count)]);
}

#[test]
fn a_revision_beside_the_writer_is_what_the_writer_goes_on_from() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &with_kinds()).unwrap();
    commit(&mut store, |to| to.groups(NAME, [&[], &groups(1, Standing::OnTime), &[]], Timestamp(1))).unwrap();
    let revise = |change: &dyn Fn(&Revise)| {
        let revise = Revise::begin(&folder.file(), "pin", &with_kinds()).unwrap();
        change(&revise);
        revise.finish().unwrap();
    };
    // The windows' groups as they come again, the cache's own numbers apart: with twice the rows, and one is none any more.
    let mut anew: Vec<Group> = groups(2, Standing::OnTime);
    anew.iter_mut().for_each(|group| (group.number, group.stored, group.revised) = (0, false, false));
    anew.pop();
    revise(&|revise| revise.window(&kinds(), Timestamp(0), &anew, None, Timestamp(2)).unwrap());
    let count = anew.len();
    assert_eq!(revisions(&folder), [format!("2|1|on time|{count}")]);
    let found = store.groups(NAME).unwrap();
    assert!(found.iter().all(|group| group.state == [2]) && found.len() == count, "their states are the new ones");
    let known = |rows: i64, standing| -> Vec<Group> {
        let with = |found: &Group| Group { number: found.number, ..group(&found.key, 0, rows, standing) };
        found.iter().map(with).collect()
    };
    commit(&mut store, |to| to.groups(NAME, [&[], &known(3, Standing::OnTime), &[]], Timestamp(3))).unwrap();
    assert_eq!(revisions(&folder), [format!("3|2|on time|{count}")]);
    // As sessions they may go, whether open or closed, and come back under the same names.
    revise(&|revise| revise.sessions(&kinds(), (&known(3, Standing::OnTime), &[]), &[], Timestamp(4)).unwrap());
    assert!(revisions(&folder).is_empty() && store.groups(NAME).unwrap().is_empty());
    anew.iter_mut().for_each(|group| group.revised = true);
    revise(&|revise| revise.sessions(&kinds(), (&[], &anew), &[], Timestamp(5)).unwrap());
    assert_eq!(revisions(&folder), [format!("2|3|on time|{count}")]);
    assert_eq!(store.groups(NAME).unwrap().len(), count);
}
