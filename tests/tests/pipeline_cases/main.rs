//! `tidemill test`: the project's own cases pass, and what is not as expected is found and shown.

mod answers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tidemill_tests::daemon::{Daemon, pinterest_of_its_own};
use tidemill_tests::http;
use tidemill_tests::place::{Folder, command, root};

/// A table of one text column, whose transform lies beside the file.
const TITLES: &str = r#"
[pipeline]
name = "titles"

[lake]
bucket = "titles"
endpoint = "embedded"

[topics.titles]

[tables.titles]
topic = "titles"
transform = "titles.wasm"
"#;

/// The project's pipeline with its cases, to be changed at will.
fn pinterest(place: &Folder) -> PathBuf {
    copy(&root().join("pipelines/cases"), &place.path().join("cases"));
    pinterest_of_its_own(place.path(), &[])
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

fn test(pipeline: &Path, more: &[&str]) -> Output {
    Command::new(command()).arg("test").arg(pipeline).args(more).output().expect("tidemill runs")
}

/// What it prints, where it ends well or not as it should.
fn told(pipeline: &Path, more: &[&str], well: bool) -> String {
    let output = test(pipeline, more);
    let (out, err) = (String::from_utf8(output.stdout).expect("text"), String::from_utf8(output.stderr).expect("text"));
    assert_eq!(output.status.code(), Some(i32::from(!well)), "{out}{err}");
    out + &err
}

fn check(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).expect("the file");
    assert!(text.contains(from), "{from:?} is in {}", file.display());
    fs::write(file, text.replace(from, to)).expect("the file");
}

#[test]
fn the_project_s_own_cases_pass() {
    let place = Folder::new("own-cases");
    let pipeline = pinterest(&place);
    let told = told(&pipeline, &[], true);
    check(&told, &["passed  pin/sentinels\n", "passed  geo/timestamps\n", "passed  user/joined\n"]);
    assert!(!told.contains('\u{1b}') && told.lines().last().is_some_and(|line| line.ends_with(" passed")), "{told}");
}

#[test]
fn only_what_is_asked_for() {
    let place = Folder::new("asked-cases");
    let pipeline = pinterest(&place);
    assert_eq!(told(&pipeline, &["--table", "geo", "--case", "whole"], true).lines().count(), 2);
    check(
        &told(&pipeline, &["--table", "geos"], false),
        &["table \"geos\": there is none", "the tables are pin, geo, user"],
    );
    check(
        &told(&pipeline, &["--table", "geo", "--case", "hole"], false),
        &["case \"hole\": there is none", "the cases are coordinates, "],
    );
}

#[test]
fn a_broken_expectation_is_shown_field_by_field_and_can_be_written_anew() {
    let place = Folder::new("broken-case");
    let pipeline = pinterest(&place);
    let case = place.path().join("cases/pin/whole");
    let good = fs::read_to_string(case.join("expected.jsonl")).expect("the rows");
    replace(&case.join("expected.jsonl"), "\"follower_count\":124000", "\"follower_count\":124");
    fs::write(case.join("rejected.jsonl"), "{\"line\":2,\"reason\":\"no waffles\"}\n").expect("a rejection");
    let only = ["--table", "pin", "--case", "whole"];
    let shown = told(&pipeline, &only, false);
    check(
        &shown,
        &[
            "differs pin/whole\n",
            "expected.jsonl:1, from line 1 of the input: \"follower_count\" differs\n",
            "    - follower_count: 124\n    + follower_count: 124000\n",
            "rejected.jsonl:1: did not come\n    - {\"line\":2,\"reason\":\"no waffles\"}\n",
            "1 case, 8 records: 1 not as expected\n",
        ],
    );
    let output = test(&pipeline, &[&only[..], &["--json"]].concat());
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&json[0]["result"], &json[0]["count"]), (&"differs".into(), &2.into()), "{json:#}");
    let difference =
        json[0]["differences"].as_array().expect("a list").iter().find(|one| one["line"] == 1 && one["input"] == 1);
    assert_eq!(difference.expect("the row's")["changed"][0]["expected"], 124, "{json:#}");

    let written = told(&pipeline, &[&only[..], &["--update"]].concat(), true);
    check(&written, &["written pin/whole\n", "cases/pin/whole/expected.jsonl\n", "cases/pin/whole/rejected.jsonl\n"]);
    assert_eq!(fs::read_to_string(case.join("expected.jsonl")).expect("the rows"), good);
    assert!(!case.join("rejected.jsonl").exists(), "nothing is rejected");
    check(&told(&pipeline, &[&only[..], &["--update"]].concat(), true), &["passed  pin/whole\n"]);
}

