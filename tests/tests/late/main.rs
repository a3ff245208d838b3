//! Rows that came too late for a window are put into it when somebody asks, once; and groups that are too many hold up their table alone.

mod sessions;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tidemill_tests::daemon::{Daemon, query, tidemill};
use tidemill_tests::http;
use tidemill_tests::place::{Folder, copy_components};

/// Days and two days of posts, without any patience; sessions; posts by their numbers.
const PIPELINE: &str = r#"
[pipeline]
name = "late"
data = "data"
[listen]
topics = "127.0.0.1:0"
admin = "127.0.0.1:0"
[lake]
bucket = "late-bucket"
endpoint = "embedded"
format = "json"
[topics.geo]
partitions = 2
[topics.user]
[tables.geo]
topic = "geo"
transform = "geo.wasm"
key = ["ind"]
cache = ["ind", "country", "timestamp"]
window = "1s"
[[tables.geo.aggregates]]
name = "days"
by = ["country"]
window = { kind = "tumbling", size = "1d", time = "timestamp" }
measures = { posts = "count()", least = "min(ind)", all = "count_distinct(ind)" }
[[tables.geo.aggregates]]
name = "pairs"
window = { kind = "hopping", size = "2d", slide = "1d", time = "timestamp" }
measures = { posts = "count()" }
[[tables.geo.aggregates]]
name = "sessions"
window = { kind = "session", gap = "1h", time = "timestamp" }
measures = { posts = "count()" }
[[tables.geo.aggregates]]
name = "visits"
by = ["country"]
window = { kind = "session", gap = "2h", time = "timestamp", lateness = "30m", idle = "1h" }
measures = { posts = "count()", least = "min(ind)", all = "count_distinct(ind)" }
[[tables.geo.aggregates]]
name = "numbers"
by = ["ind"]
memory = "451KiB"
window = { kind = "tumbling", size = "3650d", time = "timestamp" }
measures = { posts = "count()" }
[tables.user]
topic = "user"
transform = "user.wasm"
key = ["ind"]
cache = ["ind"]
window = "1s"
"#;

struct House {
    _folder: Folder,
    pipeline: PathBuf,
}

impl House {
    fn new(name: &str) -> Self {
        Self::with(name, "451KiB", "451KiB")
    }

    /// With other words in the pipeline's file.
    fn with(name: &str, from: &str, to: &str) -> Self {
        let folder = Folder::new(name);
        copy_components(folder.path());
        let pipeline = folder.write("pipeline.toml", PIPELINE.replace(from, to));
        Self { _folder: folder, pipeline }
    }

    fn start(&self) -> Daemon {
        Daemon::start(&self.pipeline)
    }

    fn ask(&self, sql: &str) -> Vec<String> {
        query(&self.pipeline, sql).split_off(1)
    }

    /// Runs a command on the pipeline; its exit code and what it says.
    fn run(&self, pipeline: &Path, arguments: &[&str]) -> (i32, Value) {
        let pipeline = ["-p", pipeline.to_str().expect("a path"), "--json"];
        let output = tidemill(arguments.iter().copied().chain(pipeline));
        let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        (output.status.code().expect("a code"), said)
    }

    /// The file that names the ports of a running pipeline.
    fn found(&self, daemon: &Daemon) -> PathBuf {
        let written = fs::read_to_string(&self.pipeline).expect("the pipeline file");
        let text = written.replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{}\"", daemon.admin));
        let file = self.pipeline.with_file_name("running.toml");
        fs::write(&file, text).expect("a pipeline file");
        file
    }

    fn audited(&self) {
        let output = tidemill(["audit", self.pipeline.to_str().expect("a path")]);
        assert!(output.status.success(), "{output:?}");
    }

    /// What the windows show is what the rows say: all of them, whenever they came.
    fn agrees(&self) {
        let days = "SELECT substr(window_start, 1, 10), country, posts, least, \"all\" FROM days ORDER BY 1, 2";
        let rows = "SELECT date(timestamp), country, count(*), min(ind), count(DISTINCT ind) FROM geo GROUP BY 1, 2 ORDER BY 1, 2";
        assert_eq!(self.ask(days), self.ask(rows));
    }

    /// The same of windows that overlap.
    fn pairs_agree(&self) {
        let pairs = "SELECT substr(window_start, 1, 10), posts FROM pairs ORDER BY 1";
        let rows = "SELECT d, count(*) FROM (SELECT date(timestamp) AS d FROM geo UNION ALL SELECT date(timestamp, '-1 day') FROM geo) \
                    GROUP BY 1 ORDER BY 1";
        assert_eq!(self.ask(pairs), self.ask(rows));
    }
}

