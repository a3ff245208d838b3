//! Dead letters heal: seen first, then put where they belong, once, whatever happens meanwhile.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tidemill_tests::cli::{done, failed};
use tidemill_tests::daemon::{Daemon, query};
use tidemill_tests::letters::{AGGREGATES, agree, all, balanced, lake, number, put_in_service};
use tidemill_tests::place::{Folder, changeling, command, component, digest};
use tidemill_tests::things::House;
use tidemill_tests::{fill, http};

/// A folder for what the commands keep beside their work.
fn folder() -> Folder {
    Folder::new("letters-commands")
}

/// Runs `tidemill dead-letters` on a running pipeline.
fn letters(house: &House, daemon: &Daemon, arguments: &[&str]) -> String {
    let pipeline = house.found(daemon);
    let (subcommand, rest) = arguments.split_first().expect("a command");
    let pipeline = pipeline.to_str().expect("a path");
    let arguments: Vec<&str> = match *subcommand {
        "show" => ["dead-letters", "show"].into_iter().chain(rest.iter().copied()).chain([pipeline]).collect(),
        other => ["dead-letters", other, pipeline].into_iter().chain(rest.iter().copied()).collect(),
    };
    done(folder().path(), &arguments, "").0
}

/// The report on the table of a redrive.
fn redrive(house: &House, daemon: &Daemon, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = ["redrive", "--json"].into_iter().chain(arguments.iter().copied()).collect();
    let said: Value = serde_json::from_str(&letters(house, daemon, &arguments)).expect("a report");
    said["thing"].clone()
}

fn counts(report: &Value) -> [u64; 4] {
    ["letters", "out", "dropped", "rejected"].map(|name| report[name].as_u64().expect("a number"))
}

fn numbers(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|ind| format!("{{\"ind\":{ind}}}")).collect()
}

fn send(daemon: &Daemon, values: &[String]) {
    http::post_lines(daemon.topics, "thing", values.iter().map(String::as_str), 100);
}

/// The audit finds nothing wrong.
fn audited(house: &House) {
    done(folder().path(), &["audit", house.pipeline.to_str().expect("a path")], "");
}

fn waiting(house: &House) -> u64 {
    number(&house.pipeline, "SELECT count(*) FROM tidemill_dead_letters WHERE redriven IS NULL")
}