#[test]
fn a_new_case_gets_its_files() {
    let place = Folder::new("new-case");
    let pipeline = pinterest(&place);
    let case = place.path().join("cases/geo/new");
    place.write(
        "cases/geo/new/input.jsonl",
        "{\"ind\":1,\"country\":\"Chile\"}\n\n{\"@time\":\"2100-01-01T00:02:00Z\",\"@key\":\"k\",\"@value\":{\"ind\":2}}\n",
    );
    let missing = told(&pipeline, &["--case", "new"], false);
    check(&missing, &["failed  geo/new\n", "there is no expected.jsonl\n", "--update"]);
    told(&pipeline, &["--case", "new", "--update"], true);
    let written = |file: &str| fs::read_to_string(case.join(file)).expect("a file of the case");
    assert_eq!(
        written("expected.jsonl"),
        "{\"ind\":1,\"country\":\"Chile\",\"coordinates\":null,\"timestamp\":null}\n"
    );
    let foreign = "the record has no field of a geolocation but its number: it may be meant for another table";
    assert_eq!(written("rejected.jsonl"), format!("{{\"line\":3,\"reason\":\"{foreign}\"}}\n"));
    let open = r#"{"@closed":false,"window_start":"2100-01-01T00:00:00Z","window_end":"2100-01-01T00:01:00Z","country":"Chile","posts":1}"#;
    assert_eq!(written("aggregates/posts_per_country.jsonl"), format!("{open}\n"));
    // What a case leaves out is not looked at, and not written again.
    fs::remove_dir_all(case.join("aggregates")).expect("the folder");
    check(&told(&pipeline, &["--case", "new", "--update"], true), &["passed"]);
    assert!(!case.join("aggregates").exists());
    // What it names is.
    replace(&case.join("expected.jsonl"), "{\"ind\":1", "{\"_offset\":1,\"ind\":1");
    check(&told(&pipeline, &["--case", "new"], false), &["    - _offset: 1\n    + _offset: 0\n"]);
    told(&pipeline, &["--case", "new", "--update"], true);
    assert!(written("expected.jsonl").ends_with(",\"timestamp\":null,\"_offset\":0}\n"));
}

#[test]
fn sessions_merge_over_partitions_and_time_passes_for_idle_ones() {
    let place = Folder::new("session-case");
    let pipeline = pinterest(&place);
    let visits = r#"[[tables.geo.aggregates]]
name = "visits"
by = ["country"]
window = { kind = "session", gap = "10m", time = "timestamp", lateness = "5m", idle = "1m" }
measures = { posts = "count()", last = "last(ind)" }

[tables.user]"#;
    replace(&pipeline, "[tables.user]", visits);
    let post = |partition: u32, ind: u32, time: &str| {
        let value = json!({ "ind": ind, "country": "Chile", "timestamp": time });
        json!({ "@partition": partition, "@value": value }).to_string() + "\n"
    };
    let input = [
        "{\"@now\":\"2022-01-01T10:00:00Z\"}\n".to_owned(),
        post(0, 1, "2022-01-01T09:00:00"),
        post(1, 2, "2022-01-01T09:18:00"),
        // It lies less than ten minutes from both, and makes them one.
        post(0, 3, "2022-01-01T09:09:00"),
        post(0, 4, "2030-12-31T00:00:00"),
        post(0, 5, "2022-01-01T10:30:00"),
        // The second partition holds the session open until it is idle.
        "{\"@now\":\"2022-01-01T10:02:00Z\"}\n".to_owned(),
        post(1, 6, "2022-01-01T09:20:00"),
    ];
    place.write("cases/geo/visits/input.jsonl", input.concat());
    told(&pipeline, &["--case", "visits", "--update"], true);
    let written = |file: &str| fs::read_to_string(place.path().join("cases/geo/visits").join(file)).expect("a file");
    let groups = [
        r#"{"@closed":true,"window_start":"2022-01-01T09:00:00Z","window_end":"2022-01-01T09:28:00Z","country":"Chile","posts":3,"last":2}"#,
        r#"{"@closed":false,"window_start":"2022-01-01T10:30:00Z","window_end":"2022-01-01T10:40:00Z","country":"Chile","posts":1,"last":5}"#,
        r#"{"@late":1}"#,
    ];
    assert_eq!(written("aggregates/visits.jsonl"), groups.join("\n") + "\n");
    let future = "2030-12-31T00:00:00Z is more than 1d after the record's own time, 2022-01-01T10:00:00Z";
    let reason = format!("column \"timestamp\": {future}");
    assert_eq!(written("rejected.jsonl"), json!({ "line": 5, "reason": reason }).to_string() + "\n");
    assert_eq!(written("expected.jsonl").lines().count(), 5, "a late row is a row all the same");
    check(&told(&pipeline, &["--case", "visits"], true), &["passed"]);
}

