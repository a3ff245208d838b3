//! Commits: whole or not at all, and what a start finds after them.

use super::*;
use crate::cache::letters::{Healed, Letter, Reason, Which};
use crate::cache::{Generation, Mark, Marks};
use crate::commit::{Became, Cut, DeadLetter, Group, LateRow, Object, Revision, Segment, Standing};
use crate::error::Kind;

fn segment(file: &str, first: u64, next: u64) -> Segment {
    Segment {
        file: file.into(),
        table: "pin".into(),
        partition: 0,
        epoch: 1,
        revision: 0,
        replaces: false,
        window: Timestamp(0),
        first_offset: first,
        next_offset: next,
        rows: next - first,
        bytes: 100,
        digest: "ab".into(),
        sha256: "ef".into(),
        restored: false,
    }
}

fn object(key: &str, rows: u64) -> Object {
    Object {
        key: key.into(),
        file: format!("{key}.parquet"),
        start: 0,
        table: "pin".into(),
        partition: 0,
        revision: 0,
        window: Timestamp(0),
        first_offset: 0,
        next_offset: rows,
        rows,
        bytes: 200,
        sha256: "cd".into(),
        digests: vec!["ab".into(), "ef".into()],
    }
}

fn letter(offset: u64) -> DeadLetter {
    DeadLetter {
        table: "pin".into(),
        partition: 0,
        offset,
        epoch: 1,
        time: Timestamp(7),
        reason: "field \"ind\" is absent".into(),
        digest: "ab".into(),
        key: None,
        value: Some(b"{}".to_vec()),
        headers: vec![0, 255],
    }
}

fn group(category: Value, pins: i64, state: &[u8]) -> Group {
    Group {
        window: Timestamp(0),
        end: Timestamp(60_000_000),
        key: vec![category],
        measures: vec![Value::Int64(pins)],
        standing: Standing::Early,
        revised: false,
        number: 0,
        stored: false,
        state: state.to_vec(),
    }
}

/// A group that the cache has under this number.
fn known(number: i64, group: Group) -> Group {
    Group { number, stored: true, ..group }
}

#[test]
fn a_commit_is_whole_or_nothing() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let fill = |to: &mut Commit<'_>| {
        to.epoch(&epoch(0, 1, 0, 1))?;
        to.upsert("pin", &latest(&[(1, "a", (1, 0, 0))]))?;
        to.segments(&[segment("s", 0, 1)])?;
        to.dead_letters(&[letter(4)])
    };
    let mut dropped = store.begin().unwrap();
    fill(&mut dropped).unwrap();
    drop(dropped);
    assert!(store.positions().unwrap().is_empty() && store.segments().unwrap().is_empty());
    assert!(
        ask(&folder.file(), "SELECT * FROM pin UNION ALL SELECT 1, 2, 3, 4, 5 FROM tidemill_dead_letters").is_empty()
    );
    commit(&mut store, fill).unwrap();
    drop(store);
    let store = Store::open(&folder.file(), &layout()).unwrap();
    assert_eq!(store.positions().unwrap(), [epoch(0, 1, 0, 1)]);
    assert_eq!(store.segments().unwrap(), [Segment { restored: true, ..segment("s", 0, 1) }]);
    let letters = Reader::open(&folder.file()).unwrap().letters("pin", &Which::default(), 9).unwrap();
    assert_eq!(letters, [Letter { letter: letter(4), healed: None }]);
    assert_eq!(ask(&folder.file(), "categories"), ["a|1"]);
}

