//! Reads beside commits: neither waits for the other.

use tidemill_tests::daemon::query;
use tidemill_tests::http;
use tidemill_tests::things::{BATCH, Stream, goes_on};

use super::house;

/// While questions that never end read, and another program holds a state for as long as it likes, commits go on.
#[test]
fn endless_reads_hold_up_no_commit() {
    let house = house("queries-endless");
    let daemon = house.start();
    let held = rusqlite::Connection::open(house.data().join("cache.sqlite")).expect("the cache");
    held.execute_batch("BEGIN; SELECT count(*) FROM thing").expect("a state that is held");
    let admin = daemon.admin;
    let endless: Vec<_> = (0..3).map(|_| std::thread::spawn(move || http::get(admin, "/queries/endless"))).collect();
    let stream = Stream::start(daemon.topics, 0);
    let mut meanwhile = 0;
    while endless.iter().all(|asked| !asked.is_finished()) {
        goes_on(&daemon);
        let answer = http::get(admin, "/queries/marks");
        assert_eq!(answer.status, 200, "{answer:?}");
        meanwhile += u32::from(endless.iter().all(|asked| !asked.is_finished()));
    }
    assert!(meanwhile > 0, "records went on while they read");
    for asked in endless {
        let answer = asked.join().expect("an answer");
        assert!(answer.status == 503 && answer.body.contains("it took longer than 10s"), "{answer:?}");
    }
    let sent = stream.end();
    assert!(sent > BATCH);
    daemon.settle();
    drop(held);
    daemon.stop();
    house.audit(sent);
    assert_eq!(query(&house.pipeline, "marks")[1], format!("good,{sent},{}", sent - 1));
}