#[test]
fn cases_that_cannot_be_played() {
    let place = Folder::new("unplayable-cases");
    let pipeline = pinterest(&place);
    let fails = |what: &str| check(&told(&pipeline, &["--case", "odd"], false), &["failed  geo/odd\n", what]);
    place.write("cases/geo/odd/notes.txt", "nothing");
    fails("input.jsonl: No such file");
    place.write("cases/geo/odd/input.jsonl", "{\"@vale\":{}}\n");
    fails("input.jsonl: line 1: \"@vale\" is not known");
    place.write("cases/geo/odd/input.jsonl", "{\"ind\":1,\"country\":\"Chile\"}\n");
    place.write("cases/geo/odd/expected.jsonl", "\n[1]\n");
    fails("expected.jsonl: line 2 is no JSON object");
    place.write("cases/geo/odd/expected.jsonl", "{}\n");
    place.write("cases/geo/odd/aggregates/posts.jsonl", "");
    fails("aggregates/posts.jsonl: the table has no aggregate of this name");
}

#[test]
fn a_transform_that_remembers_is_found_out() {
    let place = Folder::new("remembering-case");
    let pipeline = place.write("pipeline.toml", TITLES);
    place.write("titles.wasm", remembers());
    check(&told(&pipeline, &[], false), &["it has no test cases", "cases/TABLE/NAME/input.jsonl"]);
    let lines: String = (0..9).map(|n| format!("{{\"title\":\"{n}\"}}\n")).collect();
    place.write("cases/titles/nine/input.jsonl", &lines);
    place.write("cases/titles/nine/expected.jsonl", &lines);
    let shown = told(&pipeline, &[], false);
    check(
        &shown,
        &[
            "differs titles/nine\n",
            "gives other rows at batch size 1 than with all in one",
            "at batch size 1: expected.jsonl:2, from line 2 of the input: did not come\n",
            "gives other rows at batch size 7 than with all in one",
            "at batch size 7: expected.jsonl:8, from line 8 of the input: did not come\n",
        ],
    );
    // There are no rows to be expected of it.
    fs::remove_file(place.path().join("cases/titles/nine/expected.jsonl")).expect("the rows");
    check(&told(&pipeline, &["--update"], false), &["differs titles/nine\n"]);
    assert!(!place.path().join("cases/titles/nine/expected.jsonl").exists());
}

#[test]
fn a_table_can_keep_its_cases_elsewhere() {
    let place = Folder::new("cases-elsewhere");
    place.write("titles.wasm", remembers());
    place.write("elsewhere/one/input.jsonl", "{\"title\":\"a\"}\n");
    let pipeline = place.write("pipeline.toml", format!("{TITLES}cases = \"elsewhere\"\n"));
    check(&told(&pipeline, &["--update"], true), &["written titles/one\n", "elsewhere/one/expected.jsonl\n"]);
    let pipeline = place.write("pipeline.toml", format!("{TITLES}cases = \"elsewere\"\n"));
    check(
        &told(&pipeline, &[], false),
        &["tables.titles.cases: \"elsewere\" does not exist; did you mean \"elsewhere\"?"],
    );
}

