//! History run again: the same where nothing was changed, what a reference says where something was; written once, or not at all.

mod house;
mod story;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tidemill_tests::cli::{done, failed};
use tidemill_tests::daemon::{Daemon, query};
use tidemill_tests::letters::{all, number, put_in_service, sorted};
use tidemill_tests::place::{changeling, command, digest};
use tidemill_tests::things::{House, Stream};

use self::house::{Place, audited, house, in_force, replay, replay_live, same, send, send_users};

fn redrive(house: &House, daemon: &Daemon) {
    let found = house.found(daemon);
    let arguments =
        ["dead-letters", "redrive", found.to_str().expect("a path"), "--all", "--apply", "--table", "thing"];
    done(found.parent().expect("a folder"), &arguments, "");
}

/// Several generations, letters, those of them that were healed, late rows, kills: all of it comes to the same again.
fn check_same(name: &str, format: &str) {
    let house = house(name, format, &changeling("rejects"), &[]);
    let daemon = house.start();
    send(&daemon, 0..400);
    send_users(&daemon, 0..1_000);
    daemon.settle();
    put_in_service(&house, &daemon, &changeling("sieve"));
    send(&daemon, 300..1_500);
    daemon.settle();
    redrive(&house, &daemon);
    send_users(&daemon, 500..2_000);
    let said = same(&house, "thing");
    assert!(said["partitions"].as_array().map(Vec::len) == Some(2), "{said:#}");
    daemon.settle();
    put_in_service(&house, &daemon, &changeling("good"));
    send(&daemon, 1_000..3_000);
    daemon.kill();
    for turn in 0..3 {
        let daemon = house.start();
        send(&daemon, turn * 500..turn * 500 + 2_000);
        daemon.kill();
    }
    let daemon = house.start();
    daemon.settle();
    same(&house, "thing");
    daemon.stop();
    same(&house, "thing");
    same(&house, "user");
    assert!(number(&house.pipeline, "SELECT late FROM tidemill_aggregates WHERE aggregate = 'joined'") > 0);
    let healed = "SELECT count(DISTINCT became) FROM tidemill_dead_letters WHERE redriven IS NOT NULL";
    assert_eq!(number(&house.pipeline, healed), 2, "some became rows, some were dropped");
    let before = all(&house.pipeline);
    let (code, said) = replay(&house, "thing", &["--apply"]);
    assert_eq!((code, &said["revision"]), (0, &Value::Null), "{said:#}");
    assert!(all(&house.pipeline) == before, "where nothing differs nothing is written");
    audited(&house);
}

#[test]
fn with_nothing_changed_nothing_differs_in_a_lake_of_parquet() {
    check_same("replay-same-parquet", "parquet");
}

#[test]
fn with_nothing_changed_nothing_differs_in_a_lake_of_json() {
    check_same("replay-same-json", "json");
}

/// What the sieve makes of a number: the marks of its rows; none where it is rejected.
fn sieved(ind: u64) -> Option<Vec<&'static str>> {
    match ind % 10 {
        3 => Some(vec![]),
        4 => None,
        5 => Some(vec!["sieve", "twin"]),
        _ => Some(vec!["sieve"]),
    }
}

/// A pipeline that has cleaned these numbers well, and has ended; each of its rows by its record.
fn cleaned(name: &str, format: &str, count: u64) -> House {
    let house = house(name, format, &changeling("good"), &[]);
    let daemon = house.start();
    for part in 0..4 {
        send(&daemon, part * count / 4..(part + 1) * count / 4);
        daemon.settle();
    }
    daemon.stop();
    house
}

/// The groups of an aggregate by append time of windows of a second, out of rows.
fn windows(rows: &BTreeMap<Place, Value>) -> BTreeMap<(String, String), u64> {
    let mut groups = BTreeMap::new();
    for row in rows.values() {
        let second = row["_time"].as_str().expect("a time")[..19].replace('T', " ");
        *groups.entry((second, row["mark"].as_str().expect("a mark").to_owned())).or_default() += 1;
    }
    groups
}

