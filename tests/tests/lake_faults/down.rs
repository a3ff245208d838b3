//! While the lake is away posts are taken and processed, up to a bound of the spool; then workers wait, and it heals by itself.

use serde_json::Value;
use tidemill_tests::daemon::Daemon;
use tidemill_tests::s3::{Fault, Reply, Server};

use crate::house::{House, SHORT};

/// What two tables may spool: half of it each.
const SPOOL: &str = "spool = \"2MiB\"\n";
const SHARE_BYTES: u64 = 1 << 20;
/// Records that workers may have in hand when they begin to wait: a request's for each.
const IN_HAND: u64 = 2_000;
/// Epochs that may be under way when the share is used up, of the posts below.
const UNDER_WAY_BYTES: u64 = 2 << 20;
/// Memory that posts may take while workers wait; what is posted is more.
const MEMORY_MB_MAX: u64 = 24;

fn offsets(status: &Value, table: &str) -> (u64, u64) {
    let workers = &status["tables"][table]["workers"];
    let read = ["0", "1"].iter().filter_map(|partition| workers[partition]["next"].as_u64()).sum();
    let ends = status["topics"][table].as_array().expect("partitions").iter();
    (read, ends.filter_map(|partition| partition["end"].as_u64()).sum())
}

/// Whether a table says that its share of the spool is used up, and that it waits.
fn is_full(status: &Value, table: &str) -> bool {
    let troubles = status["tables"][table]["troubles"].as_array().cloned().unwrap_or_default();
    let spool = format!("table {table:?}, spool");
    let told = troubles.iter().any(|trouble| trouble["what"] == *spool && trouble["hint"].is_string());
    let (read, end) = offsets(status, table);
    told && read < end
}

fn spooled(house: &House, table: &str) -> u64 {
    let of_table = |name: &str| name.starts_with(&format!("{table}+")) || name.starts_with(&format!("object+{table}+"));
    let files =
        house.spool().into_iter().filter(|file| of_table(&file.file_name().unwrap_or_default().to_string_lossy()));
    // A file may have become part of another meanwhile.
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

/// Posts to `table` until it waits, and more after that.
fn fill(house: &House, daemon: &Daemon, table: &str) {
    daemon.wait("the share is used up", |status| {
        let full = is_full(status, table);
        if !full {
            house.post(daemon, table, 1_000);
        }
        full
    });
}

#[test]
fn posts_go_on_and_workers_wait_at_the_bound_of_the_spool_until_the_lake_is_back() {
    let server = Server::start(Default::default());
    let house = House::new("down", &["large", "small"], server.addr(), &format!("{SHORT}{SPOOL}"));
    let daemon = house.start();
    server.outage(Some(Fault::instead(Reply::Status(503, "SlowDown"))));
    fill(&house, &daemon, "large");
    let (read, _) = offsets(&daemon.status(), "large");
    let (_, memory) = daemon.used();
    for _ in 0..20 {
        house.post(&daemon, "large", 2_000);
        house.post(&daemon, "small", 1);
    }
    let bytes = spooled(&house, "large");
    assert!((SHARE_BYTES..SHARE_BYTES + UNDER_WAY_BYTES).contains(&bytes), "{bytes} bytes are spooled");
    let (_, more) = daemon.used();
    assert!(more < memory + MEMORY_MB_MAX, "{memory} MB when it began to wait, {more} MB later");
    // The other table has its share to itself.
    let posted = house.posted("small") as u64;
    let status = daemon.wait("the other table goes on", |status| offsets(status, "small") == (posted, posted));
    assert!(is_full(&status, "large") && !is_full(&status, "small"));
    assert_eq!(status["trouble"][0]["what"], "table \"large\", spool");
    let (still, end) = offsets(&status, "large");
    // What the workers had in hand when the share was used up is handed over.
    assert!(
        (read..=read + IN_HAND).contains(&still) && end == house.posted("large") as u64,
        "{read} records were read, then {still} of {end}"
    );

    // It starts, takes and waits while there is still no lake, in whatever way that is not there.
    server.outage(Some(Fault::instead(Reply::ResetEarly)));
    daemon.kill();
    let daemon = house.start();
    daemon.wait("it waits again", |status| is_full(status, "large"));
    house.post(&daemon, "large", 1_000);
    house.post(&daemon, "small", 1);

    server.outage(None);
    daemon.settle();
    daemon.wait("nothing is wrong any more", |status| status["trouble"] == Value::Array(Vec::new()));
    let (_, most) = daemon.used();
    daemon.stop();
    house.prove(&server);
    let posted = house.posted("large");
    println!(
        "{posted} records taken, {read} of them read until {bytes} bytes were spooled; {memory} to {more} MB, then {most} MB"
    );
}

#[test]
fn a_table_whose_uploads_hang_holds_up_no_other() {
    let server = Server::start(Default::default());
    let tables = ["stuck", "one", "two"];
    // So long that none of its uploads gives up in time.
    let house = House::new("stuck", &tables, server.addr(), "timeout = \"100s\"\n");
    let daemon = house.start();
    // Once it is known that conditions are heeded here, an object's first request is its PUT.
    house.post(&daemon, "one", 1);
    daemon.settle();
    server.lasting("stuck", Some(Fault::instead(Reply::Hang)));
    let puts = || server.seen().iter().filter(|seen| seen.method == "PUT" && seen.key.starts_with("stuck/")).count();
    for windows in 1..=2 {
        house.post(&daemon, "stuck", 5);
        daemon.wait("its uploads hang", |_| puts() >= 2 * windows);
    }
    assert_eq!(puts(), 4, "as many as a table has at one time");
    for _ in 0..2 {
        ["one", "two"].iter().for_each(|table| house.post(&daemon, table, 5));
        ["one", "two"].iter().for_each(|table| house.arrived(&daemon, &server, table));
    }
    server.lasting("stuck", None);
    daemon.kill();
    let daemon = house.start();
    daemon.settle();
    daemon.stop();
    house.prove(&server);
}