#[test]
fn a_tap_becomes_a_case_that_passes() {
    let place = Folder::new("tapped");
    let pipeline = pinterest(&place);
    let daemon = Daemon::start(&pipeline);
    let post = |record: Value| {
        let answer = http::post(daemon.topics, "user", &json!({ "records": [record] }).to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    post(json!({ "partition": 0, "value": { "ind": 1, "first_name": "Ada", "last_name": "Lovelace" } }));
    post(json!({ "partition": 1, "key": "k", "value": { "ind": 2, "first_name": "Grace", "age": 36 } }));
    post(json!({ "partition": 0, "value": { "ind": 3, "first_name": "Ada", "age": "thirty" } }));
    post(json!({ "partition": 1, "value": null }));
    let bytes = json!({ "records": [{ "partition": 0, "value": "//8=" }] });
    assert_eq!(http::post_binary(daemon.topics, "user", &bytes.to_string()).status, 200);

    let tapped = http::get(daemon.admin, "/tables/user/tap?n=3").json();
    let reasons: Vec<&Value> = tapped.as_array().expect("a list").iter().map(|one| &one["rejected"]).collect();
    let not_utf8 = "the value is not JSON: at byte 0: it is not UTF-8";
    assert_eq!(reasons, [r#"field "age": expected int64, found a text"#, "the record has no value", not_utf8]);
    assert_eq!(http::get(daemon.admin, "/tables/users/tap").status, 404);

    let text = fs::read_to_string(&pipeline).expect("the pipeline file");
    let text = text.replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{}\"", daemon.admin));
    let running = place.write("running.toml", text);
    let tap = |more: &[&str]| {
        let output =
            Command::new(command()).args(["tap", "user", "-p"]).arg(&running).args(more).output().expect("it runs");
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).expect("text"))
    };
    let (well, shown) = tap(&["--mask", "first_name"]);
    assert!(well, "{shown}");
    check(
        &shown,
        &[
            // A key that was posted as JSON is kept as JSON.
            r#""@key":"\"k\"","#,
            "  + {\"ind\":1,\"user_name\":\"first_name 1 Lovelace\"",
            "  rejected: the record has no value\n",
        ],
    );
    assert!(!shown.contains("Ada") && !shown.contains("Grace"), "{shown}");
    let save = ["--save-case", "seen", "--mask", "first_name"];
    assert!(tap(&save).0);
    let (well, refused) = tap(&save);
    assert!(!well && refused.contains("there is one of this name"), "{refused}");
    assert!(!tap(&["--save-case", "../seen"]).0 && !tap(&["-n", "0"]).0);
    daemon.stop();

    check(
        &told(&pipeline, &["--table", "user", "--case", "seen"], true),
        &["passed  user/seen\n1 case, 5 records: 1 passed\n"],
    );
    let input = fs::read_to_string(place.path().join("cases/user/seen/input.jsonl")).expect("the input");
    assert!(
        input.lines().count() == 5 && !input.contains("Ada") && input.contains("\"first_name\":\"first_name 1\""),
        "{input}"
    );
}

/// Schedules over a night in which London's clocks are put back, and over a start that comes late.
const SCHEDULES: &str = r#"
[schedules.nightly]
cron = "30 1 * * *"
timezone = "Europe/London"
catch_up = true
retries = 1
retry_delay = "10m"
overlap = "queue"
audit = { quick = true }

[schedules.hourly]
cron = "@hourly"
audit = { quick = true }
"#;

