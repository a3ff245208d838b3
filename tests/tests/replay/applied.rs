//! What a replay found, written: there once, in every place, and history goes on from it.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::{Value, json};
use tidemill_tests::cli::done;
use tidemill_tests::daemon::{Daemon, query};
use tidemill_tests::letters::{all, number, sorted};
use tidemill_tests::place::{changeling, digest, root};
use tidemill_tests::things::{House, Stream};

use crate::house::{audited, house, in_force, replay, replay_live, same, send, send_users};
use crate::{cleaned, expected, redrive, runs, shown, shown_runs, windows};

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
    if format == "parquet"
        && let Some(counts) = by_the_readme(&house)
    {
        assert_eq!(counts, json!({ "good": 100, "sieve": 1_600, "twin": 200 }));
    }
    if let Some(was) = was {
        let mut now = in_force(&house);
        now.retain(|_, row| row["ind"].as_u64() < Some(5_000));
        assert!(now == expected(&was), "the lake's rows that count are those of a reference");
        let mut shown = shown(&house, "soon");
        shown.retain(|(_, mark), _| mark != "good");
        assert_eq!(shown, windows(&now));
        let mut shown = shown_runs(&house);
        shown.retain(|(_, mark, _)| mark != "good");
        assert_eq!(shown, runs(&now));
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
    if format == "json" {
        assert_eq!(shown_runs(&house), runs(&in_force(&house)), "what letters healed too late is in them too");
    }
    let sums = "SELECT sum(records_out), sum(dropped), sum(rejected), sum(rows) FROM tidemill_positions WHERE table_name = 'thing'";
    assert_eq!(query(&house.pipeline, sums)[1], "2100,0,0,2100");
}

/// What DuckDB finds in the lake by the query of the README, by mark.
fn by_the_readme(house: &House) -> Option<Value> {
    let Ok(python) = std::env::var("TIDEMILL_CLIENTS") else {
        println!(
            "DuckDB is not asked: TIDEMILL_CLIENTS names a Python with the packages of tests/clients/requirements.txt"
        );
        return None;
    };
    let text = fs::read_to_string(root().join("README.md")).expect("the README");
    let query = text.split("```sql\n").find(|block| block.contains("kind = 'v'")).expect("the query");
    let query = query.split("```").next().expect("its end");
    let mut child = Command::new(python);
    child.arg(root().join("tests/clients/in_force.py")).arg(house.data().join("lake/things/thing/**/*.parquet"));
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python");
    child.stdin.take().expect("its input").write_all(query.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{query}");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
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
        groups("runs", "window_end, mark, things, least, _revision"),
        groups("joined", "age, posts, oldest"),
    ];
    asked.iter().map(|sql| sorted(&house.pipeline, sql)).collect()
}

/// The cache made anew from the lake is what it was.
pub(crate) fn rebuilt(house: &House) {
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

/// Makes every third user of the lake a year older, and the sums of the objects those of what they are now.
fn grow_older(house: &House) -> u64 {
    let connection = Connection::open(house.data().join("cache.sqlite")).expect("the cache");
    let keys = query(&house.pipeline, "SELECT key FROM tidemill_objects WHERE table_name = 'user' ORDER BY key");
    let mut count = 0;
    for key in &keys[1..] {
        let file = house.data().join("lake/things").join(key);
        let text = fs::read_to_string(&file).expect("an object");
        let older = |line: &str| {
            let mut row: Value = serde_json::from_str(line).expect("a row");
            if row["ind"].as_u64().expect("a number").is_multiple_of(3) {
                row["age"] = json!(row["age"].as_u64().expect("a number") + 1);
                count += 1;
            }
            format!("{row}\n")
        };
        let text: String = text.lines().map(older).collect();
        fs::remove_file(&file).expect("it was there");
        fs::write(&file, &text).expect("it is altered");
        let sql = "UPDATE tidemill_objects SET bytes = ?, sha256 = ? WHERE key = ?";
        let bytes = i64::try_from(text.len()).expect("a size");
        assert_eq!(connection.execute(sql, (bytes, digest(text.as_bytes()), key)).expect("it runs"), 1);
    }
    count
}

#[test]
fn rows_that_were_altered_with_their_sums_are_put_right_and_windows_of_a_column_of_time_come_again() {
    let house = house("replay-older", "json", &changeling("good"), &[]);
    let daemon = house.start();
    for range in [0..700, 400..1_500, 1_200..2_000] {
        send_users(&daemon, range);
        daemon.settle();
    }
    daemon.stop();
    let late = number(&house.pipeline, "SELECT late FROM tidemill_aggregates WHERE aggregate = 'joined'");
    let kinds = query(&house.pipeline, "SELECT DISTINCT _closed FROM joined ORDER BY 1");
    assert!(late > 0 && kinds[1..] == ["0", "1"], "late rows, open windows and closed ones: {late} {kinds:?}");
    let before = content(&house);
    let older = grow_older(&house);
    let (code, said) = replay(&house, "user", &[]);
    assert_eq!(
        (code, &said["rows_changed"], &said["fields"]),
        (1, &json!(older), &json!({ "age": older })),
        "{said:#}"
    );
    // The cache has them as they were made: all windows in which one lies come to the same.
    assert_eq!((&said["groups_changed"], &said["left_out"]), (&json!({}), &json!([])), "{:#}", said["groups"]);
    let (code, said) = replay(&house, "user", &["--apply"]);
    assert_eq!((code, &said["revision"]), (0, &json!(1)), "{said:#}");
    assert!(content(&house) == before, "the cache had them right");
    audited(&house);
    rebuilt(&house);
    same(&house, "user");
}
