//! A pipeline to be audited, what its audit says, and copies of its data to be altered.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tidemill::emulate::population::Population;
use tidemill_tests::daemon::{Daemon, query, tidemill};
use tidemill_tests::http;
use tidemill_tests::place::{Folder, changeling, component};

/// Numbers that are posted to the topic `thing`, half of them twice.
pub(crate) const THINGS: u64 = 12_000;
/// Users that are posted.
pub(crate) const USERS: u64 = 1_500;
/// Records of a request.
pub(crate) const BATCH: usize = 250;

/// A pipeline of two tables: `thing`, whose transform drops, rejects and doubles, and `user`, whose aggregate closes early.
pub(crate) struct House {
    pub(crate) folder: Folder,
    pub(crate) pipeline: PathBuf,
}

impl House {
    pub(crate) fn new(name: &str, format: &str, replace: &[(&str, &str)]) -> Self {
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
             window = {{ kind = \"tumbling\", size = \"30d\", time = \"date_joined\", lateness = \"300d\" }}\nmeasures = {{ posts = \"count()\" }}\n\
             [rollups.marks_now]\nfrom = \"thing\"\nby = [\"mark\"]\nmeasures = {{ rows = \"count()\", middle = \"median(ind)\" }}\n\
             [rollups.ages]\nfrom = \"user\"\nby = [\"age\"]\nmeasures = {{ users = \"count()\" }}\n",
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
    pub(crate) fn run(&self) {
        let daemon = Daemon::start(&self.pipeline);
        // In parts, so that no partition has fewer than three epochs.
        post_things(&daemon, 0, THINGS / 2);
        daemon.settle();
        post_things(&daemon, THINGS / 2, THINGS - THINGS / 2);
        post_users(&daemon);
        daemon.settle();
        post_things(&daemon, 0, THINGS / 2);
        daemon.settle();
        daemon.stop();
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn audit(&self, data: &Path, more: &[&str]) -> Report {
        audit(&self.pipeline, data, more)
    }
}

pub(crate) fn post_things(daemon: &Daemon, first: u64, count: u64) {
    let values: Vec<String> = (first..first + count).map(|ind| format!("{{\"ind\":{ind}}}")).collect();
    http::post_lines(daemon.topics, "thing", values.iter().map(String::as_str), BATCH);
}

/// Posts users, one in a hundred without a field that makes it one.
pub(crate) fn post_users(daemon: &Daemon) {
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
pub(crate) struct Report {
    pub(crate) well: bool,
    pub(crate) said: Value,
}

pub(crate) fn audit(pipeline: &Path, data: &Path, more: &[&str]) -> Report {
    let (pipeline, data) = (pipeline.to_str().expect("a path"), data.to_str().expect("a path"));
    let output = tidemill(["audit", pipeline, "--data", data, "--json"].iter().chain(more).copied());
    Report::of(&output)
}

impl Report {
    pub(crate) fn of(output: &Output) -> Self {
        let said = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|cause| panic!("{cause}: {}", String::from_utf8_lossy(&output.stderr)));
        Self { well: output.status.success(), said }
    }

    pub(crate) fn faults(&self) -> &[Value] {
        self.said["faults"].as_array().expect("a list")
    }

    pub(crate) fn proves(&self) {
        assert!(self.well && self.said["proven"] == true && self.faults().is_empty(), "{:#}", self.said);
    }

    /// A fault has all that `expected` has; its message holds what the expected one says.
    pub(crate) fn names(&self, expected: &Value) -> bool {
        let has = |fault: &Value| {
            let fields = expected.as_object().expect("an object");
            fields.iter().all(|(name, value)| match name.as_str() {
                "message" => fault["message"].as_str().expect("text").contains(value.as_str().expect("text")),
                _ => fault[name] == *value,
            })
        };
        !self.well && self.said["proven"] == false && self.faults().iter().any(has)
    }

    pub(crate) fn sum(&self, table: &str, field: &str) -> u64 {
        let partitions = self.said["partitions"].as_array().expect("a list");
        partitions.iter().filter(|of| of["table"] == table).map(|of| of[field].as_u64().expect("a number")).sum()
    }
}

/// A copy of a data folder, to be altered.
pub(crate) struct Copy {
    pub(crate) data: PathBuf,
}

impl Copy {
    pub(crate) fn of(house: &House, nth: usize) -> Self {
        let data = house.folder.path().join(format!("copy-{nth}"));
        assert!(Command::new("cp").arg("-a").arg(house.data()).arg(&data).status().expect("cp").success());
        Self { data }
    }

    pub(crate) fn connection(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data.join("cache.sqlite")).expect("the cache")
    }

    /// Runs a statement, which has to change so many rows.
    pub(crate) fn alter(&self, rows: usize, sql: &str) {
        assert_eq!(self.connection().execute(sql, []).expect("it runs"), rows, "{sql}");
    }

    /// The first row of an answer, as JSON.
    pub(crate) fn ask<const N: usize>(&self, sql: &str) -> [Value; N] {
        let cell = |row: &rusqlite::Row<'_>, index| match row.get_ref(index).expect("a column") {
            rusqlite::types::ValueRef::Integer(number) => json!(number),
            rusqlite::types::ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
            other => panic!("{other:?}"),
        };
        let read = |row: &rusqlite::Row<'_>| Ok(std::array::from_fn(|index| cell(row, index)));
        self.connection().query_row(sql, [], read).unwrap_or_else(|cause| panic!("{sql}: {cause}"))
    }

    /// An object of a table in the middle of its lake, as the audit names it, with its file.
    pub(crate) fn object(&self, table: &str) -> (Value, PathBuf) {
        let [key, partition, first, next] = self.ask(&format!(
            "SELECT key, partition, first_offset, next_offset FROM tidemill_objects WHERE table_name = '{table}' \
             ORDER BY key LIMIT 1 OFFSET (SELECT count(*) / 2 FROM tidemill_objects WHERE table_name = '{table}')"
        ));
        let file = self.data.join("lake/audited").join(key.as_str().expect("a key"));
        let offsets = if next == json!(0) { Value::Null } else { json!([first, next]) };
        (json!({ "table": table, "partition": partition, "key": key, "offsets": offsets }), file)
    }

    /// The segments of a topic's partition, oldest first.
    pub(crate) fn segments(&self, topic: &str, partition: u32) -> Vec<PathBuf> {
        let folder = self.data.join(format!("topics/{topic}/{partition}"));
        let files = fs::read_dir(folder).expect("the partition").map(|entry| entry.expect("an entry").path());
        let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
        files.sort();
        files
    }
}

/// The keys of a table's objects.
pub(crate) fn keys(house: &House, table: &str) -> Vec<String> {
    let sql = format!("SELECT key FROM tidemill_objects WHERE table_name = '{table}' ORDER BY key");
    query(&house.pipeline, &sql)[1..].to_vec()
}
