//! What the shelf gives, to whom, and when it holds a table.

use super::*;
use crate::error::Kind;

fn segment(table: &str, window: i64, bytes: u64) -> Segment {
    Segment {
        file: format!("{table}+{window}+{bytes}"),
        table: table.into(),
        partition: 0,
        epoch: 1,
        revision: 0,
        replaces: false,
        window: Timestamp(window),
        first_offset: 0,
        next_offset: 1,
        rows: 1,
        bytes,
        digest: String::new(),
        sha256: String::new(),
        restored: false,
    }
}

#[test]
fn a_large_segment_is_an_object_by_itself() {
    let check = |bytes: &[u64], expected: usize| {
        let segments: Vec<Segment> = bytes.iter().map(|&bytes| segment("pin", 0, bytes)).collect();
        assert_eq!(together(&segments), expected, "{bytes:?}");
    };
    check(&[1, 2, 3], 3);
    check(&[ALONE_BYTES_MIN, 2], 1);
    check(&[1, 2, ALONE_BYTES_MIN, 3], 2);
    check(&[ALONE_BYTES_MIN - 1, ALONE_BYTES_MIN], 1);
    check(&[ALONE_BYTES_MIN - 1; 40], 32);
}

#[test]
fn gives_windows_that_closed_and_those_that_are_large() {
    let shelf = shelf(u64::MAX);
    shelf.add(vec![
        segment("pin", 0, 1),
        segment("pin", 10, 2),
        segment("pin", 0, 3),
        segment("geo", 0, OBJECT_BYTES_MAX),
    ]);
    shelf.close("pin", 0, Timestamp(10));
    shelf.end();
    let taken: Vec<Vec<u64>> =
        std::iter::from_fn(|| shelf.take_due()).map(|due| due.iter().map(|s| s.bytes).collect()).collect();
    assert_eq!(taken, [vec![OBJECT_BYTES_MAX], vec![1, 3]]);
    assert_eq!(shelf.stock().segments, 4, "one waits, three are being joined");
    shelf.add(vec![segment("pin", 0, 5)]);
    shelf.put_back(vec![segment("pin", 0, 1), segment("pin", 0, 3)]);
    assert_eq!((shelf.stock().segments, shelf.stock().segment_bytes), (5, 11 + OBJECT_BYTES_MAX));
    let again: Vec<u64> = shelf.take_due().unwrap().iter().map(|s| s.bytes).collect();
    assert_eq!(again, [1, 3, 5], "in the order of their commits");
}

fn shelf(share_bytes: u64) -> Shelf {
    let owners = HashMap::from([("pins_per_category".to_owned(), "pin".to_owned())]);
    Shelf::new(share_bytes, owners, Arc::new(Clock::manual(Timestamp(7))))
}

fn object(table: &str, key: &str, bytes: u64) -> Object {
    Object {
        key: key.into(),
        file: key.into(),
        start: 0,
        table: table.into(),
        partition: 0,
        revision: 0,
        window: Timestamp(0),
        first_offset: 0,
        next_offset: 1,
        rows: 1,
        bytes,
        sha256: String::new(),
        digests: Vec::new(),
    }
}

#[test]
fn a_full_share_holds_its_table_and_lands_what_there_is() {
    let shelf = shelf(10);
    shelf.add(vec![segment("pin", 0, 6), segment("geo", 0, 6)]);
    assert!(!shelf.holds("pin") && shelf.troubles("pin").is_empty());
    // An aggregate's rows count for its table.
    shelf.add(vec![segment("pins_per_category", 0, 4)]);
    assert!(shelf.holds("pin") && !shelf.holds("geo"));
    assert_eq!(shelf.spooled("pin"), 10);
    let told = &shelf.troubles("pin")[0];
    assert_eq!((told.trouble.what.as_str(), told.trouble.since), ("table \"pin\", spool", Timestamp(7)));
    assert!(told.stops && told.trouble.hint.is_some());
    // No window has closed, yet waiting for that would be for ever.
    let due: Vec<u64> = (0..2).filter_map(|_| shelf.take_due()).map(|due| due[0].bytes).collect();
    assert_eq!(due, [6, 4]);
    assert!(shelf.holds("pin"), "what is being joined is still there");
    shelf.landed(1, object("pin", "a", 6));
    assert!(shelf.holds("pin"));
    shelf.delivered(&object("pin", "a", 6));
    assert!(!shelf.holds("pin") && shelf.troubles("pin").is_empty());
}