fn shown(house: &House, aggregate: &str) -> BTreeMap<(String, String), u64> {
    let rows = query(&house.pipeline, &format!("SELECT window_start, mark, things FROM {aggregate}"));
    let group = |row: &String| {
        let parts: Vec<&str> = row.split(',').collect();
        ((parts[0].to_owned(), parts[1].to_owned()), parts[2].parse().expect("a number"))
    };
    rows[1..].iter().map(group).collect()
}

/// What the lake has once another rule has been applied to all of it, by a plain function.
fn expected(rows: &BTreeMap<Place, Value>) -> BTreeMap<Place, Value> {
    let mut expected = BTreeMap::new();
    for ((partition, offset, _), row) in rows {
        for (nth, mark) in (0..).zip(sieved(row["ind"].as_u64().expect("a number")).unwrap_or_default()) {
            let mut row = row.clone();
            row["mark"] = json!(mark);
            row["_row"] = json!(nth);
            expected.insert((*partition, *offset, nth), row);
        }
    }
    expected
}

#[test]
fn another_rule_differs_in_the_rows_and_fields_and_groups_that_a_reference_says() {
    let house = cleaned("replay-rule", "json", 2_000);
    let was = in_force(&house);
    let now = expected(&was);
    let with = house.put("sieve.wasm", &changeling("sieve"));
    let with = ["--with", with.to_str().expect("a path"), "--rows", "5000"];
    let before = all(&house.pipeline);
    let (code, said) = replay(&house, "thing", &with);
    assert!(all(&house.pipeline) == before && code == 1, "to look changes nothing");
    let counts =
        ["records", "records_changed", "rows_equal", "rows_changed", "rows_added", "rows_removed", "newly_rejected"];
    let counts: Vec<u64> = counts.iter().map(|name| said[name].as_u64().expect("a number")).collect();
    assert_eq!(counts, [2_000, 2_000, 0, 1_600, 200, 400, 200], "{said:#}");
    assert_eq!((&said["fields"], &said["with"]), (&json!({ "mark": 1_600 }), &json!(digest(&changeling("sieve")))));
    let mut differ = BTreeMap::new();
    for row in said["rows"].as_array().expect("a list") {
        let number = |name: &str| row[name].as_u64().expect("a number");
        let place = (number("partition"), number("offset"), number("row"));
        assert_eq!(row.get("was"), was.get(&place), "{row}");
        assert_eq!(row.get("now"), now.get(&place), "{row}");
        let rejected = row["rejected"] == "a four at its end";
        assert_eq!(rejected, was[&(place.0, place.1, 0)]["ind"].as_u64().expect("a number") % 10 == 4, "{row}");
        differ.insert(place, row.clone());
    }
    assert!(differ.keys().eq(was.keys().chain(now.keys()).collect::<std::collections::BTreeSet<_>>()), "each row once");
    // Of each second the good ones go, and others come.
    let (old, new) = (windows(&was), windows(&now));
    assert_eq!(shown(&house, "soon"), old);
    assert_eq!(said["groups_changed"], json!({ "ever": 3, "soon": old.len() + new.len() }), "{said:#}");
    for group in said["groups"].as_array().expect("a list").iter().filter(|group| group["aggregate"] == "soon") {
        let key = (
            group["window"].as_str().expect("text").to_owned(),
            group["group"]["mark"].as_str().expect("text").to_owned(),
        );
        assert_eq!(
            (group["was"]["things"].as_u64(), group["now"]["things"].as_u64()),
            (old.get(&key).copied(), new.get(&key).copied())
        );
    }
    let (_, few) = replay(&house, "thing", &[&with[..2], &["--rows", "3"]].concat());
    assert_eq!((few["rows"].as_array().map(Vec::len), &few["rows_changed"]), (Some(3), &said["rows_changed"]));
}

