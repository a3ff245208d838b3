//! What is altered behind a pipeline's back, each with the fault that has to be named.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::house::Copy;

fn with(mut fault: Value, what: &str, message: &str) -> Value {
    fault["what"] = json!(what);
    fault["message"] = json!(message);
    fault
}

pub(crate) fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("the file");
    bytes[at] ^= 4;
    fs::write(file, bytes).expect("the file");
}

pub(crate) fn base(segment: &Path) -> u64 {
    segment.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok()).expect("its first offset")
}

/// What is done to a copy, and the fault that has to be named.
pub(crate) type Sabotage = fn(&Copy) -> Value;

/// What is found by listings and sums alone.
pub(crate) const QUICK: [(&str, Sabotage); 11] = [
    ("an object deleted", |copy| {
        let (fault, file) = copy.object("thing");
        fs::remove_file(file).expect("it was there");
        with(fault, "missing", "")
    }),
    ("an object of an aggregate deleted", |copy| {
        let (fault, file) = copy.object("marks");
        fs::remove_file(file).expect("it was there");
        with(fault, "missing", "")
    }),
    ("an object cut short", |copy| {
        let (fault, file) = copy.object("user");
        let bytes = fs::read(&file).expect("the object");
        fs::write(file, &bytes[..bytes.len() - 1]).expect("the object");
        with(fault, "altered", "bytes")
    }),
    ("a foreign object", |copy| {
        let (fault, file) = copy.object("thing");
        fs::write(file.with_file_name("foreign"), "I was never here").expect("an object");
        let key = fault["key"].as_str().expect("a key").rsplit_once('/').expect("a folder").0.to_owned() + "/foreign";
        json!({ "what": "foreign", "key": key })
    }),
    ("a line of the ledger removed", |copy| {
        let [from, next] =
            copy.ask("SELECT from_offset, next_offset FROM tidemill_ledger WHERE table_name = 'thing' AND partition = 1 AND epoch = 2");
        copy.alter(1, "DELETE FROM tidemill_ledger WHERE table_name = 'thing' AND partition = 1 AND epoch = 2");
        json!({ "what": "gap", "table": "thing", "partition": 1, "offsets": [from, next], "message": "no line of epoch 2" })
    }),
    ("the last line of the ledger removed", |copy| {
        let last = "table_name = 'user' AND epoch = (SELECT epoch FROM tidemill_positions WHERE table_name = 'user')";
        let [from, next] = copy.ask(&format!("SELECT from_offset, next_offset FROM tidemill_ledger WHERE {last}"));
        copy.alter(1, &format!("DELETE FROM tidemill_ledger WHERE {last}"));
        json!({ "what": "gap", "table": "user", "partition": 0, "offsets": [from, next] })
    }),
    ("next moved", |copy| {
        let [next] = copy
            .ask("SELECT next_offset FROM tidemill_ledger WHERE table_name = 'thing' AND partition = 0 AND epoch = 2");
        copy.alter(1, "UPDATE tidemill_ledger SET next_offset = next_offset + 1 WHERE table_name = 'thing' AND partition = 0 AND epoch = 2");
        let next = next.as_u64().expect("an offset");
        json!({ "what": "overlap", "table": "thing", "partition": 0, "epoch": 3, "offsets": [next, next + 1] })
    }),
    ("a count changed", |copy| {
        copy.alter(1, "UPDATE tidemill_ledger SET records_in = records_in + 1, dropped = dropped + 1 WHERE table_name = 'thing' AND partition = 0 AND epoch = 2");
        json!({ "what": "sum", "table": "thing", "partition": 0, "message": "records dropped by its lines" })
    }),
    ("late rows changed", |copy| {
        copy.alter(1, "UPDATE tidemill_aggregates SET late = late + 1 WHERE aggregate = 'joined'");
        json!({ "what": "sum", "table": "joined", "message": "came too late" })
    }),
    ("a dead letter removed", |copy| {
        let letter = "table_name = 'thing' AND partition = 1 ORDER BY offset LIMIT 1";
        let [offset] = copy.ask(&format!("SELECT offset FROM tidemill_dead_letters WHERE {letter}"));
        let [epoch, from, next] = copy.ask(&format!(
            "SELECT epoch, from_offset, next_offset FROM tidemill_ledger WHERE table_name = 'thing' AND partition = 1 \
             AND from_offset <= {offset} AND next_offset > {offset}"
        ));
        copy.alter(1, &format!("DELETE FROM tidemill_dead_letters WHERE rowid = (SELECT rowid FROM tidemill_dead_letters WHERE {letter})"));
        json!({ "what": "missing", "table": "thing", "partition": 1, "epoch": epoch, "offsets": [from, next] })
    }),
    ("an object forgotten by the outbox", |copy| {
        let (fault, _) = copy.object("thing");
        copy.alter(
            1,
            &format!("DELETE FROM tidemill_objects WHERE key = {}", fault["key"].to_string().replace('"', "'")),
        );
        json!({ "what": "foreign", "key": fault["key"] })
    }),
];

