//! Killed between the commit and what follows it: the outbox says what is left to do, and it is done once.

use std::fs;

use tidemill_tests::daemon::query;
use tidemill_tests::s3::{Fault, Reply, Server};

use crate::house::House;

/// So long that a request which hangs does so until the kill.
const LONG: &str = "timeout = \"100s\"\n";

/// Kills a pipeline while its `PUT`s meet `fault`, and starts it again.
fn check(name: &str, fault: Fault, stored: usize) {
    let is_ours = |key: &str| key.starts_with("one/");
    let server = Server::start(Default::default());
    let house = House::new(name, &["one", "other"], server.addr(), LONG);
    let daemon = house.start();
    // Once it is known that conditions are heeded here, an object's first request is its PUT.
    house.post(&daemon, "other", 1);
    daemon.settle();
    server.lasting("one", Some(fault));
    house.post(&daemon, "one", 50);
    // An object of each partition, and none of the two is known to have arrived.
    daemon.wait("both are on their way", |status| {
        let puts = server.seen().into_iter().filter(|seen| seen.method == "PUT" && is_ours(&seen.key)).count();
        let there = server.objects().keys().filter(|key| is_ours(key)).count();
        (puts, there) == (2, stored) && status["lake"]["waiting"]["objects"] == 2
    });
    daemon.kill();
    let outbox = || query(&house.pipeline, "SELECT key, file, sha256, rows FROM tidemill_objects ORDER BY id");
    let before = outbox();
    // What a crash leaves of an epoch, and of an object, that no commit names.
    let spool = house.pipeline.with_file_name("data").join("spool");
    for orphan in ["one+0+99+0.json", "object+one+0+0+0+99.json", "object+one+0+0+0+99.json.part"] {
        fs::write(spool.join(orphan), "{\"ind\":1}\n").expect("an orphan");
    }
    server.lasting("one", None);
    let daemon = house.start();
    daemon.settle();
    daemon.stop();
    assert_eq!(outbox(), before, "{name}: nothing is cut anew");
    house.prove(&server);
    assert!(server.history().values().all(|versions| versions.len() == 1), "{name}: it was stored once");
}

#[test]
fn killed_before_the_put_arrives_it_sends_the_same_bytes_to_the_same_key() {
    check("before-put", Fault::instead(Reply::Hang), 0);
}

#[test]
fn killed_after_the_put_and_before_the_commit_it_finds_its_own_object() {
    check("after-put", Fault::after(Reply::Hang), 2);
}

#[test]
fn killed_after_the_commit_and_before_the_clean_up_it_sends_nothing_again() {
    let server = Server::start(Default::default());
    let house = House::new("before-unlink", &["one"], server.addr(), LONG);
    let daemon = house.start();
    house.post(&daemon, "one", 50);
    daemon.settle();
    daemon.stop();
    // The spool as it was when the commit said that they had arrived.
    for line in &query(&house.pipeline, "SELECT key, file FROM tidemill_objects")[1..] {
        let (key, file) = line.split_once(',').expect("two columns");
        let spool = house.pipeline.with_file_name("data").join("spool");
        fs::write(spool.join(file), &server.objects()[key].bytes).expect("the file");
    }
    let puts = || server.seen().iter().filter(|seen| seen.method == "PUT").count();
    let before = puts();
    let daemon = house.start();
    daemon.settle();
    daemon.stop();
    assert_eq!(puts(), before);
    house.prove(&server);
}