#[test]
fn a_part_of_history_is_run_again_by_whole_epochs() {
    let house = cleaned("replay-part", "parquet", 2_000);
    let with = house.put("sieve.wasm", &changeling("sieve"));
    let with = with.to_str().expect("a path");
    let epochs = query(
        &house.pipeline,
        "SELECT from_offset || ' ' || next_offset || ' ' || watermark FROM tidemill_ledger WHERE partition = 1 AND table_name = 'thing' ORDER BY epoch",
    );
    let epochs: Vec<Vec<i64>> =
        epochs[1..].iter().map(|line| line.split(' ').map(|n| n.parse().expect("a number")).collect()).collect();
    assert!(epochs.len() >= 3, "{epochs:?}");
    let middle = &epochs[1];
    let time = |micros: i64| tidemill::time::Timestamp(micros).to_string();
    let check = |from: &str, to: &str, expected: std::ops::Range<i64>| {
        let (code, said) = replay(&house, "thing", &["--partition", "1", "--from", from, "--to", to, "--with", with]);
        assert_eq!(code, 1, "{said:#}");
        let [part] = &said["partitions"].as_array().expect("a list")[..] else { panic!("{said:#}") };
        assert_eq!((&part["from"], &part["to"]), (&json!(expected.start), &json!(expected.end)), "{from} {to}");
        assert_eq!(said["records"], expected.end - expected.start);
    };
    check(&middle[0].to_string(), &middle[1].to_string(), middle[0]..middle[1]);
    check(&(middle[0] + 1).to_string(), &(middle[0] + 2).to_string(), middle[0]..middle[1]);
    check(&(middle[0] - 1).to_string(), &(middle[0] + 1).to_string(), epochs[0][0]..middle[1]);
    check(&time(epochs[0][2] + 1), &time(middle[2]), middle[0]..middle[1]);
    let said = failed(
        house.pipeline.parent().expect("a folder"),
        &["replay", "thing", "-p", house.pipeline.to_str().expect("a path"), "--from", "soon"],
    );
    assert!(said.contains("neither an offset nor a time"), "{said}");
}