#[test]
fn letters_go_once_where_they_belong() {
    let (bad, good) = (changeling("rejects"), changeling("good"));
    let house = House::with("letters-once", &bad, &[AGGREGATES]);
    let daemon = house.start();
    send(&daemon, &numbers(0..600));
    send(&daemon, &["{\"nothing\":1}".to_owned(), "{\"ind\":null}".to_owned(), "[]".to_owned()]);
    daemon.settle();
    assert_eq!(waiting(&house), 603);
    put_in_service(&house, &daemon, &good);
    // Some keys come again: their later rows have to stay the latest.
    send(&daemon, &numbers(550..700));
    // Time has come further than all letters, so that their short windows have closed.
    daemon.wait("a window closes", |status| {
        status["settled"] == true && number(&house.pipeline, "SELECT count(*) FROM soon WHERE _closed = 1") > 0
    });
    daemon.settle();
    agree(&house);
    assert_eq!(lake(&house).len(), 150);

    let before = all(&house.pipeline);
    let seen = redrive(&house, &daemon, &["--all"]);
    assert_eq!(counts(&seen), [603, 600, 0, 3]);
    assert_eq!((&seen["digest"], &seen["revisions"]), (&json!(digest(&good)), &json!([])));
    assert_eq!(seen["reasons"]["the record has no number"], 2, "{seen:#}");
    let example = &seen["examples"][0];
    assert_eq!(example["rows"][0]["mark"], "good", "{seen:#}");
    assert!(all(&house.pipeline) == before, "to look changes nothing");

    let told = letters(&house, &daemon, &["redrive", "--reason", "rejected like all", "--apply"]);
    assert!(told.starts_with("table \"thing\": of 600 letters 600 came out as 600 rows, 0 were dropped"), "{told}");
    assert!(told.contains("aggregate \"soon\" counts 600 rows as late") && told.contains("as revision 1"), "{told}");
    daemon.settle();
    agree(&house);
    assert_eq!((lake(&house).len(), waiting(&house)), (750, 3));
    assert_eq!(query(&house.pipeline, "SELECT mark, things, _closed FROM ever")[1..], ["good,750,0"]);
    assert_eq!(number(&house.pipeline, "SELECT late FROM tidemill_aggregates WHERE aggregate = 'soon'"), 600);
    let line = "SELECT sum(records_out), sum(rejected), sum(rows), min(digest) FROM tidemill_revisions";
    assert_eq!(query(&house.pipeline, line)[1], format!("600,-600,600,{}", digest(&good)));
    let first = "SELECT sum(rejected), sum(records_out) FROM tidemill_ledger WHERE generation = 1";
    assert_eq!(query(&house.pipeline, first)[1], "603,0", "the epochs' own lines stay");
    let keys =
        "SELECT count(*) FROM tidemill_objects WHERE revision = 1 AND key LIKE '%+r1.json' AND delivered IS NOT NULL";
    assert!(number(&house.pipeline, keys) > 0, "what a revision adds is an object of its own");

    // The same again finds what is still no row, and does nothing.
    let before = all(&house.pipeline);
    let again = redrive(&house, &daemon, &["--all", "--apply"]);
    assert_eq!((counts(&again), &again["revisions"]), ([3, 0, 0, 3], &json!([])));
    let healed =
        query(&house.pipeline, "SELECT partition || '/' || offset FROM tidemill_dead_letters WHERE redriven LIMIT 1");
    let named = redrive(&house, &daemon, &["--ids", &format!("thing/{}", healed[1]), "--apply"]);
    assert_eq!(counts(&named), [0; 4], "one that was healed has nothing more to gain");
    assert!(all(&house.pipeline) == before, "twice is as good as once");
    daemon.stop();

    let daemon = house.start();
    daemon.settle();
    assert_eq!(query(&house.pipeline, "SELECT mark, things, _closed FROM ever")[1..], ["good,750,0"]);
    send(&daemon, &numbers(800..900));
    daemon.settle();
    daemon.stop();
    agree(&house);
    audited(&house);
    assert_eq!(query(&house.pipeline, "SELECT mark, things, _closed FROM ever")[1..], ["good,850,0"]);
}

