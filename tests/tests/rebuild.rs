//! The cache's rows are made anew from the lake to the same content; whose file and bucket it is has to agree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use tidemill::emulate::population::Population;
use tidemill_tests::cli::{done, failed};
use tidemill_tests::daemon::{Daemon, pinterest, query, tidemill};
use tidemill_tests::letters::{AGGREGATES, all, put_in_service, sorted};
use tidemill_tests::place::{Folder, changeling, command};
use tidemill_tests::things::House;
use tidemill_tests::{fill, http};

/// What is posted now stays in the spool, and its groups stay open, even where a minute ends meanwhile.
const WINDOWS: [(&str, &str); 2] = [
    ("window = \"10s\"", "window = \"1h\""),
    ("size = \"1m\", time = \"append\"", "size = \"1m\", lateness = \"1h\", time = \"append\""),
];

/// A pipeline that has worked off what was posted two hours ago, and a little that was posted now; it has ended.
fn ended(folder: &Folder, rows: u64, replace: &[(&str, &str)]) -> PathBuf {
    let population = Population::new(rows, 5);
    for (name, row) in fill::TABLES {
        let records = (0..rows + rows / 4).map(|nth| {
            let mut value = Vec::new();
            row(&population, nth % rows, &mut value);
            if nth % 500 == 77 {
                value.truncate(value.len() / 2);
            }
            value
        });
        fill::topic(&folder.path().join("data"), name, records.collect::<Vec<_>>().into_iter());
    }
    let pipeline = pinterest(folder.path(), &[&WINDOWS, replace].concat());
    let daemon = Daemon::start(&pipeline);
    daemon.settle();
    for (name, row) in fill::TABLES {
        let values = (0..500).map(|index| {
            let mut value = Vec::new();
            row(&population, index * 3, &mut value);
            String::from_utf8(value).expect("JSON")
        });
        http::post_lines(daemon.topics, name, values.collect::<Vec<_>>().iter().map(String::as_str), 100);
    }
    let total = 3 * (rows + rows / 4 + 500);
    let committed = "SELECT sum(next_offset) FROM tidemill_positions";
    daemon.wait("all is committed", |_| query(&pipeline, committed)[1] == total.to_string());
    daemon.stop();
    pipeline
}

fn cache(pipeline: &Path) -> PathBuf {
    pipeline.with_file_name("data").join("cache.sqlite")
}

/// What another program does to the cache's file.
fn alter(cache: &Path, sql: &str) {
    let connection = Connection::open(cache).expect("the cache");
    connection.busy_timeout(Duration::from_secs(10)).expect("a time-out");
    connection.execute_batch(sql).expect("it is altered");
}

fn rebuild(pipeline: &Path) -> String {
    done(pipeline.parent().expect("a folder"), &["cache", "rebuild", pipeline.to_str().expect("a path")], "").0
}

fn refused(pipeline: &Path, command: &[&str]) -> String {
    let arguments = [command, &[pipeline.to_str().expect("a path")]].concat();
    failed(pipeline.parent().expect("a folder"), &arguments)
}

/// Every table and view, with their rows as text, but for the numbers of groups whose windows have closed.
fn content(pipeline: &Path) -> Vec<(String, Vec<String>)> {
    let mut content = all(pipeline);
    let views = query(pipeline, "SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY 1");
    content.extend(views[1..].iter().map(|name| (name.clone(), sorted(pipeline, &format!("SELECT * FROM {name}")))));
    for (name, rows) in &mut content {
        let columns = query(pipeline, &format!("SELECT name FROM pragma_table_info('{name}')"));
        if columns.contains(&"_group".to_owned()) {
            let shown: Vec<&str> =
                columns[1..].iter().map(String::as_str).filter(|column| *column != "_group").collect();
            // A rollup's groups have no windows, and are numbered as they come.
            let closes = columns.contains(&"_closed".to_owned());
            let group = if closes { "iif(_closed, NULL, _group)" } else { "NULL" };
            *rows = sorted(pipeline, &format!("SELECT {}, {group} FROM {name}", shown.join(", ")));
        }
    }
    // What stands behind the groups of rollups goes by their numbers.
    content.retain(|(name, _)| !["tidemill_rolled", "tidemill_stretches"].contains(&name.as_str()));
    content.sort();
    content
}