#[test]
fn epochs_and_offsets_follow_without_a_gap() {
    let check = |lines: &[Epoch], words: &str| {
        let folder = Folder::new();
        let mut store = Store::open(&folder.file(), &layout()).unwrap();
        let done = commit(&mut store, |to| lines.iter().try_for_each(|line| to.epoch(line)));
        match done {
            Ok(()) => assert_eq!("", words, "{lines:?}"),
            Err(error) => assert!(error.kind() == Kind::Internal && error.message().contains(words), "{error}"),
        }
        let reader = Reader::open(&folder.file()).unwrap();
        assert_eq!(reader.ledger().unwrap().is_empty(), !words.is_empty());
    };
    check(&[epoch(0, 1, 7, 9), epoch(0, 2, 9, 9), epoch(1, 1, 0, 3), epoch(0, 3, 9, 12)], "");
    check(&[epoch(0, 2, 0, 1)], "epoch 1 from 0 does");
    check(&[epoch(0, 1, 0, 5), epoch(0, 2, 6, 7)], "epoch 2 from 5 does");
    check(&[epoch(0, 1, 0, 5), epoch(0, 2, 4, 7)], "epoch 2 from 5 does");
    check(&[epoch(0, 1, 0, 5), epoch(0, 1, 5, 7)], "epoch 2 from 5 does");
    check(&[epoch(0, 1, 0, 5), epoch(0, 3, 5, 7)], "epoch 2 from 5 does");
    check(&[Epoch { out: 1, ..epoch(0, 1, 0, 2) }], "2 records in, but 1 out");
    check(&[Epoch { rows: 3, ..epoch(0, 1, 0, 2) }], "3 rows, but 2 in its cuts");
    check(&[Epoch { out: 0, dropped: 2, ..epoch(0, 1, 0, 2) }], "");
}

#[test]
fn a_start_finds_the_last_epoch_of_each_partition() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let huge = Epoch {
        next: i64::MAX as u64,
        records_in: 0,
        out: 0,
        rows: 0,
        cuts: Vec::new(),
        watermark: Timestamp::MIN,
        ..epoch(1, 1, 5, 5)
    };
    commit(&mut store, |to| to.epoch(&epoch(0, 1, 0, 3)).and_then(|()| to.epoch(&huge))).unwrap();
    commit(&mut store, |to| to.epoch(&epoch(0, 2, 3, 10))).unwrap();
    assert_eq!(store.positions().unwrap(), [epoch(0, 2, 3, 10), huge]);
    let accounts = Reader::open(&folder.file()).unwrap().ledger().unwrap();
    assert_eq!(
        accounts.iter().map(|account| (account.records_in, account.last.epoch)).collect::<Vec<_>>(),
        [(10, 2), (0, 1)]
    );
    let epochs = Reader::open(&folder.file()).unwrap().epochs("pin", 0, 1).unwrap();
    assert_eq!(epochs, [epoch(0, 2, 3, 10)]);
}

#[test]
fn segments_become_an_object_and_objects_are_delivered() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    commit(&mut store, |to| to.segments(&[segment("b", 2, 5), segment("a", 0, 2), segment("c", 5, 6)])).unwrap();
    let files: Vec<String> = store.segments().unwrap().into_iter().map(|segment| segment.file).collect();
    assert_eq!(files, ["a", "b", "c"]);
    let land = |store: &mut Store, files: &[&str], rows| {
        let files: Vec<String> = files.iter().map(|&file| file.to_owned()).collect();
        commit(store, |to| to.land(&files, &object("k", rows)))
    };
    assert!(land(&mut store, &["a", "b", "z"], 5).unwrap_err().message().contains("segment \"z\" is not listed"));
    assert!(land(&mut store, &["a", "b"], 4).unwrap_err().message().contains("4 rows, and its segments 5"));
    assert_eq!(store.segments().unwrap().len(), 3);
    land(&mut store, &["a", "b"], 5).unwrap();
    assert!(land(&mut store, &["c"], 1).is_err(), "the key is taken");
    assert_eq!((store.segments().unwrap().len(), store.outbox().unwrap()), (1, vec![object("k", 5)]));

    commit(&mut store, |to| to.delivered("k", Timestamp(3))).unwrap();
    commit(&mut store, |to| to.delivered("k", Timestamp(4))).unwrap();
    assert!(commit(&mut store, |to| to.delivered("x", Timestamp(3))).is_err());
    assert!(store.outbox().unwrap().is_empty());
    let reader = Reader::open(&folder.file()).unwrap();
    assert_eq!(reader.objects(5).unwrap(), [(object("k", 5), true)]);
    let counts = reader.counts().unwrap();
    assert_eq!((counts.segments, counts.segment_bytes, counts.waiting, counts.delivered), (1, 100, 0, 1));
    assert_eq!(ask(&folder.file(), "SELECT delivered FROM tidemill_objects"), ["3"]);
}

