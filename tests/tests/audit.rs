//! The audit: a pipeline that ran well is proven, and whatever is altered behind its back is named, down to offsets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tidemill::emulate::population::Population;
use tidemill_tests::daemon::{Daemon, query, tidemill};
use tidemill_tests::http;
use tidemill_tests::place::{Folder, changeling, component, digest, replace};

/// Numbers that are posted to the topic `thing`, half of them twice.
const THINGS: u64 = 12_000;
/// Users that are posted.
const USERS: u64 = 1_500;
/// Records of a request.
const BATCH: usize = 250;

/// A pipeline of two tables: `thing`, whose transform drops, rejects and doubles, and `user`, whose aggregate closes early.
struct House {
    folder: Folder,
    pipeline: PathBuf,
}

impl House {
    fn new(name: &str, format: &str, replace: &[(&str, &str)]) -> Self {
        let folder = Folder::new(name);
        folder.write("thing.wasm", changeling("sieve"));
        fs::copy(component("user"), folder.path().join("user.wasm")).expect("the component");
        let mut text = format!(
            "[pipeline]\nname = \"audited\"\ndata = {:?}\n[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
             [epoch]\ntime = \"50ms\"\n[lake]\nbucket = \"audited\"\nendpoint = \"embedded\"\nformat = {format:?}\n\
             [topics.thing]\npartitions = 2\ncompression = \"none\"\nsegment = \"64KiB\"\nrecord = \"16KiB\"\n\
             [topics.user]\n\
             [tables.thing]\ntopic = \"thing\"\ntransform = \"thing.wasm\"\nkey = [\"ind\"]\ncache = [\"ind\", \"mark\"]\nwindow = \"1s\"\n\
             [[tables.thing.aggregates]]\nname = \"marks\"\nby = [\"mark\"]\n\
             window = {{ kind = \"tumbling\", size = \"1s\", time = \"append\" }}\nmeasures = {{ rows = \"count()\", mean = \"mean(ind)\" }}\n\
             [tables.user]\ntopic = \"user\"\ntransform = \"user.wasm\"\nkey = [\"ind\"]\n\
             cache = [\"ind\", \"age\", \"date_joined\"]\nwindow = \"1s\"\n\
             [[tables.user.aggregates]]\nname = \"joined\"\nby = [\"age\"]\n\
             window = {{ kind = \"tumbling\", size = \"30d\", time = \"date_joined\", lateness = \"300d\" }}\nmeasures = {{ posts = \"count()\" }}\n",
            folder.path().join("data")
        );
        for (from, to) in replace {
            assert!(text.contains(from), "the pipeline file has {from:?}");
            text = text.replace(from, to);
        }
        let pipeline = folder.write("audited.toml", text);
        Self { folder, pipeline }
    }

    /// Runs it on all records until everything is in the bucket.
    fn run(&self) {
        let daemon = Daemon::start(&self.pipeline);
        post_things(&daemon, 0, THINGS);
        post_users(&daemon);
        daemon.settle();
        post_things(&daemon, 0, THINGS / 2);
        daemon.settle();
        daemon.stop();
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn audit(&self, data: &Path, more: &[&str]) -> Report {
        audit(&self.pipeline, data, more)
    }
}

fn post_things(daemon: &Daemon, first: u64, count: u64) {
    let values: Vec<String> = (first..first + count).map(|ind| format!("{{\"ind\":{ind}}}")).collect();
    http::post_lines(daemon.topics, "thing", values.iter().map(String::as_str), BATCH);
}

/// Posts users, one in a hundred without a field that makes it one.
fn post_users(daemon: &Daemon) {
    let population = Population::new(USERS, 5);
    let user = |index: u64| {
        let mut value = Vec::new();
        population.user(index, &mut value);
        if index % 100 == 7 { format!("{{\"ind\":{index}}}") } else { String::from_utf8(value).expect("JSON") }
    };
    let values: Vec<String> = (0..USERS).map(user).collect();
    http::post_lines(daemon.topics, "user", values.iter().map(String::as_str), BATCH);
}

/// What `tidemill audit --json` says.
struct Report {
    well: bool,
    said: Value,
}

fn audit(pipeline: &Path, data: &Path, more: &[&str]) -> Report {
    let (pipeline, data) = (pipeline.to_str().expect("a path"), data.to_str().expect("a path"));
    let output = tidemill(["audit", pipeline, "--data", data, "--json"].iter().chain(more).copied());
    let said = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|cause| panic!("{cause}: {}", String::from_utf8_lossy(&output.stderr)));
    Report { well: output.status.success(), said }
}