#[test]
fn a_conflict_holds_its_table_until_the_object_arrives() {
    let shelf = shelf(u64::MAX);
    let (mine, other) = (object("pins_per_category", "a", 1), object("pin", "b", 1));
    shelf.failed(&mine, &Error::new(Kind::Unavailable, "no answer"));
    assert!(!shelf.holds("pin"), "it may pass");
    shelf.failed(&mine, &Error::new(Kind::Conflict, "other bytes"));
    shelf.failed(&other, &Error::new(Kind::Unavailable, "no answer"));
    assert!(shelf.holds("pin") && !shelf.holds("geo"));
    let told = shelf.troubles("pin");
    let told: Vec<(&str, bool)> = told.iter().map(|told| (told.trouble.what.as_str(), told.stops)).collect();
    assert_eq!(told, [("table \"pin\", object \"a\"", true), ("table \"pin\", object \"b\"", false)]);
    shelf.arrived(&mine);
    assert!(!shelf.holds("pin"));
}

#[tokio::test]
async fn a_table_whose_objects_are_not_taken_holds_up_no_other() {
    let shelf = shelf(u64::MAX);
    shelf.add_objects([object("pin", "a", 1), object("pins_per_category", "b", 1), object("geo", "c", 1)]);
    assert_eq!(keys(&shelf, "geo").await, ["c"]);
    assert_eq!(keys(&shelf, "pin").await, ["a"]);
    shelf.end();
    assert_eq!(keys(&shelf, "pin").await, ["b"], "an end waits for it");
    assert!(shelf.take_objects("pin").await.is_none() && shelf.take_objects("geo").await.is_none());
}

#[test]
fn segments_that_cannot_be_joined_hold_up_no_others() {
    let shelf = shelf(u64::MAX);
    shelf.add(vec![segment("geo", 0, 1), segment("pin", 0, 2)]);
    ["geo", "pin"].iter().for_each(|table| shelf.close(table, 0, Timestamp(1)));
    let broken = shelf.take_due().unwrap();
    shelf.put_back_to_rest(broken, &Error::new(Kind::Corrupt, "it does not read"));
    assert!(shelf.holds("geo") && !shelf.holds("pin"));
    assert_eq!(shelf.take_due().unwrap()[0].table, "pin");
    assert_eq!(shelf.take_due().unwrap()[0].table, "geo", "it is tried again after a rest");
}

#[test]
fn what_stands_in_the_place_of_others_has_no_gap_in_an_object() {
    let check = |offsets: &[(u64, u64)], expected: usize| {
        let replacing = |&(first_offset, next_offset): &(u64, u64)| Segment {
            revision: 2,
            replaces: true,
            first_offset,
            next_offset,
            ..segment("pin", 0, 5)
        };
        let segments: Vec<Segment> = offsets.iter().map(replacing).collect();
        assert_eq!(together(&segments), expected, "{offsets:?}");
    };
    check(&[(0, 4), (4, 9), (9, 10)], 3);
    check(&[(0, 4), (5, 9)], 1);
    check(&[(3, 4), (4, 9), (10, 11)], 2);
}

async fn keys(shelf: &Shelf, table: &str) -> Vec<String> {
    shelf.take_objects(table).await.unwrap_or_default().into_iter().map(|object| object.key).collect()
}

#[tokio::test]
async fn objects_of_one_file_go_together_and_the_last_gives_it_up() {
    let shelf = shelf(u64::MAX);
    let of = |file: &str, key: &str| Object { file: file.into(), ..object("raw.pin", key, 1) };
    shelf.add_objects([of("f", "a"), of("f", "b"), of("g", "c"), of("f", "d")]);
    assert_eq!(keys(&shelf, "raw.pin").await, ["a", "b"]);
    assert_eq!(keys(&shelf, "raw.pin").await, ["c"]);
    assert_eq!(keys(&shelf, "raw.pin").await, ["d"]);
    for (file, key, last) in [("f", "b", false), ("g", "c", true), ("f", "a", false), ("f", "d", true)] {
        assert_eq!(shelf.is_last_of_file(&of(file, key)), last, "{key}");
        shelf.delivered(&of(file, key));
    }
    assert_eq!(shelf.stock(), Stock::default());
}