#[test]
fn open_groups_keep_their_state_and_closed_ones_their_measures() {
    let folder = Folder::new();
    let name = "pins_per_category";
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let (art, none, at) = (Value::Text("art".into()), Value::Null, Timestamp(7));
    commit(&mut store, |to| {
        to.groups(name, [&[], &[group(art.clone(), 1, b"1"), group(none.clone(), 5, b"5")], &[]], at)
    })
    .unwrap();
    commit(&mut store, |to| to.groups(name, [&[], &[known(1, group(art.clone(), 2, b"2"))], &[]], at)).unwrap();
    let shown = "SELECT category, pins, _closed, window_start, window_end FROM pins_per_category ORDER BY 1";
    let window = "1970-01-01 00:00:00|1970-01-01 00:01:00";
    assert_eq!(ask(&folder.file(), shown), [format!("-|5|0|{window}"), format!("art|2|0|{window}")]);

    drop(store);
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let restored = store.groups(name).unwrap();
    let bare = |number, category: &Value, state| Group {
        measures: Vec::new(),
        ..known(number, group(category.clone(), 0, state))
    };
    assert_eq!(restored, [bare(2, &none, b"5"), bare(1, &art, b"2")]);
    assert_eq!(store.last_group(name).unwrap(), 2);

    // One that was only restored closes with what it shows; one that no commit saw closes at once.
    let new = Group { number: 8, ..group(Value::Text("new".into()), 9, b"") };
    let closed = [bare(2, &none, b""), known(1, group(art, 3, b"")), new];
    let closed = closed.map(|group| Group { standing: Standing::Closed, ..group });
    commit(&mut store, |to| to.groups(name, [&[], &[], &closed], at)).unwrap();
    let expected = [format!("-|5|1|{window}"), format!("art|3|1|{window}"), format!("new|9|1|{window}")];
    assert_eq!(ask(&folder.file(), shown), expected);
    assert!(store.groups(name).unwrap().is_empty());
    assert_eq!(store.last_group(name).unwrap(), 8);
    let open = "SELECT count(*) FROM tidemill_groups";
    assert_eq!(ask(&folder.file(), open), ["0"]);
    // What has no row any more is not taken for written.
    let lost = known(5, group(none.clone(), 1, b"1"));
    for groups in [[&[][..], std::slice::from_ref(&lost), &[]], [std::slice::from_ref(&lost), &[], &[]]] {
        assert_eq!(commit(&mut store, |to| to.groups(name, groups, at)).unwrap_err().kind(), Kind::Corrupt);
    }

    let short = Group { measures: vec![Value::Null; 2], ..group(none, 0, b"") };
    assert_eq!(commit(&mut store, |to| to.groups(name, [&[], &[short], &[]], at)).unwrap_err().kind(), Kind::Internal);
}