fn same(expected: &[(String, Vec<String>)], got: &[(String, Vec<String>)]) {
    let names = |of: &[(String, Vec<String>)]| of.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(expected), names(got));
    for ((name, expected), (_, got)) in expected.iter().zip(got) {
        let first = expected.iter().zip(got).find(|(one, other)| one != other);
        assert!(expected == got, "{name}: {} lines and {}: {first:?}", expected.len(), got.len());
    }
}

fn damage_is_healed(name: &str, format: &str) {
    let folder = Folder::new(name);
    let pipeline = ended(&folder, 4000, &[("format = \"parquet\"", &format!("format = \"{format}\""))]);
    let expected = content(&pipeline);
    let rows = |table: &str| expected.iter().find(|(name, _)| name == table).expect("a table").1.len() as u64 - 1;
    assert!(rows("pin") > 3900 && rows("tidemill_dead_letters") > 0);
    assert!(rows("tidemill_segments") > 0 && rows("tidemill_objects") > 0 && rows("tidemill_groups") > 0);
    let kinds = query(&pipeline, "SELECT DISTINCT _closed FROM pins_per_category ORDER BY 1");
    assert_eq!(kinds[1..], ["0", "1"], "open windows and closed ones");

    alter(
        &cache(&pipeline),
        "DELETE FROM pin WHERE ind % 3 = 0; UPDATE pin SET category = 'another', _offset = _offset + 1000000 WHERE ind % 3 = 1; \
         UPDATE geo SET country = NULL; ALTER TABLE geo ADD COLUMN mine TEXT; DROP TABLE user; DROP VIEW top_user_by_country; \
         DELETE FROM pins_per_category; DROP VIEW joined_per_month; UPDATE posts_per_country SET posts = posts + 1;",
    );
    let said = refused(&pipeline, &["run"]);
    assert!(said.contains("another program has") && said.contains("tidemill cache rebuild"), "{said}");
    let said = rebuild(&pipeline);
    assert!(said.contains("pin: ") && !said.contains("left out"), "{said}");
    same(&expected, &content(&pipeline));
    assert_eq!(query(&pipeline, "SELECT * FROM pragma_integrity_check")[1..], ["ok"]);
    rebuild(&pipeline);
    same(&expected, &content(&pipeline));

    // It goes on from there: open windows take more, and close.
    let daemon = Daemon::start(&pipeline);
    http::post_lines(daemon.topics, "pin", ["{\"index\":1,\"category\":\"art\"}"], 1);
    daemon.wait("it is committed", |_| {
        query(&pipeline, "SELECT sum(records_in) FROM tidemill_positions WHERE table_name = 'pin'")[1] == "5501"
    });
    daemon.stop();
}

#[test]
fn what_was_altered_or_dropped_is_the_same_again_from_parquet() {
    damage_is_healed("rebuild-parquet", "parquet");
}

#[test]
fn what_was_altered_or_dropped_is_the_same_again_from_json() {
    damage_is_healed("rebuild-json", "json");
}

#[test]
fn a_rebuild_that_is_killed_leaves_the_old_rows_or_the_new() {
    let folder = Folder::new("rebuild-kills");
    let pipeline = ended(&folder, 16_000, &[]);
    let expected = content(&pipeline);
    alter(
        &cache(&pipeline),
        "DELETE FROM pin WHERE ind % 2 = 0; UPDATE geo SET country = 'x'; DELETE FROM posts_per_country",
    );
    let rows = || ["pin", "geo", "posts_per_country"].map(|table| sorted(&pipeline, &format!("SELECT * FROM {table}")));
    let damaged = rows();
    let mut landed = 0;
    for moment in (0..).step_by(12) {
        let mut child = Command::new(command());
        child.args(["cache", "rebuild"]).arg(&pipeline).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = child.spawn().expect("tidemill starts");
        std::thread::park_timeout(Duration::from_millis(moment));
        if let Some(ended) = child.try_wait().expect("its state") {
            assert!(ended.success(), "it ends well");
            break;
        }
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        landed += 1;
        if rows() != damaged {
            // The kill came between the commit and the end.
            same(&expected, &content(&pipeline));
            alter(
                &cache(&pipeline),
                "DELETE FROM pin WHERE ind % 2 = 0; UPDATE geo SET country = 'x'; DELETE FROM posts_per_country",
            );
        }
    }
    println!("{landed} kills landed in a rebuild");
    assert!(landed >= 3, "{landed} kills landed in it");
    same(&expected, &content(&pipeline));
}

