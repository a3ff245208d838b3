//! The cases of `cases.json`: records in, objects out.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tidemill_tests::cli::failed;
use tidemill_tests::daemon::{Daemon, query};
use tidemill_tests::http;
use tidemill_tests::place::Folder;

use super::house::{objects, pipeline, prove};

/// A case has a topic and a landing of its own. `T` in the names of its objects is the topic.
struct Case {
    name: String,
    topic: String,
    landing: String,
    send: Vec<Option<Vec<u8>>>,
    objects: BTreeMap<String, String>,
    rejected: Vec<String>,
    dropped: u64,
    open: u64,
    /// Whether objects end by the clock.
    waits: bool,
}

fn cases() -> Vec<Case> {
    let read: Vec<Value> = serde_json::from_str(include_str!("cases.json")).expect("cases");
    assert!(read.len() >= 60, "{} cases", read.len());
    read.iter().enumerate().map(|(nth, case)| Case::read(nth, case)).collect()
}

impl Case {
    fn read(nth: usize, case: &Value) -> Self {
        let topic = format!("0a1b.c{nth}");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let all = |key: &str| case[key].as_array().cloned().unwrap_or_default();
        let objects = case["objects"].as_object().expect("objects");
        let object = |(key, content): (&String, &Value)| {
            let content = match content {
                Value::String(content) => content.clone(),
                lines => {
                    let times = lines["times"].as_u64().expect("times") as usize;
                    let line = |line: &Value| text(line).repeat(times) + "\n";
                    lines["repeat"].as_array().expect("lines").iter().map(line).collect()
                }
            };
            (key.replace('T', &topic), content)
        };
        Self {
            name: text(&case["name"]),
            landing: text(&case["landing"]),
            send: all("send").iter().map(value).collect(),
            objects: objects.iter().map(object).collect(),
            rejected: all("rejected").iter().map(text).collect(),
            dropped: case["dropped"].as_u64().unwrap_or(0),
            open: case["open"].as_u64().unwrap_or(0),
            waits: case["wait"] == true,
            topic,
        }
    }

    fn landing_name(&self) -> String {
        format!("{}.{}", self.topic.replace("0a1b.", ""), self.topic)
    }

    fn post(&self, daemon: &Daemon) {
        let record = |value: &Option<Vec<u8>>| match value {
            Some(value) => json!({"value": STANDARD.encode(value)}),
            None => json!({"key": STANDARD.encode("k"), "value": null}),
        };
        let body = json!({"records": self.send.iter().map(record).collect::<Vec<_>>()});
        let answer = http::post_binary(daemon.topics, &self.topic, &body.to_string());
        assert_eq!(answer.status, 200, "{}: {answer:?}", self.name);
    }
}

/// A record's value: a text, bytes, a text again and again, or none.
fn value(written: &Value) -> Option<Vec<u8>> {
    match written {
        Value::Null => None,
        Value::String(text) => Some(text.clone().into_bytes()),
        other if other["hex"].is_string() => {
            let digits = other["hex"].as_str().expect("digits");
            let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
            Some((0..digits.len()).step_by(2).map(byte).collect())
        }
        other => {
            let times = other["times"].as_u64().expect("times") as usize;
            Some(other["repeat"].as_str().expect("a text").repeat(times).into_bytes())
        }
    }
}

