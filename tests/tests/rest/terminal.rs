//! `tidemill topic consume`: what stands in a topic, while the pipeline runs and after it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tidemill_tests::daemon::tidemill;
use tidemill_tests::http;
use tidemill_tests::place::{Folder, command};

use crate::start;

#[test]
fn a_topic_in_a_terminal() {
    let folder = Folder::new("rest-terminal");
    let daemon = start(&folder, "");
    let body = json!({"records": [
        {"key": "k", "value": {"ind": 1, "user": {"name": "Ann"}}, "partition": 0},
        {"value": {"ind": 2, "user": {"name": "Bea"}}, "partition": 0},
        {"value": {"ind": 3}, "partition": 1},
        {"value": null, "partition": 1},
    ]});
    assert_eq!(http::post(daemon.topics, "two", &body.to_string()).status, 200);
    let file = folder.path().join("doors.toml");
    let file = file.to_str().expect("a path");
    let lines = |arguments: &[&str]| -> Vec<String> {
        let output = tidemill([&["topic", "consume", "--pipeline", file], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
    };
    let (first, second) = (r#"{"ind":1,"user":{"name":"Ann"}}"#, r#"{"ind":2,"user":{"name":"Bea"}}"#);
    assert_eq!(lines(&["two"]), [first, second, r#"{"ind":3}"#, "null"]);
    assert_eq!(lines(&["two", "--partition", "0", "--from", "1"]), [second]);
    assert_eq!(lines(&["two", "--max", "1"]), [first]);
    assert_eq!(lines(&["two", "--from", "latest"]), Vec::<String>::new());
    assert_eq!(lines(&["two", "--from", "2999-01-01T00:00:00Z"]), Vec::<String>::new());
    assert_eq!(lines(&["two", "--from", "1999-01-01T00:00:00Z", "--max", "2"]), [first, second]);
    let fields = [r#"{"ind":1,"user.name":"Ann"}"#, r#"{"ind":2,"user.name":"Bea"}"#, r#"{"ind":3}"#, "null"];
    assert_eq!(lines(&["two", "--fields", "ind,user.name"]), fields);
    let record: Value = serde_json::from_str(&lines(&["two", "--json", "--max", "1"])[0]).expect("JSON");
    let time = record["time"].clone();
    let expected = json!({"topic": "two", "partition": 0, "offset": 0, "time": time, "key": "k",
        "value": {"ind": 1, "user": {"name": "Ann"}}, "headers": []});
    assert_eq!(record, expected);
    // A control character is shown, not obeyed.
    let bell = r#"{"records":[{"value":"G1sybQc="}]}"#;
    assert_eq!(http::post_binary(daemon.topics, "one", bell).status, 200);
    assert_eq!(lines(&["one"]), ["\\x1b[2m\\x07"]);
    let mut following = Command::new(command())
        .args(["topic", "consume", "one", "--pipeline", file, "--from", "latest", "--follow", "--max", "2"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut shown = BufReader::new(following.stdout.take().expect("its output")).lines();
    // It may begin before or behind any of these, and ends after two.
    let mut sent = 0;
    while following.try_wait().expect("its state").is_none() {
        assert_eq!(http::post(daemon.topics, "one", &format!("{{\"records\":[{{\"value\":{sent}}}]}}")).status, 200);
        sent += 1;
    }
    let shown: Vec<u64> = shown.by_ref().map(|line| line.expect("a line").parse().expect("what was sent")).collect();
    assert!(shown.len() == 2 && shown[1] == shown[0] + 1, "{shown:?}");
    daemon.stop();
    assert_eq!(lines(&["two"]).len(), 4, "it need not run");
    for (arguments, words) in [
        (["none", "--max", "1"], "topic \"none\": there is none"),
        (["two", "--partition", "2"], "partition 2 does not exist"),
        (["two", "--from", "soon"], "is no offset and no time"),
    ] {
        let output = tidemill([&["topic", "consume", "--pipeline", file], &arguments[..]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words), "{arguments:?}: {said}");
    }
}