#[test]
fn poison_records_stand_alone_and_another_component_heals_them_and_no_more() {
    let (bad, mended, drops) = (changeling("traps"), changeling("mended"), changeling("drops"));
    let house = House::with("letters-with", &bad, &[AGGREGATES]);
    let daemon = house.start();
    send(&daemon, &numbers(0..2000));
    daemon.settle();
    assert_eq!((waiting(&house), lake(&house).len()), (40, 1960), "one of fifty is poison, and the others go on");
    let reasons = "SELECT count(*) FROM tidemill_dead_letters WHERE reason LIKE '%trap%' AND value LIKE '{\"ind\":%'";
    assert_eq!(number(&house.pipeline, reasons), 40);
    assert_eq!(counts(&redrive(&house, &daemon, &["--all", "--apply"])), [40, 0, 0, 40], "it is as bad as it was");

    let file = |name: &str, bytes: &[u8]| house.put(name, bytes).to_str().expect("a path").to_owned();
    let (mended_file, drops_file) = (file("mended.wasm", &mended), file("drops.wasm", &drops));
    let found = house.found(&daemon);
    let other = component("geo");
    let arguments = ["dead-letters", "redrive", found.to_str().expect("a path"), "--all", "--with"];
    let refused = failed(folder().path(), &[&arguments[..], &[other.to_str().expect("a path")]].concat());
    assert!(refused.contains("field") && refused.contains("as they are"), "{refused}");

    let ids =
        query(&house.pipeline, "SELECT 'thing/' || partition || '/' || offset FROM tidemill_dead_letters ORDER BY 1");
    let some = ids[1..=5].join(",");
    let report = redrive(&house, &daemon, &["--ids", &some, "--with", &drops_file, "--apply"]);
    assert_eq!(counts(&report), [5, 0, 5, 0], "what is dropped on purpose is healed too");
    let seen = redrive(&house, &daemon, &["--all", "--with", &mended_file]);
    assert_eq!((counts(&seen), waiting(&house)), ([35, 35, 0, 0], 35));
    let report = redrive(&house, &daemon, &["--all", "--with", &mended_file, "--apply"]);
    assert_eq!((counts(&report), waiting(&house)), ([35, 35, 0, 0], 0));
    daemon.settle();
    assert_eq!(daemon.status()["tables"]["thing"]["digest"], *digest(&bad), "it was put in service for nothing else");
    daemon.stop();
    agree(&house);
    audited(&house);
    let marks = query(&house.pipeline, "SELECT mark, count(*) FROM thing GROUP BY 1 ORDER BY 1");
    assert_eq!(marks[1..], ["mended,35", "traps,1960"]);
    let revisions = "SELECT revision, sum(records_out), sum(dropped), sum(rejected), min(digest) FROM tidemill_revisions GROUP BY 1";
    let expected = [format!("1,0,5,-5,{}", digest(&drops)), format!("2,35,0,-35,{}", digest(&mended))];
    assert_eq!(query(&house.pipeline, revisions)[1..], expected);
}

/// Begins a redrive of all letters, and does not wait for its end.
fn begin_redrive(house: &House, daemon: &Daemon) -> Child {
    let mut redrive = Command::new(command());
    redrive.args(["dead-letters", "redrive", "--all", "--apply"]).arg(house.found(daemon));
    redrive.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tidemill starts")
}

#[test]
fn a_kill_at_any_moment_heals_each_letter_once() {
    const RECORDS: u64 = 80_000;
    const LANDED: u32 = 6;
    let (bad, good) = (changeling("rejects"), changeling("good"));
    let house = House::with("letters-kills", &bad, &[AGGREGATES]);
    let records: Vec<Vec<u8>> = numbers(0..RECORDS).into_iter().map(String::into_bytes).collect();
    fill::topic(&house.data(), "thing", records.into_iter());
    let daemon = house.start();
    daemon.settle();
    assert_eq!(waiting(&house), RECORDS);
    put_in_service(&house, &daemon, &good);
    daemon.stop();

    let mut random = ChaCha8Rng::seed_from_u64(6);
    let (mut landed, mut kills) = (0, 0);
    while landed < LANDED {
        let daemon = house.start();
        let before = waiting(&house);
        assert!(before > 0, "{landed} of {kills} kills landed before all was healed: give it more records");
        let mut redrive = begin_redrive(&house, &daemon);
        std::thread::park_timeout(Duration::from_millis(random.random_range(10..150)));
        let under_way = redrive.try_wait().expect("its state").is_none();
        daemon.kill();
        redrive.wait().expect("it ends");
        kills += 1;
        let now = waiting(&house);
        assert!(now <= before, "what was healed stays healed");
        landed += u32::from(under_way);
        balanced(&house.pipeline);
    }
    println!("{landed} of {kills} kills landed in a redrive; {} of {RECORDS} letters wait", waiting(&house));
    let daemon = house.start();
    assert!(begin_redrive(&house, &daemon).wait().expect("it ends").success(), "it ends well");
    daemon.settle();
    daemon.stop();
    assert_eq!((waiting(&house), lake(&house).len() as u64), (0, RECORDS));
    agree(&house);
    audited(&house);
    assert_eq!(query(&house.pipeline, "SELECT mark, things, _closed FROM ever")[1..], [format!("good,{RECORDS},0")]);
    assert_eq!(
        std::fs::read_dir(house.data().join("spool")).expect("the spool").count(),
        0,
        "nothing is left in the spool"
    );
}