/// What was applied is in lake, cache, aggregates, letters and ledger, once; and history goes on from there.
fn check_applied(name: &str, format: &str) {
    let house = cleaned(name, format, 2_000);
    let with = house.put("sieve.wasm", &changeling("sieve"));
    let with = with.to_str().expect("a path");
    let was = (format == "json").then(|| in_force(&house));
    let (code, said) = replay(&house, "thing", &["--with", with, "--apply"]);
    assert_eq!((code, &said["revision"], &said["rows_changed"]), (0, &json!(1), &json!(1_600)), "{said:#}");
    let written = all(&house.pipeline);
    let (code, again) = replay(&house, "thing", &["--with", with, "--apply"]);
    assert_eq!((code, &again["revision"], &again["same"]), (0, &Value::Null, &json!(true)), "{again:#}");
    assert!(all(&house.pipeline) == written, "twice is as good as once");
    audited(&house);
    rebuilt(&house);
    let daemon = house.start();
    daemon.settle();
    send(&daemon, 5_000..5_100);
    daemon.settle();
    daemon.stop();
    audited(&house);
    rebuilt(&house);
    same(&house, "thing");
    let marks = "SELECT mark, count(*) FROM thing WHERE ind < 5000 GROUP BY 1 ORDER BY 1";
    assert_eq!(query(&house.pipeline, marks)[1..], ["sieve,1400", "twin,200"]);
    let letters = "SELECT count(*) FROM tidemill_dead_letters WHERE redriven IS NULL AND rejected_by = 1 AND reason = 'a four at its end'";
    assert_eq!(number(&house.pipeline, letters), 200);
    let sums = "SELECT sum(records_out), sum(dropped), sum(rejected), sum(rows) FROM tidemill_positions WHERE table_name = 'thing'";
    assert_eq!(query(&house.pipeline, sums)[1], "1700,200,200,1900");
    assert_eq!(
        query(&house.pipeline, "SELECT mark, things FROM ever ORDER BY 1")[1..],
        ["good,100", "sieve,1600", "twin,200"]
    );
    if let Some(was) = was {
        let mut now = in_force(&house);
        now.retain(|_, row| row["ind"].as_u64() < Some(5_000));
        assert!(now == expected(&was), "the lake's rows that count are those of a reference");
        let mut shown = shown(&house, "soon");
        shown.retain(|(_, mark), _| mark != "good");
        assert_eq!(shown, windows(&now));
    }
    // A row of the revision is led back to its record, and what a letter heals comes beside it.
    let key = query(
        &house.pipeline,
        "SELECT key FROM tidemill_objects WHERE table_name = 'thing' AND revision = 1 AND rows > 0 LIMIT 1",
    );
    let folder = house.pipeline.parent().expect("a folder");
    let pipeline = house.pipeline.to_str().expect("a path");
    let explained: Value =
        serde_json::from_str(&done(folder, &["explain", pipeline, &key[1], "1", "--json"], "").0).expect("JSON");
    assert_eq!((&explained["digest"], &explained["replaced_by"]), (&json!(digest(&changeling("sieve"))), &Value::Null));
    let key = query(
        &house.pipeline,
        "SELECT key FROM tidemill_objects WHERE table_name = 'thing' AND revision = 0 ORDER BY id LIMIT 1",
    );
    let explained: Value =
        serde_json::from_str(&done(folder, &["explain", pipeline, &key[1], "1", "--json"], "").0).expect("JSON");
    assert_eq!((&explained["same"], &explained["replaced_by"]), (&json!(true), &json!(1)), "the old object stays");
    let daemon = house.start();
    redrive(&house, &daemon);
    daemon.settle();
    daemon.stop();
    assert_eq!(number(&house.pipeline, "SELECT count(*) FROM tidemill_dead_letters WHERE redriven IS NULL"), 0);
    audited(&house);
    rebuilt(&house);
    same(&house, "thing");
    // Back to the first rule: another revision in the place of both.
    let good = house.put("good.wasm", &changeling("good"));
    let (code, said) = replay(&house, "thing", &["--with", good.to_str().expect("a path"), "--apply"]);
    assert_eq!((code, &said["revision"]), (0, &json!(3)), "{said:#}");
    audited(&house);
    rebuilt(&house);
    let daemon = house.start();
    daemon.settle();
    daemon.stop();
    audited(&house);
    same(&house, "thing");
    assert_eq!(query(&house.pipeline, "SELECT mark, count(*) FROM thing GROUP BY 1")[1..], ["good,2100"]);
    assert_eq!(query(&house.pipeline, "SELECT mark, things FROM ever")[1..], ["good,2100"]);
    let sums = "SELECT sum(records_out), sum(dropped), sum(rejected), sum(rows) FROM tidemill_positions WHERE table_name = 'thing'";
    assert_eq!(query(&house.pipeline, sums)[1], "2100,0,0,2100");
}

/// Every table of the cache proper, as text; numbers of groups whose windows have closed are nobody's.
fn content(house: &House) -> Vec<Vec<String>> {
    let groups = |name: &str, measure: &str| {
        format!("SELECT window_start, {measure}, _closed, iif(_closed, NULL, _group) FROM {name}")
    };
    let asked = [
        "SELECT * FROM thing".to_owned(),
        "SELECT * FROM user".to_owned(),
        groups("ever", "mark, things"),
        groups("soon", "mark, things"),
        groups("joined", "age, posts, oldest"),
    ];
    asked.iter().map(|sql| sorted(&house.pipeline, sql)).collect()
}

/// The cache made anew from the lake is what it was.
fn rebuilt(house: &House) {
    let before = content(house);
    done(
        house.pipeline.parent().expect("a folder"),
        &["cache", "rebuild", house.pipeline.to_str().expect("a path")],
        "",
    );
    let after = content(house);
    for (one, other) in before.iter().zip(&after) {
        let first = one.iter().zip(other).find(|(one, other)| one != other);
        assert!(one == other, "{} lines and {}: {first:?}", one.len(), other.len());
    }
}

#[test]
fn what_is_applied_is_there_once_in_a_lake_of_json() {
    check_applied("replay-apply-json", "json");
}

#[test]
fn what_is_applied_is_there_once_in_a_lake_of_parquet() {
    check_applied("replay-apply-parquet", "parquet");
}