#[test]
fn records_become_the_objects_of_the_sink() {
    let cases = cases();
    let folder = Folder::new("landing-cases");
    let sections: Vec<String> = cases
        .iter()
        .map(|case| {
            let name = case.topic.replace("0a1b.", "");
            format!("[landings.{name}]\ntopics = [{:?}]\n{}\n", case.topic, case.landing)
        })
        .collect();
    let topics: Vec<&str> = cases.iter().map(|case| case.topic.as_str()).collect();
    let file = pipeline(folder.path(), &topics, 1, &sections.concat());
    let daemon = Daemon::start(&file);
    cases.iter().for_each(|case| case.post(&daemon));
    daemon.wait("all is landed", |status| {
        let open = |case: &Case| &status["landings"][case.landing_name()]["workers"]["0"]["open_records"];
        status["settled"] == true && cases.iter().filter(|case| case.waits).all(|case| *open(case) == json!(0))
    });
    let status = daemon.status();
    daemon.stop();
    let mut wrong = Vec::new();
    for case in &cases {
        let mut check = |what: &str, got: String, expected: String| {
            if got != expected {
                wrong.push(format!("{}: {what}:\n     got {got}\nexpected {expected}", case.name));
            }
        };
        let found = objects(folder.path(), &format!("topics/{}", case.topic));
        let found: BTreeMap<String, String> =
            found.into_iter().map(|(key, bytes)| (key, String::from_utf8_lossy(&bytes).into_owned())).collect();
        check("objects", format!("{found:?}"), format!("{:?}", case.objects));
        let of = format!("WHERE table_name = '{}'", case.landing_name());
        let reasons = query(&file, &format!("SELECT reason FROM tidemill_dead_letters {of} ORDER BY offset"));
        let reasons: Vec<String> =
            reasons[1..].iter().map(|reason| reason.trim_matches('"').replace("\"\"", "\"")).collect();
        check("dead letters", format!("{reasons:?}"), format!("{:?}", case.rejected));
        let sums = "SELECT coalesce(sum(records_in), 0), coalesce(sum(records_out), 0), coalesce(sum(dropped), 0), \
                    coalesce(sum(rejected), 0) FROM tidemill_ledger";
        let counted = query(&file, &format!("{sums} {of}"))[1].clone();
        let (dropped, rejected) = (case.dropped, case.rejected.len() as u64);
        let open = &status["landings"][case.landing_name()]["workers"]["0"]["open_records"];
        check("open records", open.to_string(), case.open.to_string());
        let landed = case.send.len() as u64 - dropped - rejected - case.open;
        let of_open = format!("{},{landed},{dropped},{rejected}", landed + dropped + rejected);
        check("ledger", counted, of_open);
    }
    assert!(wrong.is_empty(), "{} of {} are wrong\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    prove(&folder, &file);
    println!("{} cases", cases.len());
}

#[test]
fn what_was_open_is_read_again_after_a_stop() {
    let folder = Folder::new("landing-open");
    let sections = "[landings.raw]\ntopics = [\"*\"]\nflush = 3\n";
    let file = pipeline(folder.path(), &["pin", "geo"], 1, sections);
    for value in 1..=4 {
        let daemon = Daemon::start(&file);
        http::post_lines(daemon.topics, "pin", [value.to_string().as_str()], 1);
        daemon.settle();
        let open = &daemon.status()["landings"]["raw.pin"]["workers"]["0"]["open_records"];
        assert_eq!(*open, json!(value % 3));
        daemon.stop();
    }
    let found = objects(folder.path(), "topics");
    assert_eq!(found, BTreeMap::from([("pin/partition=0/pin+0+0000000000.json".to_owned(), b"1\n2\n3\n".to_vec())]));
    prove(&folder, &file);
}

#[test]
fn a_prefix_and_another_folder_and_partitions() {
    let folder = Folder::new("landing-prefix");
    let sections = "[landings.raw]\ntopics = [\"pin\"]\nflush = 1\ntopics_dir = \"a/b\"\n";
    let file = pipeline(folder.path(), &["pin"], 3, sections);
    let text = std::fs::read_to_string(&file).expect("the file");
    std::fs::write(&file, text.replace("endpoint =", "prefix = \"lake/x\"\nendpoint =")).expect("the file");
    let daemon = Daemon::start(&file);
    let records: Vec<Value> = (0..3).map(|partition| json!({"partition": partition, "value": partition})).collect();
    assert_eq!(http::post(daemon.topics, "pin", &json!({"records": records}).to_string()).status, 200);
    daemon.settle();
    daemon.stop();
    let found: Vec<String> = objects(folder.path(), "lake/x/a/b/pin").into_keys().collect();
    let key = |partition: u32| format!("partition={partition}/pin+{partition}+0000000000.json");
    assert_eq!(found, (0..3).map(key).collect::<Vec<_>>());
    prove(&folder, &file);
}

#[test]
fn a_landing_of_another_name_does_not_begin_where_one_has_written() {
    let folder = Folder::new("landing-renamed");
    let sections = |name: &str, more: &str| format!("[landings.{name}]\ntopics = [\"pin\"]\nflush = 1\n{more}");
    let land = |sections: &str, value: &str| {
        let file = pipeline(folder.path(), &["pin"], 1, sections);
        let daemon = Daemon::start(&file);
        http::post_lines(daemon.topics, "pin", [value], 1);
        daemon.settle();
        daemon.stop();
        prove(&folder, &file);
    };
    land(&sections("raw", ""), "{\"ind\":1}");
    pipeline(folder.path(), &["pin"], 1, &sections("archive", ""));
    let said = failed(folder.path(), &["run", "pipeline.toml"]);
    assert!(
        said.contains("landing \"archive.pin\": \"raw.pin\" has put objects into its folder \"topics/pin\""),
        "{said}"
    );
    land(&sections("archive", "topics_dir = \"more\"\n"), "{\"ind\":2}");
    land(&sections("raw", ""), "{\"ind\":3}");
    let counts = ["topics/pin", "more/pin"].map(|below| objects(folder.path(), below).len());
    assert_eq!(counts, [3, 2], "each goes on where it was, and a new one begins with what there is");
}