impl Report {
    fn faults(&self) -> &[Value] {
        self.said["faults"].as_array().expect("a list")
    }

    fn proves(&self) {
        assert!(self.well && self.said["proven"] == true && self.faults().is_empty(), "{:#}", self.said);
    }

    /// A fault has all that `expected` has; its message holds what the expected one says.
    fn names(&self, expected: &Value) -> bool {
        let has = |fault: &Value| {
            let fields = expected.as_object().expect("an object");
            fields.iter().all(|(name, value)| match name.as_str() {
                "message" => fault["message"].as_str().expect("text").contains(value.as_str().expect("text")),
                _ => fault[name] == *value,
            })
        };
        !self.well && self.said["proven"] == false && self.faults().iter().any(has)
    }

    fn sum(&self, table: &str, field: &str) -> u64 {
        let partitions = self.said["partitions"].as_array().expect("a list");
        partitions.iter().filter(|of| of["table"] == table).map(|of| of[field].as_u64().expect("a number")).sum()
    }
}

/// A copy of a data folder, to be altered.
struct Copy {
    data: PathBuf,
}

impl Copy {
    fn of(house: &House, nth: usize) -> Self {
        let data = house.folder.path().join(format!("copy-{nth}"));
        assert!(Command::new("cp").arg("-a").arg(house.data()).arg(&data).status().expect("cp").success());
        Self { data }
    }

    fn connection(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data.join("cache.sqlite")).expect("the cache")
    }

    /// Runs a statement, which has to change so many rows.
    fn alter(&self, rows: usize, sql: &str) {
        assert_eq!(self.connection().execute(sql, []).expect("it runs"), rows, "{sql}");
    }

    /// The first row of an answer, as JSON.
    fn ask<const N: usize>(&self, sql: &str) -> [Value; N] {
        let cell = |row: &rusqlite::Row<'_>, index| match row.get_ref(index).expect("a column") {
            rusqlite::types::ValueRef::Integer(number) => json!(number),
            rusqlite::types::ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
            other => panic!("{other:?}"),
        };
        let read = |row: &rusqlite::Row<'_>| Ok(std::array::from_fn(|index| cell(row, index)));
        self.connection().query_row(sql, [], read).unwrap_or_else(|cause| panic!("{sql}: {cause}"))
    }

    /// An object of a table in the middle of its lake, as the audit names it, with its file.
    fn object(&self, table: &str) -> (Value, PathBuf) {
        let [key, partition, first, next] = self.ask(&format!(
            "SELECT key, partition, first_offset, next_offset FROM tidemill_objects WHERE table_name = '{table}' \
             ORDER BY key LIMIT 1 OFFSET (SELECT count(*) / 2 FROM tidemill_objects WHERE table_name = '{table}')"
        ));
        let file = self.data.join("lake/audited").join(key.as_str().expect("a key"));
        let offsets = (next != json!(0)).then(|| json!([first, next])).unwrap_or(Value::Null);
        (json!({ "table": table, "partition": partition, "key": key, "offsets": offsets }), file)
    }

    /// The segments of a topic's partition, oldest first.
    fn segments(&self, topic: &str, partition: u32) -> Vec<PathBuf> {
        let folder = self.data.join(format!("topics/{topic}/{partition}"));
        let files = fs::read_dir(folder).expect("the partition").map(|entry| entry.expect("an entry").path());
        let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
        files.sort();
        files
    }
}