#[test]
fn a_kill_while_it_is_applied_leaves_all_or_nothing() {
    let house = cleaned("replay-kills", "json", 20_000);
    let with = house.put("sieve.wasm", &changeling("sieve"));
    let before = all(&house.pipeline);
    let mut landed = 0;
    for moment in (40..).step_by(25) {
        let mut child = Command::new(command());
        child.args(["replay", "thing", "--apply", "-p"]).arg(&house.pipeline).arg("--with").arg(&with);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tidemill starts");
        std::thread::park_timeout(Duration::from_millis(moment));
        if child.try_wait().expect("its state").is_some_and(|ended| ended.success()) {
            break;
        }
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        landed += 1;
        if number(&house.pipeline, "SELECT count(*) FROM tidemill_revisions") > 0 {
            break;
        }
        assert!(all(&house.pipeline) == before, "nothing of it");
    }
    println!("{landed} kills landed in a replay");
    assert!(landed >= 3, "{landed} kills landed in it");
    let (code, said) = replay(&house, "thing", &["--with", with.to_str().expect("a path"), "--apply"]);
    assert!(code == 0 && said["same"] == true && said["revision"] == Value::Null, "it is there whole: {said:#}");
    audited(&house);
    rebuilt(&house);
    let daemon = house.start();
    daemon.settle();
    daemon.stop();
    audited(&house);
    assert_eq!(number(&house.pipeline, "SELECT max(revision) FROM tidemill_revisions"), 1);
    assert_eq!(fs::read_dir(house.data().join("spool")).expect("the spool").count(), 0, "nothing is left in the spool");
}

#[test]
fn a_running_pipeline_revises_its_history_and_goes_on() {
    let house = house("replay-running", "json", &changeling("good"), &[]);
    let daemon = house.start();
    send(&daemon, 0..1_000);
    daemon.settle();
    same(&house, "thing");
    let with = house.put("sieve.wasm", &changeling("sieve"));
    let with = ["--with", with.to_str().expect("a path"), "--to", "100000"];
    let stream = Stream::start(daemon.topics, 10_000);
    let (code, seen) = replay_live(&house, &daemon, &with);
    assert_eq!(code, 1, "{seen:#}");
    let (code, said) = replay_live(&house, &daemon, &[&with[..], &["--apply"]].concat());
    assert!(code == 0 && said["revision"] == 1, "{said:#}");
    let revised = said["records"].as_u64().expect("a number");
    assert!(revised >= 1_000 && revised >= seen["records"].as_u64().expect("a number"), "{said:#}");
    assert_eq!(said["rows"].as_array().map(Vec::len), Some(10));
    let sent = 1_000 + stream.end();
    goes_on_to(&house, &daemon, sent);
    audited(&house);
    same(&house, "thing");
    let count = |mark: &str| number(&house.pipeline, &format!("SELECT count(*) FROM thing WHERE mark = '{mark}'"));
    let ever = |mark: &str| number(&house.pipeline, &format!("SELECT things FROM ever WHERE mark = '{mark}'"));
    let good = sent - revised;
    assert_eq!([ever("sieve"), ever("twin")], [revised / 10 * 8, revised / 10], "tens of records are revised");
    assert_eq!((count("good"), count("sieve"), count("twin")), (good, revised / 10 * 7, revised / 10));
    assert!(good == 0 || ever("good") == good);
    send(&daemon, 90_000_000..90_000_100);
    daemon.settle();
    daemon.stop();
    assert_eq!(ever("good"), good + 100, "open windows go on from what they are now");
    audited(&house);
    rebuilt(&house);
    same(&house, "thing");
    let daemon = house.start();
    daemon.settle();
    daemon.stop();
    audited(&house);
}

fn goes_on_to(house: &House, daemon: &Daemon, sent: u64) {
    daemon.settle();
    let records = "SELECT sum(records_in) FROM tidemill_positions WHERE table_name = 'thing'";
    assert_eq!(number(&house.pipeline, records), sent);
}