#[test]
fn schedules_fire_by_the_clock_of_a_case() {
    let place = Folder::new("schedule-cases");
    place.write("titles.wasm", remembers());
    let pipeline = place.write("pipeline.toml", format!("{TITLES}{SCHEDULES}"));
    let case = |name: &str, lines: &str| {
        let folder = place.path().join("cases/schedules").join(name);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("input.jsonl"), lines).expect("an input");
        folder
    };
    let night = case(
        "night",
        "{\"@now\": \"2026-10-24T12:00:00Z\"}\n{\"@holds\": \"hourly\"}\n{\"@now\": \"2026-10-24T13:00:00Z\"}\n\
         {\"@now\": \"2026-10-24T14:30:00Z\"}\n{\"@stops\": true}\n{\"@now\": \"2026-10-26T00:30:00Z\"}\n{\"@holds\": \"nightly\"}\n\
         {\"@ends\": \"hourly\"}\n{\"@now\": \"2026-10-26T01:35:00Z\"}\n{\"@fails\": \"nightly\"}\n{\"@now\": \"2026-10-26T01:50:00Z\"}\n\
         {\"@fails\": \"nightly\"}\n",
    );
    check(&told(&pipeline, &[], false), &["failed  schedules/night\n  expected.jsonl: No such file", "--update"]);
    check(&told(&pipeline, &["--update"], true), &["written schedules/night\n"]);
    let came = fs::read_to_string(night.join("expected.jsonl")).expect("what came");
    let lines: Vec<Value> = came.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let shown: Vec<String> = lines
        .iter()
        .map(|line| {
            let [at, time] = ["at", "time"].map(|name| line[name].as_str().expect("a time")[8..16].replace('T', " "));
            format!(
                "{at} {} {time} {} {}",
                line["schedule"].as_str().expect("a name"),
                line["state"].as_str().expect("a word"),
                line["attempt"]
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "24 13:00 hourly 24 13:00 runs 1",
            "24 14:00 hourly 24 14:00 skipped 0",
            // Cut off by the end of the process, it begins again; the night's own time came once, though the clock showed it twice.
            "26 00:30 nightly 25 00:30 done 1",
            "26 00:30 hourly 24 13:00 runs 1",
            "26 00:30 hourly 24 13:00 done 1",
            "26 01:00 hourly 26 01:00 runs 1",
            "26 01:30 nightly 26 01:30 runs 1",
            "26 01:35 nightly 26 01:30 waits 1",
            "26 01:45 nightly 26 01:30 runs 2",
            "26 01:50 nightly 26 01:30 failed 2",
        ]
    );
    check(&told(&pipeline, &[], true), &["passed  schedules/night\n1 case, 0 records: 1 passed\n"]);
    replace(&pipeline, "retry_delay = \"10m\"", "retry_delay = \"5m\"");
    check(
        &told(&pipeline, &["--table", "schedules"], false),
        &["differs schedules/night\n", "due: \"2026-10-26T01:45:00Z\""],
    );
    // Runs beyond those that may be under way at one time wait, and time passes.
    let five: String = ["a", "b", "c", "d", "e"]
        .map(|name| format!("[schedules.{name}]\ncron = \"@daily\"\naudit = {{ quick = true }}\n"))
        .concat();
    replace(&pipeline, "[schedules.hourly]", &format!("{five}[schedules.hourly]"));
    let held: String = ["a", "b", "c", "d", "e"].map(|name| format!("{{\"@holds\": \"{name}\"}}\n")).concat();
    let crowd = case(
        "crowd",
        &format!(
            "{{\"@now\": \"2026-10-24T23:30:00Z\"}}\n{held}{{\"@now\": \"2026-10-25T00:30:00Z\"}}\n{{\"@ends\": \"a\"}}\n"
        ),
    );
    check(&told(&pipeline, &["--case", "crowd", "--update"], true), &["written schedules/crowd\n"]);
    let came = fs::read_to_string(crowd.join("expected.jsonl")).expect("what came");
    let begun = |name: &str| {
        came.lines()
            .find(|line| line.contains(&format!("\"schedule\":\"{name}\"")))
            .map(|line| line.contains("00:30:00Z\""))
    };
    assert_eq!(["a", "d", "e"].map(begun), [Some(false), Some(false), Some(true)], "{came}");
    for (name, lines, says) in [
        (
            "none",
            "{\"@now\": \"2026-10-24T12:00:00Z\"}\n{\"@ends\": \"hourly\"}\n",
            "line 2: schedule \"hourly\": no run of it is under way",
        ),
        ("unknown", "{\"@asks\": \"daily\"}\n", "line 1: the pipeline does not run"),
        (
            "back",
            "{\"@now\": \"2026-10-24T12:00:00Z\"}\n{\"@now\": \"2026-10-23T12:00:00Z\"}\n",
            "line 2: time goes back",
        ),
        ("other", "{\"@later\": 1}\n", "line 1: unknown variant"),
    ] {
        case(name, lines);
        check(&told(&pipeline, &["--case", name], false), &[says]);
    }
}

/// The component that `remembers.wat` describes.
fn remembers() -> Vec<u8> {
    let mut module = wat::parse_str(include_str!("remembers.wat")).expect("a module");
    let contract = fs::read_to_string(root().join("transforms/wit/transform.wit")).expect("the contract");
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("transform.wit", &contract).expect("the contract");
    let world = resolve.select_world(&[package], Some("transform")).expect("the world");
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding, false).expect("a module");
    let mut encoder = wit_component::ComponentEncoder::default();
    encoder.validate(true).module(&module).and_then(|encoder| encoder.encode()).expect("a component")
}