fn with(mut fault: Value, what: &str, message: &str) -> Value {
    fault["what"] = json!(what);
    fault["message"] = json!(message);
    fault
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("the file");
    bytes[at] ^= 4;
    fs::write(file, bytes).expect("the file");
}

fn base(segment: &Path) -> u64 {
    segment.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok()).expect("its first offset")
}

/// What is done to a copy, and the fault that has to be named.
type Sabotage = fn(&Copy) -> Value;

/// What is found by listings and sums alone.
const QUICK: [(&str, Sabotage); 11] = [
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
const FULL: [(&str, Sabotage); 15] = [
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
    ("a closed group altered", |copy| {
        copy.alter(
            1,
            "UPDATE marks SET rows = rows + 1 WHERE _group = (SELECT min(_group) FROM marks WHERE _closed = 1)",
        );
        json!({ "what": "altered", "table": "marks", "message": "otherwise than it was made" })
    }),
    ("an open group altered", |copy| {
        copy.alter(
            1,
            "UPDATE joined SET posts = posts + 1 WHERE _group = (SELECT min(_group) FROM joined WHERE _closed = 0)",
        );
        json!({ "what": "altered", "table": "joined", "message": "otherwise than it was made" })
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
];

/// All is proven as it ran, and every sabotage of a copy is named.
fn check(name: &str, format: &str) {
    let house = House::new(name, format, &[]);
    house.run();
    let whole = house.audit(&house.data(), &[]);
    whole.proves();
    assert_eq!(whole.sum("thing", "records_in"), THINGS + THINGS / 2);
    assert_eq!(whole.sum("thing", "topic_records"), THINGS + THINGS / 2);
    assert_eq!(whole.sum("thing", "dropped"), (THINGS + THINGS / 2) / 10);
    assert_eq!(whole.sum("thing", "rejected"), (THINGS + THINGS / 2) / 10);
    assert_eq!(whole.sum("thing", "rows"), (THINGS + THINGS / 2) / 10 * 9, "a tenth are two");
    assert_eq!(whole.sum("thing", "lake_rows"), whole.sum("thing", "rows"));
    assert_eq!(whole.sum("user", "rejected"), USERS / 100);
    let late =
        whole.said["partitions"].as_array().expect("a list").iter().filter_map(|of| of["late"]["joined"].as_u64());
    assert!(late.sum::<u64>() > 0, "rows come too late");
    assert!(whole.said["aggregates"]["marks"]["lake_rows"].as_u64() > Some(1), "closed windows are landed");
    let quick = house.audit(&house.data(), &["--quick"]);
    quick.proves();
    assert_eq!(quick.said["partitions"][0]["lake_rows"], Value::Null, "no object was read");

    let mut unnamed = Vec::new();
    for (nth, (what, sabotage)) in QUICK.iter().chain(&FULL).enumerate() {
        let copy = Copy::of(&house, nth);
        let expected = sabotage(&copy);
        let full: &[&str] = &[];
        let ways = if nth < QUICK.len() { vec![full, &["--quick"]] } else { vec![full] };
        for way in ways {
            let report = house.audit(&copy.data, way);
            if !report.names(&expected) {
                unnamed.push(format!("{what}: {way:?}: expected {expected}, found {:#}", report.said["faults"]));
            }
        }
        fs::remove_dir_all(&copy.data).expect("the copy");
    }
    assert!(unnamed.is_empty(), "{}", unnamed.join("\n"));
    house.audit(&house.data(), &[]).proves();
}

#[test]
fn every_sabotage_of_a_lake_of_parquet_is_named() {
    check("audit-parquet", "parquet");
}

#[test]
fn every_sabotage_of_a_lake_of_json_is_named() {
    check("audit-json", "json");
}

/// What `tidemill explain --json` says of a row, and whether it ended well.
fn explain(house: &House, key: &str, row: u64) -> (bool, Value) {
    let output = tidemill(["explain", house.pipeline.to_str().expect("a path"), key, &row.to_string(), "--json"]);
    let said = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|cause| panic!("{cause}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), said)
}

/// The keys of a table's objects.
fn keys(house: &House, table: &str) -> Vec<String> {
    let sql = format!("SELECT key FROM tidemill_objects WHERE table_name = '{table}' ORDER BY key");
    query(&house.pipeline, &sql)[1..].to_vec()
}

/// A row is led back to its record, and what comes of that is the row again.
fn check_explained(name: &str, format: &str) {
    let house = House::new(name, format, &[]);
    house.run();
    let key = keys(&house, "thing").remove(0);
    let mut twins = 0;
    for row in 1..=20 {
        let (well, said) = explain(&house, &key, row);
        assert!(well && said["same"] == true && said["made"] == said["written"], "{said:#}");
        let value: Value = serde_json::from_str(said["record"]["value"].as_str().expect("text")).expect("JSON");
        assert_eq!((&said["decoded"]["ind"], &said["written"]["ind"]), (&value["ind"], &value["ind"]), "{said:#}");
        assert_eq!(said["written"]["_offset"], said["offset"]);
        let step = &said["steps"][0];
        assert_eq!(step["digest"], *digest(&changeling("sieve")));
        let rows = step["rows"].as_array().expect("a list").len();
        assert_eq!(rows, if value["ind"].as_u64().expect("a number") % 10 == 5 { 2 } else { 1 });
        twins += u64::from(said["nth"] == 1 && said["written"]["mark"] == "twin");
    }
    assert!(twins > 0, "a second row of a record was among them");
    let (_, of_user) = explain(&house, &keys(&house, "user")[0], 3);
    assert!(of_user["same"] == true && of_user["record"]["value"].is_string(), "{of_user:#}");
    let refused = |arguments: [&str; 2], expected: &str| {
        let output = tidemill(["explain", house.pipeline.to_str().expect("a path"), arguments[0], arguments[1]]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(expected), "{said}");
    };
    refused([&key, "999999"], "and no row 999999");
    refused(["thing/none", "1"], "no epoch has written it");
    refused([&keys(&house, "marks")[0], "1"], "whose rows come of many records each");
}

#[test]
fn a_row_of_parquet_is_led_back_to_its_record() {
    check_explained("explain-parquet", "parquet");
}

#[test]
fn a_row_of_json_is_led_back_to_its_record() {
    check_explained("explain-json", "json");
}

#[test]
fn a_row_is_explained_by_the_chain_that_made_it_although_another_is_in_service() {
    let house = House::new("explain-before", "json", &[]);
    let daemon = Daemon::start(&house.pipeline);
    post_things(&daemon, 0, 500);
    daemon.settle();
    let later = changeling("later");
    replace(&house.folder.path().join("thing.wasm"), &later);
    daemon.wait("the new one is in service", |status| status["tables"]["thing"]["digest"] == *digest(&later));
    post_things(&daemon, 500, 500);
    daemon.settle();
    daemon.stop();
    house.audit(&house.data(), &[]).proves();
    let mut marks = Vec::new();
    for key in keys(&house, "thing") {
        let (well, said) = explain(&house, &key, 1);
        assert!(well, "{said:#}");
        let expected = if said["generation"] == 1 { changeling("sieve") } else { later.clone() };
        assert_eq!(said["digest"], *digest(&expected));
        marks.push(said["written"]["mark"].as_str().expect("a mark").to_owned());
    }
    assert!(marks.contains(&"sieve".to_owned()) && marks.contains(&"later".to_owned()), "{marks:?}");
    // An object that was altered is explained, and that it was altered is said.
    let key = keys(&house, "thing").remove(0);
    let file = house.data().join("lake/audited").join(&key);
    let text = fs::read_to_string(&file).expect("the object").replacen("sieve", "siege", 1);
    fs::write(&file, text).expect("the object");
    let (well, said) = explain(&house, &key, 1);
    assert!(!well && said["object_intact"] == false && said["same"] == false, "{said:#}");
    assert_eq!(said["differs"], json!(["mark"]));
}

#[test]
fn a_pipeline_is_proven_while_records_flow() {
    for format in ["parquet", "json"] {
        let house = House::new("audit-live", format, &[]);
        let daemon = Daemon::start(&house.pipeline);
        let (to, end) = (daemon.topics, Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&end);
        let posting = std::thread::spawn(move || {
            let mut first = 0;
            while !told.load(Ordering::Relaxed) {
                let values: Vec<String> =
                    (first..first + 250).map(|ind| format!("{{\"ind\":{}}}", ind % 9_000)).collect();
                http::post_lines(to, "thing", values.iter().map(String::as_str), 250);
                first += 250;
            }
            first
        });
        daemon.wait("objects are delivered", |_| !keys(&house, "thing").is_empty());
        let mut seen = 0;
        for nth in 0..6 {
            let report = house.audit(&house.data(), if nth % 3 == 2 { &["--quick"] } else { &[] });
            report.proves();
            let records = report.sum("thing", "records_in");
            assert!(records > seen, "records flow: {records} after {seen}");
            seen = records;
        }
        end.store(true, Ordering::Relaxed);
        let sent = posting.join().expect("every post was taken");
        daemon.settle();
        daemon.stop();
        let report = house.audit(&house.data(), &[]);
        report.proves();
        assert_eq!(report.sum("thing", "lake_rows"), sent / 10 * 9);
    }
}

#[test]
fn what_retention_removed_is_not_provable_and_no_fault() {
    let house = House::new(
        "audit-retention",
        "json",
        &[("record = \"16KiB\"", "record = \"16KiB\"\nretention_size = \"64KiB\"")],
    );
    house.run();
    // What retention does after a while: the oldest segment goes.
    let segments = Copy { data: house.data() }.segments("thing", 0);
    fs::remove_file(&segments[0]).expect("it was there");
    let report = house.audit(&house.data(), &[]);
    report.proves();
    let removed = format!("offsets 0 to {} were removed", base(&segments[1]));
    let said = report.said["not_provable"].as_array().expect("a list");
    assert!(said.iter().any(|said| said.as_str().is_some_and(|said| said.contains(&removed))), "{said:?}");
    let key = keys(&house, "thing").remove(0);
    let output = tidemill(["explain", house.pipeline.to_str().expect("a path"), &key, "1"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("is not there any more"), "{said}");
}

#[test]
fn a_pipeline_that_was_killed_again_and_again_is_proven() {
    let house = House::new("audit-killed", "parquet", &[]);
    for life in 0..6 {
        let daemon = Daemon::start(&house.pipeline);
        post_things(&daemon, life * 2_000, 3_000);
        daemon.kill();
        house.audit(&house.data(), &[]).proves();
    }
    let daemon = Daemon::start(&house.pipeline);
    daemon.settle();
    daemon.stop();
    let report = house.audit(&house.data(), &[]);
    report.proves();
    assert_eq!(report.sum("thing", "topic_records"), 18_000);
}

#[test]
fn a_table_that_began_anew_is_proven_from_there_on() {
    let house = House::new("audit-anew", "parquet", &[]);
    house.run();
    let text = fs::read_to_string(&house.pipeline).expect("the pipeline file");
    let text =
        text.replace("key = [\"ind\"]\ncache = [\"ind\", \"mark\"]", "key = [\"mark\"]\ncache = [\"mark\", \"ind\"]");
    fs::write(&house.pipeline, text.replace("mean = \"mean(ind)\"", "most = \"max(ind)\"")).expect("the pipeline file");
    let before = house.audit(&house.data(), &[]);
    before.proves();
    assert!(before.said["not_provable"].to_string().contains("declared otherwise"), "{:#}", before.said);
    let daemon = Daemon::start(&house.pipeline);
    post_things(&daemon, 0, 1_000);
    daemon.settle();
    daemon.stop();
    let after = house.audit(&house.data(), &[]);
    after.proves();
    assert_eq!(after.said["not_provable"], json!([]));
    Copy { data: house.data() }.alter(1, "UPDATE thing SET ind = 4 WHERE mark = 'sieve'");
    assert!(
        house.audit(&house.data(), &[]).names(&json!({ "what": "altered", "table": "thing", "message": "(sieve)" }))
    );
}
