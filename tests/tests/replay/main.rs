//! History run again: the same where nothing was changed, what a reference says where something was; written once, or not at all.

mod altered;
mod applied;
mod house;
mod kills;
mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};
use tidemill::time::Timestamp;
use tidemill_tests::cli::{done, failed};
use tidemill_tests::daemon::{Daemon, query};
use tidemill_tests::letters::{all, number, put_in_service};
use tidemill_tests::place::{changeling, digest};
use tidemill_tests::things::House;

use self::applied::rebuilt;
use self::house::{APART, Place, audited, house, in_force, replay, same, send, send_users};

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

/// The groups of things that came less than a little while apart, out of rows: when the first came, the mark, how many.
fn runs(rows: &BTreeMap<Place, Value>) -> BTreeSet<(i64, String, u64)> {
    let mut times: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for row in rows.values() {
        let time = Timestamp::parse(row["_time"].as_str().expect("a time")).expect("a time");
        times.entry(row["mark"].as_str().expect("a mark")).or_default().push(time.0);
    }
    let mut runs = BTreeSet::new();
    for (mark, mut times) in times {
        times.sort_unstable();
        let run = |run: &[i64]| (run[0], mark.to_owned(), run.len() as u64);
        runs.extend(times.chunk_by(|one, next| next - one < APART).map(run));
    }
    runs
}

fn shown_runs(house: &House) -> BTreeSet<(i64, String, u64)> {
    let of =
        |((start, mark), count): ((String, String), u64)| (Timestamp::parse(&start).expect("a time").0, mark, count);
    shown(house, "runs").into_iter().map(of).collect()
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
    assert!(differ.keys().eq(was.keys().chain(now.keys()).collect::<BTreeSet<_>>()), "each row once");
    // Of each second the good ones go, and others come.
    let (old, new) = (windows(&was), windows(&now));
    assert_eq!(shown(&house, "soon"), old);
    let (old_runs, new_runs) = (runs(&was), runs(&now));
    assert_eq!(shown_runs(&house), old_runs);
    let groups = json!({ "ever": 3, "soon": old.len() + new.len(), "runs": old_runs.len() + new_runs.len() });
    assert_eq!(said["groups_changed"], groups, "{said:#}");
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
