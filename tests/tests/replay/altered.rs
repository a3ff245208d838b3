//! Revisions that are altered behind the pipeline's back.

use std::fs;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use tidemill_tests::daemon::{query, tidemill};
use tidemill_tests::place::changeling;

use crate::cleaned;
use crate::house::{audited, replay};

/// What somebody does to a data folder.
type Sabotage = Box<dyn Fn(&Path)>;

#[test]
fn what_is_altered_of_a_revision_is_named_by_the_audit() {
    let house = cleaned("replay-sabotage", "json", 2_000);
    let with = house.put("sieve.wasm", &changeling("sieve"));
    replay(&house, "thing", &["--with", with.to_str().expect("a path"), "--apply"]);
    let daemon = house.start();
    daemon.settle();
    daemon.stop();
    audited(&house);
    let key =
        "SELECT key FROM tidemill_objects WHERE table_name = 'thing' AND revision = 1 AND rows > 0 ORDER BY id LIMIT 1";
    let key = query(&house.pipeline, key)[1].clone();
    let line = "table_name = 'thing' AND partition = 0 AND epoch = 1 AND revision = 1";
    let sql = |sql: String| {
        move |data: &Path| {
            let connection = Connection::open(data.join("cache.sqlite")).expect("the cache");
            assert!(connection.execute(&sql, []).expect("it runs") > 0, "{sql}");
        }
    };
    let object = {
        let key = key.clone();
        move |data: &Path| fs::remove_file(data.join("lake/things").join(&key)).expect("it was there")
    };
    let named = format!("UPDATE tidemill_objects SET next_offset = next_offset + 1 WHERE key = '{key}'");
    let sabotages: [(&str, Sabotage); 8] = [
        (&key, Box::new(object)),
        ("its cuts", Box::new(sql(format!("UPDATE tidemill_revisions SET rows = rows + 1 WHERE {line}")))),
        ("dead letters wait", Box::new(sql(format!("UPDATE tidemill_revisions SET rejected = rejected + 1, dropped = dropped - 1 WHERE {line}")))),
        ("no object has its", Box::new(sql(format!("DELETE FROM tidemill_objects WHERE key = '{key}'")))),
        ("epochs 1 to", Box::new(sql(named))),
        ("dead letters wait", Box::new(sql("DELETE FROM tidemill_dead_letters WHERE rowid = (SELECT min(rowid) FROM tidemill_dead_letters WHERE rejected_by = 1)".to_owned()))),
        ("is not the latest that the lake has", Box::new(sql("UPDATE thing SET mark = 'good' WHERE ind = 10".to_owned()))),
        ("than it was made", Box::new(sql("UPDATE tidemill_measures_soon SET things = things + 1 WHERE _group IN (SELECT _group FROM soon WHERE mark = 'twin' AND _closed = 1)".to_owned()))),
    ];
    for (nth, (expected, sabotage)) in sabotages.iter().enumerate() {
        let copy = house.pipeline.with_file_name(format!("copy-{nth}"));
        assert!(Command::new("cp").arg("-a").arg(house.data()).arg(&copy).status().expect("cp").success());
        sabotage(&copy);
        let pipeline = house.pipeline.to_str().expect("a path");
        let output = tidemill(["audit", pipeline, "--data", copy.to_str().expect("a path"), "--json"]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && said.contains(expected), "{expected}: {said}");
        fs::remove_dir_all(&copy).expect("the copy");
    }
    audited(&house);
}