#[test]
fn letters_are_counted_listed_shown_and_exported_while_it_runs_and_afterwards() {
    let house = House::new("letters-show", &changeling("good"));
    let daemon = house.start();
    // The bytes 0xff 0x00 0x1b, then a text that is no JSON.
    let body = json!({ "records": [{ "value": "/wAb" }, { "key": "a2V5", "value": "eyJpbmQiOg==" }] });
    assert_eq!(http::post_binary(daemon.topics, "thing", &body.to_string()).status, 200);
    send(&daemon, &["{\"nothing\":1}".to_owned(), "{\"nothing\":2}".to_owned(), "{\"ind\":1}".to_owned()]);
    daemon.settle();

    let check = |ask: &dyn Fn(&[&str]) -> String| {
        let reasons: Value = serde_json::from_str(&ask(&["list", "--json"])).expect("a list");
        let reasons = reasons.as_array().expect("a list");
        assert_eq!(
            (reasons[0]["letters"].as_u64(), &reasons[0]["reason"]),
            (Some(2), &json!("the record has no number"))
        );
        assert_eq!(reasons.len(), 3, "{reasons:?}");
        let first = ask(&["list", "-n", "1"]);
        assert!(first.contains("there are more: --skip 1"), "{first}");
        let each: Value = serde_json::from_str(&ask(&["list", "--each", "--json"])).expect("a list");
        let ids: Vec<&str> =
            each.as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id")).collect();
        let page = ask(&["list", "--each", "-n", "3"]);
        assert!(ids.len() == 4 && page.contains(&format!("there are more: --after {}", ids[2])), "{page}");
        let rest: Value = serde_json::from_str(&ask(&["list", "--each", "--json", "--after", ids[2]])).expect("a list");
        assert_eq!(rest.as_array().map(Vec::len), Some(1));
        let exported = ask(&["export"]);
        let exported: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).expect("a letter")).collect();
        let of = |name: &str, value: &str| exported.iter().find(|one| one[name] == value).expect("the letter").clone();
        assert_eq!(exported.iter().map(|one| one["id"].as_str().expect("an id")).collect::<Vec<_>>(), ids);
        let bytes = of("value_base64", "/wAb");
        assert!(bytes.get("value").is_none() && bytes["key"].is_null(), "{bytes}");
        assert_eq!(of("value", "{\"ind\":")["key"], "key");
        assert_eq!(ask(&["export", "--reason", "no number"]).lines().count(), 2);
        assert_eq!(ask(&["export", "--healed"]), "");
        let id = bytes["id"].as_str().expect("an id").to_owned();
        let shown = ask(&["show", &id]);
        assert!(shown.contains("it waits") && shown.contains("value     (base64) /wAb"), "{shown}");
        let shown: Value = serde_json::from_str(&ask(&["show", &id, "--json"])).expect("a letter");
        assert_eq!(shown, bytes);
    };
    check(&|arguments| letters(&house, &daemon, arguments));
    let found = house.found(&daemon);
    let absent = failed(folder().path(), &["dead-letters", "show", "thing/0/77", found.to_str().expect("a path")]);
    assert!(absent.contains("dead letter thing/0/77: there is none"), "{absent}");
    daemon.stop();
    let pipeline = house.pipeline.to_str().expect("a path");
    let ask = |arguments: &[&str]| {
        let (subcommand, rest) = arguments.split_first().expect("a command");
        let all = match *subcommand {
            "show" => [&["dead-letters", "show"], rest, &[pipeline]].concat(),
            other => [&["dead-letters", other, pipeline], rest].concat(),
        };
        done(folder().path(), &all, "").0
    };
    check(&ask);
    // To heal them it has to run: nobody else writes its file.
    let error = failed(folder().path(), &["dead-letters", "redrive", found.to_str().expect("a path"), "--all"]);
    assert!(error.contains("tidemill run"), "{error}");
}