#[test]
fn a_kill_of_the_pipeline_that_revises_itself_leaves_all_or_nothing() {
    let house = cleaned("replay-live-kills", "parquet", 20_000);
    let with = house.put("sieve.wasm", &changeling("sieve"));
    let revisions = || number(&house.pipeline, "SELECT count(*) FROM tidemill_revisions");
    let (mut landed, mut kills) = (0, 0);
    for moment in (30..).step_by(30) {
        let daemon = house.start();
        let mut child = Command::new(command());
        child.args(["replay", "thing", "--apply", "-p"]).arg(house.found(&daemon)).arg("--with").arg(&with);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tidemill starts");
        std::thread::park_timeout(Duration::from_millis(moment));
        let under_way = child.try_wait().expect("its state").is_none();
        daemon.kill();
        child.wait().expect("it ends");
        kills += 1;
        landed += u32::from(under_way);
        if revisions() > 0 {
            break;
        }
        let marks = query(&house.pipeline, "SELECT DISTINCT mark FROM thing");
        assert_eq!(marks[1..], ["good"], "nothing of it");
    }
    println!("{landed} of {kills} kills landed in a replay");
    assert!(landed >= 3, "{landed} kills landed in it");
    let (_, said) = replay(&house, "thing", &["--with", with.to_str().expect("a path")]);
    assert!(said["same"] == true, "it is there whole: {said:#}");
    audited(&house);
    rebuilt(&house);
    let daemon = house.start();
    daemon.settle();
    daemon.stop();
    audited(&house);
    same(&house, "thing");
}

#[test]
fn offsets_that_retention_removed_are_named_and_the_rest_is_run_again() {
    let small = (
        "[topics.thing]\npartitions = 2",
        "[topics.thing]\npartitions = 2\nsegment = \"64KiB\"\nrecord = \"16KiB\"\ncompression = \"none\"\nretention_size = \"64KiB\"",
    );
    let house = house("replay-retention", "json", &changeling("sieve"), &[small]);
    let daemon = house.start();
    for part in 0..8 {
        send(&daemon, part * 1_000..(part + 1) * 1_000);
        daemon.settle();
    }
    daemon.stop();
    // What retention does after a while: the oldest segments go.
    let folder = house.data().join("topics/thing/0");
    let files = fs::read_dir(&folder).expect("the partition").map(|entry| entry.expect("an entry").path());
    let mut segments: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    segments.sort();
    assert!(segments.len() > 1, "{segments:?}");
    fs::remove_file(&segments[0]).expect("it was there");
    let base: u64 = segments[1].file_stem().expect("a name").to_str().expect("text").parse().expect("an offset");
    let end = format!(
        "SELECT max(next_offset) FROM tidemill_ledger WHERE table_name = 'thing' AND partition = 0 AND from_offset < {base}"
    );
    let end = number(&house.pipeline, &end);
    let (code, said) = replay(&house, "thing", &[]);
    assert_eq!((code, &said["same"], &said["proven"]), (3, &json!(true), &json!(false)), "{said:#}");
    let gone = &said["not_provable"].as_array().expect("a list")[0];
    assert_eq!((&gone["partition"], &gone["from"], &gone["to"]), (&json!(0), &json!(0), &json!(end)), "{said:#}");
    assert!(gone["why"].as_str().expect("text").contains("retention"), "{said:#}");
    let total = number(&house.pipeline, "SELECT sum(records_in) FROM tidemill_positions WHERE table_name = 'thing'");
    let skipped = format!(
        "SELECT sum(records_in) FROM tidemill_ledger WHERE table_name = 'thing' AND partition = 0 AND next_offset <= {end}"
    );
    assert_eq!(said["records"], total - number(&house.pipeline, &skipped));
    // What is left is revised, what is gone stays as it was.
    let with = house.put("good.wasm", &changeling("good"));
    let (code, said) = replay(&house, "thing", &["--with", with.to_str().expect("a path"), "--apply"]);
    assert_eq!((code, &said["revision"]), (3, &json!(1)), "{said:#}");
    audited(&house);
    rebuilt(&house);
    let kept = format!("SELECT count(*) FROM thing WHERE mark <> 'good' AND (_partition <> 0 OR _offset >= {end})");
    assert_eq!(number(&house.pipeline, &kept), 0);
    let gone = format!("SELECT count(*) FROM thing WHERE mark = 'good' AND _partition = 0 AND _offset < {end}");
    assert_eq!(number(&house.pipeline, &gone), 0);
}