/// A pipeline of things that has had records, some of which were redriven; it has ended.
fn things(name: &str, replace: &[(&str, &str)]) -> House {
    let house = House::with(name, &changeling("rejects"), &[&[AGGREGATES], replace].concat());
    let daemon = house.start();
    let values: Vec<String> = (0..300).map(|ind| format!("{{\"ind\":{ind}}}")).collect();
    http::post_lines(daemon.topics, "thing", values[..200].iter().map(String::as_str), 50);
    daemon.settle();
    put_in_service(&house, &daemon, &changeling("good"));
    http::post_lines(daemon.topics, "thing", values[150..].iter().map(String::as_str), 50);
    daemon.settle();
    let found = house.found(&daemon);
    done(
        found.parent().expect("a folder"),
        &["dead-letters", "redrive", found.to_str().expect("a path"), "--all", "--apply"],
        "",
    );
    daemon.settle();
    daemon.stop();
    house
}

#[test]
fn what_a_redrive_has_healed_is_rebuilt_too() {
    let house = things("rebuild-healed", &[]);
    let expected = content(&house.pipeline);
    assert_eq!(query(&house.pipeline, "SELECT count(*) FROM thing")[1], "300");
    alter(&cache_of(&house), "DELETE FROM thing; DELETE FROM ever; DELETE FROM soon");
    rebuild(&house.pipeline);
    same(&expected, &content(&house.pipeline));
}

fn cache_of(house: &House) -> PathBuf {
    house.data().join("cache.sqlite")
}

#[test]
fn nothing_is_rebuilt_beside_a_running_pipeline_or_from_a_lake_that_is_not_whole() {
    let house = things("rebuild-refused", &[]);
    let expected = content(&house.pipeline);
    let daemon = house.start();
    let said = refused(&house.pipeline, &["cache", "rebuild"]);
    assert!(said.contains("in use by process"), "{said}");
    daemon.stop();
    let key = query(&house.pipeline, "SELECT key FROM tidemill_objects WHERE table_name = 'thing' ORDER BY id LIMIT 1")
        [1]
    .clone();
    let object = house.data().join("lake/things").join(&key);
    let bytes = fs::read(&object).expect("the object");
    fs::remove_file(&object).expect("it goes");
    let said = refused(&house.pipeline, &["cache", "rebuild"]);
    assert!(said.contains(&format!("object {key:?}: the bucket does not have it")), "{said}");
    let mut other = bytes.clone();
    other[bytes.len() / 2] ^= 1;
    fs::write(&object, other).expect("it is altered");
    let said = refused(&house.pipeline, &["cache", "rebuild"]);
    assert!(said.contains(&format!("object {key:?}: its sha256 is")), "{said}");
    same(&expected, &content(&house.pipeline));
    fs::remove_file(&object).expect("it goes");
    fs::write(&object, bytes).expect("it comes back");
    rebuild(&house.pipeline);
    same(&expected, &content(&house.pipeline));
}