/// Posts of these numbers, each at a day of May 2020 that `day` gives.
fn send(daemon: &Daemon, numbers: std::ops::Range<u64>, day: impl Fn(u64) -> u64) {
    for partition in 0..2 {
        let of = numbers.clone().filter(|number| number % 2 == partition);
        let record = |number: u64| {
            let (day, country) = (day(number), if number.is_multiple_of(3) { "Chad" } else { "Peru" });
            let value = json!({ "ind": number, "timestamp": format!("2020-05-{day:02}T10:00:00"), "country": country });
            json!({ "partition": partition, "value": value })
        };
        for number in of {
            let answer = http::post(daemon.topics, "geo", &json!({ "records": [record(number)] }).to_string());
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    daemon.settle();
}

#[test]
fn late_rows_are_put_into_their_windows_when_asked_and_once() {
    let house = House::new("late-redriven");
    let daemon = house.start();
    send(&daemon, 0..60, |number| 1 + number / 6);
    // Of days that are over, for both partitions.
    send(&daemon, 60..100, |number| 1 + number % 8);
    let waits = house.ask("SELECT count(*) FROM tidemill_late WHERE aggregate = 'days'");
    assert_eq!(waits, ["40"]);
    let shown = || {
        let pairs = "SELECT window_start, 'all', posts, _state, _revision FROM pairs";
        house.ask(&format!(
            "SELECT window_start, country, posts, _state, _revision FROM days UNION ALL {pairs} ORDER BY 1, 2, 3"
        ))
    };
    let before = shown();
    let (code, seen) = house.run(&house.pipeline, &["replay", "geo", "--late", "days"]);
    assert_eq!((code, &seen["late_windows"], &seen["revision"]), (1, &json!(8), &Value::Null), "{seen:#}");
    assert_eq!(seen["groups_changed"]["days"], json!(16), "{seen:#}");
    assert_eq!((&seen["groups"][0]["was"]["posts"], &seen["groups"][0]["now"]["posts"]), (&json!(2), &json!(4)));
    assert_eq!(shown(), before, "to look changes nothing");

    let running = house.found(&daemon);
    let (code, said) = house.run(&running, &["replay", "geo", "--late", "days", "--apply"]);
    assert_eq!((code, &said["revision"]), (0, &json!(1)), "{said:#}");
    let (code, said) = house.run(&running, &["replay", "geo", "--late", "pairs", "--apply"]);
    assert_eq!((code, &said["revision"]), (0, &json!(2)), "{said:#}");
    daemon.settle();
    house.agrees();
    house.pairs_agree();
    let revised =
        "SELECT count(*), min(_revision), max(_revision), min(_closed) FROM days WHERE window_start < '2020-05-09'";
    assert_eq!(house.ask(revised), ["16,1,1,1"]);
    let kept = "SELECT json_extract(measures, '$.posts') FROM tidemill_changes WHERE aggregate = 'days' ORDER BY window_start LIMIT 1";
    assert_eq!(house.ask(kept), ["2"], "what was shown before is kept");
    assert_eq!(house.ask("SELECT count(*) FROM tidemill_late WHERE aggregate IN ('days', 'pairs')"), ["0"]);
    let (code, again) = house.run(&running, &["replay", "geo", "--late", "days", "--apply"]);
    assert_eq!((code, &again["late_windows"], &again["revision"]), (0, &json!(0), &Value::Null), "{again:#}");

    // More come for the same windows; a replay leaves those in that were put in.
    send(&daemon, 100..110, |_| 3);
    daemon.stop();
    let (code, same) = house.run(&house.pipeline, &["replay", "geo"]);
    assert_eq!((code, &same["same"], &same["proven"]), (0, &json!(true), &json!(true)), "{same:#}");
    for aggregate in ["days", "pairs"] {
        let (code, said) = house.run(&house.pipeline, &["replay", "geo", "--late", aggregate, "--apply"]);
        assert_eq!((code, said["revision"].is_u64()), (0, true), "{said:#}");
    }
    house.agrees();
    house.pairs_agree();
    let daemon = house.start();
    send(&daemon, 110..112, |_| 20);
    daemon.stop();
    house.agrees();
    house.pairs_agree();
    house.audited();
    let shown_last = shown();
    let rebuilt = tidemill(["cache", "rebuild", house.pipeline.to_str().expect("a path")]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    assert_eq!(shown(), shown_last, "made anew from the lake, it is the same");
    house.audited();
}

#[test]
fn late_rows_of_what_is_otherwise_or_not_there_are_refused() {
    let house = House::new("late-refused");
    let daemon = house.start();
    send(&daemon, 0..4, |_| 1);
    daemon.stop();
    fs::write(&house.pipeline, PIPELINE.replace("least = \"min(ind)\"", "least = \"max(ind)\""))
        .expect("a pipeline file");
    for (aggregate, says) in [
        ("days", "aggregate \"days\": it is declared otherwise than when the pipeline last ran"),
        ("weeks", "table \"geo\": it has no aggregate \"weeks\""),
    ] {
        let output = tidemill(["replay", "geo", "--late", aggregate, "-p", house.pipeline.to_str().expect("a path")]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(says), "{said}");
    }
}

#[test]
fn groups_that_are_too_many_hold_up_their_table_alone_until_they_may_be_more() {
    let house = House::new("late-crowded");
    let daemon = house.start();
    let lines = |numbers: std::ops::Range<u64>| -> Vec<String> {
        let line = |number| json!({ "ind": number, "timestamp": "2020-05-01T10:00:00", "country": "Chad" }).to_string();
        numbers.map(line).collect()
    };
    let post = |daemon: &Daemon, topic, lines: Vec<String>| {
        http::post_lines(daemon.topics, topic, lines.iter().map(String::as_str), 100);
    };
    post(&daemon, "geo", lines(0..1_001));
    let status = daemon.wait("the table says what is wrong", |status| {
        status["tables"]["geo"]["troubles"].as_array().is_some_and(|all| !all.is_empty())
    });
    let trouble = &status["tables"]["geo"]["troubles"][0];
    assert_eq!(trouble["what"], "table \"geo\", aggregate \"numbers\"", "{status:#}");
    assert_eq!(trouble["why"], "its open windows, 1001 groups, take about 452 KiB, and memory allows 451 KiB");
    assert!(trouble["hint"].as_str().is_some_and(|hint| hint.contains("raise memory")), "{trouble}");
    post(&daemon, "geo", lines(1_001..1_500));
    let users: Vec<String> = (0..50)
        .map(|ind| {
            json!({ "ind": ind, "first_name": "A", "last_name": "B", "age": 30, "date_joined": "2015-10-21T00:00:00" })
                .to_string()
        })
        .collect();
    post(&daemon, "user", users);
    daemon.wait("the other table goes on", |_| house.ask("SELECT count(*) FROM user") == ["50"]);
    assert_eq!(house.ask("SELECT count(*) FROM geo"), ["1001"], "its own waits in the topic");
    daemon.stop();

    // The same after a restart, until more are allowed.
    let daemon = house.start();
    daemon.wait("it says so again", |status| {
        status["tables"]["geo"]["troubles"][0]["what"] == "table \"geo\", aggregate \"numbers\""
    });
    assert_eq!(house.ask("SELECT count(*) FROM geo"), ["1001"]);
    daemon.stop();
    fs::write(&house.pipeline, PIPELINE.replace("451KiB", "50MiB")).expect("a pipeline file");
    let daemon = house.start();
    daemon.settle();
    assert_eq!(house.ask("SELECT count(*), sum(posts) FROM numbers"), ["1500,1500"]);
    assert_eq!(daemon.status()["tables"]["geo"]["troubles"], json!([]));
    daemon.stop();
    house.audited();
}

#[test]
fn an_aggregate_that_is_declared_otherwise_lands_beside_what_it_had() {
    let house = House::new("late-renewed");
    let text = fs::read_to_string(&house.pipeline).expect("the pipeline file");
    let objects = || {
        house.ask("SELECT count(*) FROM tidemill_objects WHERE table_name = 'days'")[0]
            .parse::<u64>()
            .expect("a number")
    };
    for (renewals, lateness) in ["", ", lateness = \"1s\"", ""].iter().enumerate() {
        let before = if renewals == 0 { 0 } else { objects() };
        let days = format!("size = \"1d\", time = \"timestamp\"{lateness} }}");
        fs::write(&house.pipeline, text.replacen("size = \"1d\", time = \"timestamp\" }", &days, 1))
            .expect("it is written");
        let daemon = house.start();
        // The same windows close again, with the rows that came since.
        send(&daemon, 0..60, |number| 1 + number / 6);
        assert_eq!(objects() - before, 9);
        // What is put in late joins what the windows have, wherever the watermark of the one before stood.
        send(&daemon, 60..64, |_| 1);
        let (code, said) = house.run(&house.found(&daemon), &["replay", "geo", "--late", "days", "--apply"]);
        assert_eq!((code, said["revision"].is_u64()), (0, true), "{said:#}");
        daemon.stop();
        house.agrees();
        house.audited();
        let rebuilt = tidemill(["cache", "rebuild", house.pipeline.to_str().expect("a path")]);
        assert!(rebuilt.status.success(), "{rebuilt:?}");
        house.agrees();
    }
}