/// What only a look at contents finds.
pub(crate) const FULL: [(&str, Sabotage); 22] = [
    ("a byte of an object flipped", |copy| {
        let (fault, file) = copy.object("thing");
        let middle = fs::metadata(&file).expect("the object").len() / 2;
        flip(&file, usize::try_from(middle).expect("a size"));
        with(fault, "altered", "sha256")
    }),
    ("a byte of an aggregate's object flipped", |copy| {
        let (fault, file) = copy.object("marks");
        flip(&file, 5);
        with(fault, "altered", "sha256")
    }),
    ("an object replaced by another", |copy| {
        let (fault, file) = copy.object("thing");
        let [other] = copy.ask("SELECT key FROM tidemill_objects WHERE table_name = 'thing' ORDER BY key DESC LIMIT 1");
        fs::copy(copy.data.join("lake/audited").join(other.as_str().expect("a key")), file).expect("a copy");
        with(fault, "altered", "")
    }),
    ("an object replaced by another, and the outbox told so", |copy| {
        // Whoever alters both can only be found by the rows themselves.
        let (fault, file) = copy.object("thing");
        let (key, partition) = (fault["key"].as_str().expect("a key"), &fault["partition"]);
        let [other, sha256, bytes] = copy.ask(&format!(
            "SELECT key, sha256, bytes FROM tidemill_objects WHERE table_name = 'thing' AND partition = {partition} \
             AND key <> '{key}' LIMIT 1"
        ));
        fs::copy(copy.data.join("lake/audited").join(other.as_str().expect("a key")), file).expect("a copy");
        copy.alter(
            1,
            &format!("UPDATE tidemill_objects SET bytes = {bytes}, sha256 = {sha256} WHERE key = '{key}'")
                .replace('"', "'"),
        );
        json!({ "key": key, "table": "thing", "what": "foreign", "message": "none of its epochs" })
    }),
    ("a row of the cache altered", |copy| {
        let [partition, offset] = copy.ask("SELECT _partition, _offset FROM thing WHERE ind = 17");
        copy.alter(1, "UPDATE thing SET mark = 'forged' WHERE ind = 17");
        let offset = offset.as_u64().expect("an offset");
        json!({ "what": "altered", "table": "thing", "partition": partition, "offsets": [offset, offset + 1], "message": "(17)" })
    }),
    ("a row of the cache removed", |copy| {
        copy.alter(1, "DELETE FROM user WHERE ind = (SELECT max(ind) FROM user)");
        json!({ "what": "missing", "table": "user", "message": "the cache has no row of" })
    }),
    ("a row of the cache invented", |copy| {
        copy.alter(1, "INSERT INTO thing SELECT 77000000, mark, _time, _partition, _offset FROM thing WHERE ind = 17");
        json!({ "what": "foreign", "table": "thing", "message": "(77000000)" })
    }),
    ("an older row of the cache put back", |copy| {
        copy.alter(1, "UPDATE thing SET _offset = _offset - 1 WHERE ind = 17");
        json!({ "what": "altered", "table": "thing", "message": "(17)" })
    }),
    ("a dead letter altered", |copy| {
        let letter = "table_name = 'thing' AND partition = 0 ORDER BY offset LIMIT 1 OFFSET 3";
        let [offset] = copy.ask(&format!("SELECT offset FROM tidemill_dead_letters WHERE {letter}"));
        copy.alter(1, &format!("UPDATE tidemill_dead_letters SET value = CAST(value || ' ' AS BLOB) WHERE table_name = 'thing' AND partition = 0 AND offset = {offset}"));
        let offset = offset.as_u64().expect("an offset");
        json!({ "what": "altered", "table": "thing", "partition": 0, "offsets": [offset, offset + 1], "message": "a dead letter" })
    }),
    ("a dead letter moved to another offset", |copy| {
        let letters = "tidemill_dead_letters WHERE table_name = 'thing' AND partition = 1";
        let [offset] = copy.ask(&format!("SELECT min(offset) FROM {letters}"));
        let offset = offset.as_u64().expect("an offset");
        let to = offset + 1;
        copy.alter(1, &format!("UPDATE tidemill_dead_letters SET offset = {to} WHERE table_name = 'thing' AND partition = 1 AND offset = {offset}"));
        json!({ "what": "altered", "table": "thing", "partition": 1, "offsets": [to, to + 1], "message": "a dead letter" })
    }),
    ("a page of the cache gone", |copy| {
        let [page, bytes] = copy.ask(
            "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE type = 'index' \
             AND tbl_name = 'tidemill_dead_letters'",
        );
        let (page, bytes) = (page.as_u64().expect("a page"), bytes.as_u64().expect("a size"));
        let file = fs::File::options().write(true).open(copy.data.join("cache.sqlite")).expect("the cache");
        file.write_all_at(&vec![0; bytes as usize], (page - 1) * bytes).expect("the page");
        json!({ "what": "altered", "message": "cache.sqlite" })
    }),
    ("a closed group altered", |copy| {
        copy.alter(
            1,
            "UPDATE tidemill_measures_marks SET rows = rows + 1 WHERE _group = (SELECT min(_group) FROM marks WHERE _closed = 1)",
        );
        json!({ "what": "altered", "table": "marks", "message": "otherwise than it was made" })
    }),
    ("an open group altered", |copy| {
        copy.alter(
            1,
            "UPDATE tidemill_measures_joined SET posts = posts + 1 WHERE _group = (SELECT min(_group) FROM joined WHERE _closed = 0)",
        );
        json!({ "what": "altered", "table": "joined", "message": "otherwise than it was made" })
    }),
    ("the states of open groups altered", |copy| {
        let last = "bundle = (SELECT max(bundle) FROM tidemill_states_joined)";
        copy.alter(1, &format!("UPDATE tidemill_states_joined SET states = zeroblob(length(states)) WHERE {last}"));
        json!({ "what": "altered", "table": "joined", "message": "is not what was written" })
    }),
    ("a byte of the topic flipped", |copy| {
        let segment = &copy.segments("thing", 0)[0];
        flip(segment, 20_000);
        json!({ "what": "altered", "table": "thing", "partition": 0, "message": "its checksum is wrong" })
    }),
    ("a byte of the newest segment flipped", |copy| {
        let segments = copy.segments("user", 0);
        flip(segments.last().expect("a segment"), 20_000);
        json!({ "what": "altered", "table": "user", "partition": 0, "message": "its checksum is wrong" })
    }),
    ("a segment of the topic removed", |copy| {
        let segments = copy.segments("thing", 1);
        assert!(segments.len() >= 3, "one in the middle: {segments:?}");
        fs::remove_file(&segments[1]).expect("it was there");
        let offsets = [base(&segments[1]), base(&segments[2])];
        json!({ "what": "altered", "table": "thing", "partition": 1, "offsets": offsets, "message": "a segment is missing" })
    }),
    ("the first segment of the topic removed", |copy| {
        let segments = copy.segments("thing", 1);
        fs::remove_file(&segments[0]).expect("it was there");
        json!({ "what": "missing", "table": "thing", "partition": 1, "offsets": [0, base(&segments[1])], "message": "keeps everything" })
    }),
    ("the newest segment of the topic removed", |copy| {
        let segments = copy.segments("thing", 0);
        let last = segments.last().expect("a segment");
        fs::remove_file(last).expect("it was there");
        let [next] =
            copy.ask("SELECT next_offset FROM tidemill_positions WHERE table_name = 'thing' AND partition = 0");
        json!({ "what": "missing", "table": "thing", "partition": 0, "offsets": [base(last), next], "message": "ends at" })
    }),
    ("a group of a rollup altered", |copy| {
        copy.alter(1, "UPDATE marks_now SET middle = middle + 1 WHERE mark = 'sieve'");
        json!({ "what": "altered", "table": "marks_now", "message": "(sieve)" })
    }),
    ("a group of a rollup removed", |copy| {
        let [age] = copy.ask("SELECT age FROM ages ORDER BY users DESC LIMIT 1");
        copy.alter(1, &format!("DELETE FROM ages WHERE age = {age}"));
        json!({ "what": "missing", "table": "ages", "message": format!("({age})") })
    }),
    ("a group of a rollup added", |copy| {
        copy.alter(1, "INSERT INTO ages (age, users) VALUES (7, 1)");
        json!({ "what": "foreign", "table": "ages", "message": "(7)" })
    }),
];
