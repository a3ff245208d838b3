//! Kills while a revision is written.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tidemill_tests::daemon::query;
use tidemill_tests::letters::{all, number};
use tidemill_tests::place::{changeling, command};

use crate::applied::rebuilt;
use crate::cleaned;
use crate::house::{audited, replay, same};

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