#[test]
fn a_column_dropped_between_two_commits_stops_the_pipeline_and_a_rebuild_mends_it() {
    let house = House::new("rebuild-drift", &changeling("good"));
    let mut daemon = house.start();
    let values: Vec<String> = (0..400).map(|ind| format!("{{\"ind\":{ind}}}")).collect();
    let send = |daemon: &Daemon, part: &[String]| {
        http::post_lines(daemon.topics, "thing", part.iter().map(String::as_str), 50);
    };
    send(&daemon, &values[..200]);
    daemon.settle();
    alter(&cache_of(&house), "ALTER TABLE thing DROP COLUMN mark");
    send(&daemon, &values[200..]);
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while daemon.is_running() {
        assert!(std::time::Instant::now() < end, "it ends by itself");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let said = refused(&house.pipeline, &["run"]);
    assert!(said.contains("table \"thing\": another program has altered it"), "{said}");
    rebuild(&house.pipeline);
    let daemon = house.start();
    daemon.settle();
    daemon.stop();
    assert_eq!(house.audit(400), ["good"]);
}

/// Moves a cache's file away, with what SQLite keeps beside it.
fn take_away(house: &House, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for name in ["cache.sqlite", "cache.sqlite-wal", "cache.sqlite-shm"] {
        let file = house.data().join(name);
        if file.exists() {
            fs::rename(file, to.join(name)).expect("it moves");
        }
    }
}

#[test]
fn a_bucket_that_was_written_is_not_begun_anew_and_no_other_file_takes_its_place() {
    let (house, twin) = (things("owner", &[]), things("owner-twin", &[]));
    let expected = content(&house.pipeline);
    let away = house.data().with_file_name("away");
    take_away(&house, &away);
    let id = query(&twin.pipeline, "SELECT instance FROM tidemill_pipeline")[1].clone();
    for command in ["run", "cache rebuild"] {
        let said = refused(&house.pipeline, &command.split(' ').collect::<Vec<_>>());
        assert!(said.contains("it is not there") && said.contains("put the file back"), "{said}");
        assert!(!cache_of(&house).exists(), "nothing was begun");
    }
    // The file of another pipeline, which has the same name.
    fs::copy(cache_of(&twin), cache_of(&house)).expect("a copy");
    let said = refused(&house.pipeline, &["run"]);
    assert!(said.contains("bucket \"things\": it is that of pipeline \"things\"") && !said.contains(&id), "{said}");
    fs::remove_file(cache_of(&house)).expect("it goes");
    fs::rename(away.join("cache.sqlite"), cache_of(&house)).expect("it comes back");
    let daemon = house.start();
    daemon.settle();
    daemon.stop();
    let rows = |content: &[(String, Vec<String>)]| content.iter().find(|(name, _)| name == "thing").cloned();
    assert_eq!(rows(&content(&house.pipeline)), rows(&expected));
}

#[test]
fn another_pipelines_bucket_or_file_is_refused() {
    let house = things("foreign", &[]);
    let other = things("foreign-other", &[("name = \"things\"", "name = \"others\"")]);
    let away = other.data().with_file_name("away");
    // A first start on a bucket that another has.
    take_away(&other, &away);
    fs::remove_dir_all(other.data().join("lake")).expect("it goes");
    assert!(
        Command::new("cp").arg("-r").arg(house.data().join("lake")).arg(other.data()).status().expect("cp").success()
    );
    let said = refused(&other.pipeline, &["run"]);
    assert!(said.contains("it is that of pipeline \"things\"") && said.contains("of its own"), "{said}");
    // Another's file.
    fs::copy(cache_of(&house), cache_of(&other)).expect("a copy");
    for command in ["run", "cache rebuild"] {
        let said = refused(&other.pipeline, &command.split(' ').collect::<Vec<_>>());
        assert!(said.contains("it is pipeline \"things\"'s, not \"others\"'s"), "{said}");
    }
}

#[test]
fn a_rotten_segment_is_landed_by_nobody_and_taken_when_it_is_whole_again() {
    let house = House::with("rebuild-rot", &changeling("good"), &[("window = \"1s\"", "window = \"1h\"")]);
    let send = |daemon: &Daemon, from: u64| {
        let values: Vec<String> = (from..from + 100).map(|ind| format!("{{\"ind\":{ind}}}")).collect();
        http::post_lines(daemon.topics, "thing", values.iter().map(String::as_str), 50);
        let all = (from + 100).to_string();
        daemon.wait("all is committed", |_| {
            query(&house.pipeline, "SELECT sum(next_offset) FROM tidemill_positions")[1] == all
        });
    };
    let daemon = house.start();
    send(&daemon, 0);
    daemon.stop();
    let segment =
        query(&house.pipeline, "SELECT file FROM tidemill_segments WHERE partition = 0 ORDER BY file LIMIT 1");
    let segment = house.data().join("spool").join(&segment[1]);
    let written = fs::read(&segment).expect("the segment");
    // Its window is over with the next start.
    let text = fs::read_to_string(&house.pipeline).expect("the pipeline file");
    fs::write(&house.pipeline, text.replace("window = \"1h\"", "window = \"1s\"")).expect("it is written");
    let (flipped, cut) = (written.len() / 2, written.len() / 3);
    let rotten = [[&written[..flipped], b"?", &written[flipped + 1..]].concat(), written[..cut].to_vec()];
    for (nth, rotten) in rotten.into_iter().enumerate() {
        fs::write(&segment, rotten).expect("it is altered");
        let said = refused(&house.pipeline, &["cache", "rebuild"]);
        assert!(said.contains("its sha256 is"), "{said}");
        let audited = tidemill(["audit", house.pipeline.to_str().expect("a path")]);
        let said = String::from_utf8_lossy(&audited.stdout);
        assert!(!audited.status.success() && said.contains("in the spool is not there as it was written"), "{said}");
        let daemon = house.start();
        daemon
            .wait("it is told", |status| status.to_string().contains("its bytes have changed since they were written"));
        let landed = "SELECT count(*) FROM tidemill_objects WHERE delivered IS NOT NULL AND partition =";
        daemon.wait("others land", |_| query(&house.pipeline, &format!("{landed} 1"))[1] != "0");
        assert_eq!(query(&house.pipeline, &format!("{landed} 0"))[1], "0");
        http::post_lines(daemon.topics, "thing", [r#"{"ind":7}"#].into_iter().cycle().take(10 + nth), 5);
        daemon.stop();
    }
    fs::write(&segment, &written).expect("it is back");
    let daemon = house.start();
    daemon.settle();
    daemon.stop();
    assert_eq!(query(&house.pipeline, "SELECT count(*) FROM thing")[1], "100");
    done(house.data().parent().expect("a folder"), &["audit", house.pipeline.to_str().expect("a path")], "");
}

#[test]
fn a_copy_of_the_cache_that_is_older_than_the_bucket_doubles_no_row() {
    let house = House::new("rebuild-older", &changeling("good"));
    let send = |daemon: &Daemon, from: u64| {
        let values: Vec<String> = (from..from + 100).map(|ind| format!("{{\"ind\":{ind}}}")).collect();
        http::post_lines(daemon.topics, "thing", values.iter().map(String::as_str), 50);
    };
    let (older, newest) = (house.data().with_file_name("older"), house.data().with_file_name("newest"));
    for from in [0, 100] {
        let daemon = house.start();
        send(&daemon, from);
        daemon.settle();
        daemon.stop();
        if from == 0 {
            fs::create_dir(&older).expect("a folder");
            fs::copy(cache_of(&house), older.join("cache.sqlite")).expect("a copy");
        }
    }
    let objects = "SELECT count(*), sum(rows) FROM tidemill_objects";
    let before = query(&house.pipeline, objects);
    take_away(&house, &newest);
    fs::copy(older.join("cache.sqlite"), cache_of(&house)).expect("an old copy");
    let known = query(&house.pipeline, objects);
    assert_ne!(known, before);
    let daemon = house.start();
    daemon.wait("it is told", |status| status.to_string().contains("it is older than the bucket"));
    send(&daemon, 200);
    daemon.stop();
    assert_eq!(query(&house.pipeline, objects), known, "nothing was written to the lake");
    take_away(&house, &house.data().with_file_name("used"));
    fs::rename(newest.join("cache.sqlite"), cache_of(&house)).expect("the newest is back");
    let daemon = house.start();
    daemon.settle();
    daemon.stop();
    assert_eq!(query(&house.pipeline, "SELECT sum(rows) FROM tidemill_objects WHERE delivered > 0")[1], "300");
    assert_eq!(query(&house.pipeline, "SELECT count(*) FROM thing")[1], "300");
    done(house.data().parent().expect("a folder"), &["audit", house.pipeline.to_str().expect("a path")], "");
}