#[test]
fn what_a_group_showed_before_late_rows_is_kept() {
    let folder = Folder::new();
    let name = "pins_per_category";
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let art = |pins, standing, revised| Group { standing, revised, ..group(Value::Text("art".into()), pins, b"s") };
    let mut groups =
        |groups: [&[Group]; 3], at| commit(&mut store, |to| to.groups(name, groups, Timestamp(at))).unwrap();
    groups([&[], &[art(1, Standing::Early, false)], &[]], 1);
    groups([&[], &[known(1, art(1, Standing::OnTime, false))], &[]], 2);
    groups([&[], &[known(1, art(2, Standing::OnTime, true))], &[]], 3);
    groups([&[], &[], &[known(1, art(3, Standing::Closed, true))]], 4);
    // One that there was not before, and is a part of another soon.
    let none = |pins, revised| Group { standing: Standing::OnTime, revised, ..group(Value::Null, pins, b"s") };
    groups([&[], &[none(5, true)], &[]], 5);
    groups([&[known(2, none(0, true))], &[], &[]], 6);
    groups([&[], &[none(6, true)], &[]], 7);
    let shown = "SELECT category, pins, _closed, _state, _revision FROM pins_per_category ORDER BY 1";
    assert_eq!(ask(&folder.file(), shown), ["-|6|0|on time|1", "art|3|1|closed|2"]);
    let kept = "SELECT grouped, revision, measures, until FROM tidemill_changes ORDER BY 1, 2";
    let art = r#"{"category":"art"}"#;
    assert_eq!(
        ask(&folder.file(), kept),
        [
            format!(r#"{art}|0|{{"pins":1}}|3"#),
            format!(r#"{art}|1|{{"pins":2}}|4"#),
            r#"{"category":null}|0|{"pins":5}|6"#.to_owned()
        ]
    );
}

#[test]
fn late_rows_are_listed_once_while_there_is_room() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let late = |offset, time: Option<i64>| LateRow {
        partition: 1,
        offset,
        row: 0,
        time: time.map(Timestamp),
        window: time.map(|_| Timestamp(0)),
    };
    let mut list = |rows: &[LateRow], at| {
        commit(&mut store, |to| to.late("pins_per_category", rows, &[Timestamp(0)], Timestamp(at))).unwrap()
    };
    list(&[late(9, Some(3)), late(2, None)], 5);
    list(&[late(9, Some(3))], 6);
    let many: Vec<LateRow> = (10..20_000).map(|offset| late(offset, Some(offset))).collect();
    list(&many, 7);
    let reader = Reader::open(&folder.file()).unwrap();
    let found = reader.late_rows("pins_per_category", 2).unwrap();
    assert_eq!((found.count, found.listed), (0, 10_000), "the count is that of the marks");
    assert_eq!(found.rows, [(late(2, None), Timestamp(5)), (late(9, Some(3)), Timestamp(5))]);
}

#[test]
fn marks_and_generations_come_back() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    assert_eq!((store.marks("pins_per_category").unwrap(), store.generation("pin").unwrap()), (None, None));
    let mark = |partition, watermark| Mark { partition, watermark: Timestamp(watermark), idle: partition == 1 };
    let marks = |closed, late, at| Marks {
        closed_upto: Timestamp(closed),
        late,
        partitions: vec![mark(0, at), mark(1, i64::MIN)],
    };
    let generation = |number, digest: &str, pinned| Generation {
        table: "pin".into(),
        number,
        digest: digest.into(),
        version: "pin 1.0.0".into(),
        since: Timestamp(1),
        pinned,
        withdrawn: false,
        parameters: vec!["{}".into()],
    };
    for (at, digest) in [(1, "ab"), (2, "cd")] {
        commit(&mut store, |to| {
            to.marks("pins_per_category", &marks(at, 0, at))?;
            to.generation(&generation(at as u64, digest, false))
        })
        .unwrap();
    }
    assert_eq!(store.marks("pins_per_category").unwrap(), Some(marks(2, 0, 2)));
    commit(&mut store, |to| to.generation(&generation(2, "cd", true))).unwrap();
    assert_eq!(store.generation("pin").unwrap(), Some(generation(2, "cd", true)));
    assert_eq!(Store::in_service(&folder.file()).unwrap(), [generation(2, "cd", true)]);
    assert!(commit(&mut store, |to| to.generation(&generation(1, "xx", true))).is_err());
}

