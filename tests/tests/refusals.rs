//! What must not be taken, offered in every way: it changes nothing, and the command, the status and the log say why.

use std::fs;

use serde_json::Value;
use tidemill_tests::daemon::{Daemon, query, tidemill};
use tidemill_tests::guest::{Places, component, parsed};
use tidemill_tests::place::{changeling, digest, rebuilt, replace};
use tidemill_tests::things::{House, Stream, goes_on};

/// The guest of `hostile/guest.wat` with one place filled.
fn guest(place: &str, text: &str) -> Vec<u8> {
    component(&Places::from([(place.to_owned(), text.to_owned())])).expect("a component")
}

/// Each kind of failure, and words that tell it from the others.
fn offers() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = changeling("good");
    let whole = |text: &str| parsed(text).expect("a component");
    vec![
        ("garbage", b"not WebAssembly at all".to_vec(), "it is not WebAssembly"),
        ("a half-written file", good[..good.len() / 2].to_vec(), "it is not valid"),
        ("a core module", whole("(module)"), "it is a core module, not a component"),
        ("a component of nothing", whole("(component)"), "it does not export \"describe\""),
        (
            "an import that is not offered",
            whole("(component (import \"wasi:cli/environment@0.2.0\" (instance)))"),
            "it imports \"wasi:cli/environment@0.2.0\", which is not offered",
        ),
        ("a trap in describe", guest("describe", "unreachable"), "trapped"),
        ("a trap in configure", guest("configure", "unreachable"), "trapped"),
        ("a refusal in configure", guest("configure", "(global.get $unfit)"), "refused its parameters: no such colour"),
        ("other fields", guest("more", ""), "a field that the pipeline file names would change"),
        ("a case that fails", changeling("other"), "expected.jsonl:1, from line 1 of the input: \"mark\" differs"),
        ("a trial that fails", changeling("leaks"), "case"),
    ]
}

#[test]
fn each_kind_is_told_at_the_command_in_the_status_and_in_the_log() {
    let good = changeling("good");
    let house = House::new("refusals", &good);
    let case = house.pipeline.with_file_name("cases").join("thing/one");
    fs::create_dir_all(&case).expect("a folder");
    fs::write(case.join("input.jsonl"), "{\"ind\": 1}\n").expect("a case");
    fs::write(case.join("expected.jsonl"), "{\"ind\": 1, \"mark\": \"good\"}\n").expect("a case");
    let (daemon, log) = Daemon::start_logged(&house.pipeline);
    daemon.wait("its file is looked at", |status| status["tables"]["thing"]["last_offer"]["digest"].is_string());
    let found = house.found(&daemon);
    let stream = Stream::start(daemon.topics, 0);
    goes_on(&daemon);
    for (what, bytes, words) in offers() {
        let file = house.put("offered.wasm", &bytes);
        let path = |path: &std::path::Path| path.to_str().expect("a path").to_owned();
        let output = tidemill(["reload", "thing", &path(&file), "-p", &path(&found)]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(words), "{what}, at the command: {told}");
        // The same by its file, with other bytes where that can be, so that it is another offer.
        let other = if bytes.starts_with(b"\0asm\x0d") { rebuilt(&bytes, "by its file") } else { bytes };
        replace(&house.file(), &other);
        let digest = digest(&other);
        let status =
            daemon.wait("it is answered", |status| status["tables"]["thing"]["last_offer"]["digest"] == *digest);
        let refused = status["tables"]["thing"]["last_offer"]["refused"].as_str().unwrap_or_default();
        assert!(refused.contains(words), "{what}, in the status: {refused}");
        let log = fs::read_to_string(&log).expect("the log");
        let line = log.lines().find(|line| line.contains("generation refused") && line.contains(&digest));
        assert!(line.is_some_and(|line| line.contains("the old one stays")), "{what}, in the log");
    }
    goes_on(&daemon);
    let sent = stream.end();
    daemon.settle();
    daemon.stop();
    assert_eq!(house.audit(sent), ["good"]);
    assert_eq!(query(&house.pipeline, "SELECT count(*) FROM tidemill_generations")[1], "1");
}

#[test]
fn of_a_file_that_is_replaced_again_and_again_the_last_is_in_service() {
    let house = House::new("refusals-replaced", &changeling("good"));
    let daemon = house.start();
    let stream = Stream::start(daemon.topics, 0);
    for nth in 0..30 {
        // A careful build replaces the file, another writes over it: what is read is one of them, whole or refused.
        let bytes = rebuilt(&changeling("good"), &format!("version {nth}"));
        if nth % 2 == 0 { replace(&house.file(), &bytes) } else { fs::write(house.file(), &bytes).expect("the file") }
    }
    let last = digest(&rebuilt(&changeling("good"), "version 29"));
    daemon.wait("the last is in service", |status| {
        let table = &status["tables"]["thing"];
        table["digest"] == *last && table["last_offer"]["refused"] == Value::Null
    });
    goes_on(&daemon);
    let sent = stream.end();
    daemon.settle();
    daemon.stop();
    assert_eq!(house.audit(sent), ["good"]);
}