#[test]
fn a_letter_heals_once_and_the_ledger_stays_balanced() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    commit(&mut store, |to| {
        let cut = Cut { window: Timestamp(0), first_offset: 0, next_offset: 3, rows: 1 };
        to.epoch(&Epoch { out: 1, rejected: 2, rows: 1, cuts: vec![cut], ..epoch(0, 1, 0, 3) })?;
        to.dead_letters(&[letter(1), letter(2)])
    })
    .unwrap();
    let line = Revision {
        table: "pin".into(),
        partition: 0,
        epoch: 1,
        revision: 1,
        out: 1,
        rejected: -1,
        rows: 2,
        ..Revision::default()
    };
    let heal = |store: &mut Store, line: &Revision, offset| {
        commit(store, |to| {
            to.revision(line)?;
            to.healed("pin", (0, offset), Became::Rows, line.revision, Timestamp(9))
        })
    };
    assert!(store.wait("pin", [(0, 1), (0, 2)]).unwrap());
    heal(&mut store, &line, 1).unwrap();
    assert!(!store.wait("pin", [(0, 1), (0, 2)]).unwrap());
    let reader = Reader::open(&folder.file()).unwrap();
    let letters = |which: &Which| -> Vec<u64> {
        reader.letters("pin", which, 9).unwrap().iter().map(|letter| letter.letter.offset).collect()
    };
    assert_eq!(letters(&Which::default()), [2]);
    assert_eq!(letters(&Which { healed: true, ..Which::default() }), [1]);
    assert_eq!(letters(&Which { after: Some((0, 2)), ..Which::default() }), [0; 0]);
    assert_eq!(letters(&Which { reason: Some("absent".into()), ..Which::default() }), [2]);
    assert_eq!(letters(&Which { reason: Some("%".into()), ..Which::default() }), [0; 0]);
    assert_eq!(reader.counts().unwrap().dead_letters.get("pin"), Some(&1));
    let healed = Healed { at: Timestamp(9), became: Became::Rows, revision: 1 };
    assert_eq!(reader.letter("pin", 0, 1).unwrap(), Some(Letter { letter: letter(1), healed: Some(healed) }));
    let account = reader.ledger().unwrap().remove(0);
    assert_eq!((account.out, account.dropped, account.rejected, account.rows), (2, 0, 1, 3));
    assert_eq!((account.last.out, account.last.rejected, account.last.rows), (1, 2, 1), "its line stays as it was");
    assert_eq!(reader.last_revision("pin").unwrap(), 1);

    let again = Revision { revision: 2, ..line.clone() };
    for (line, offset) in [(&again, 1), (&again, 7), (&line, 2)] {
        assert_eq!(heal(&mut store, line, offset).unwrap_err().kind(), Kind::Internal);
    }
    assert!(heal(&mut store, &Revision { out: 2, ..again.clone() }, 2).is_err(), "it does not balance");
}

#[test]
fn letters_are_told_by_their_reasons() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let other = DeadLetter { reason: "too old".into(), time: Timestamp(3), ..letter(9) };
    commit(&mut store, |to| to.dead_letters(&[other, letter(1), letter(2)])).unwrap();
    let reader = Reader::open(&folder.file()).unwrap();
    let reason = |reason: &str, letters, at, offset| Reason {
        table: "pin".into(),
        reason: reason.into(),
        letters,
        first: at,
        last: at,
        partition: 0,
        offset,
    };
    let all = [reason("field \"ind\" is absent", 2, 7, 1), reason("too old", 1, 3, 9)];
    assert_eq!(reader.reasons(None, &Which::default(), 9, 0).unwrap(), all);
    assert_eq!(reader.reasons(Some("pin"), &Which::default(), 1, 1).unwrap(), all[1..]);
    assert_eq!(reader.reasons(Some("geo"), &Which::default(), 9, 0).unwrap(), []);
    assert_eq!(reader.letters_count("pin", &Which { reason: Some("old".into()), ..Which::default() }).unwrap(), 1);
}
