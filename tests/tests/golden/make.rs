//! How the folder of a release is made: a life with all that is kept, a second that is killed while its lake does not take a thing.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use tidemill_tests::daemon::{Daemon, query};
use tidemill_tests::http;
use tidemill_tests::place::{Folder, changeling, command, digest, rebuilt, replace};
use tidemill_tests::shim::Shim;

use super::house::{ARCHIVE, EXPECTED, House, done, post, this_release};

/// Numbers of a request.
const NUMBERS: u64 = 10;
/// Segments so small that some are sealed; an aggregate whose window stays open, and one whose windows close.
const PIPELINE: &str = r#"[pipeline]
name = "golden"
data = "data"
[listen]
topics = "127.0.0.1:0"
admin = "127.0.0.1:0"
[epoch]
time = "500ms"
[lake]
bucket = "golden"
endpoint = "embedded"
format = "parquet"
[topics.thing]
partitions = 2
segment = "64KiB"
record = "16KiB"
compression = "none"
[topics.other]
partitions = 1
[tables.thing]
topic = "thing"
transform = "thing.wasm"
key = ["ind"]
cache = ["ind", "mark"]
window = "5s"
[[tables.thing.aggregates]]
name = "ever"
by = ["mark"]
window = { kind = "tumbling", size = "876000h", time = "append" }
measures = { rows = "count()", total = "sum(ind)", least = "min(ind)", greatest = "max(mark)", mean = "mean(ind)", middle = "median(ind)", kinds = "count_distinct(ind)" }
[[tables.thing.aggregates]]
name = "soon"
by = ["mark"]
window = { kind = "tumbling", size = "2s", time = "append" }
measures = { rows = "count()" }
[tables.other]
topic = "other"
transform = "thing.wasm"
key = ["ind"]
cache = ["ind", "mark"]
window = "5s"
"#;

/// Makes the folder of this release anew.
pub(crate) fn make() {
    let folder = Folder::in_memory("golden-made");
    let pipeline = folder.write("pipeline.toml", PIPELINE);
    let first = changeling("sieve");
    let second = rebuilt(&first, "second");
    fs::write(folder.path().join("thing.wasm"), first).expect("the component");

    let daemon = Daemon::start(&pipeline);
    (0..10).for_each(|nth| drop(post(&daemon, nth, nth * NUMBERS..(nth + 1) * NUMBERS)));
    let other: Vec<String> = (0..50).map(|ind| format!("{{\"ind\":{ind},\"pad\":\"{}\"}}", "o".repeat(200))).collect();
    http::post_lines(daemon.topics, "other", other.iter().map(String::as_str), 25);
    daemon.settle();
    replace(&folder.path().join("thing.wasm"), &second);
    daemon.wait("the new version is in service", |status| {
        let taken = |table: &str| status["tables"][table]["digest"] == *digest(&second);
        taken("thing") && taken("other")
    });
    (10..20).for_each(|nth| drop(post(&daemon, nth, nth * NUMBERS..(nth + 1) * NUMBERS)));
    daemon.settle();
    daemon.stop();

    let data = folder.path().join("data");
    let none = folder.path().join("none");
    let rule = Some("EIO * lake-object 1+".to_owned());
    let shim = Shim { folder: data.clone(), log: "/dev/null".into(), rule, armed: None, healed: none, clock: None };
    let mut run = Command::new(command());
    shim.before(&mut run);
    let daemon = Daemon::spawn(run.arg("run").arg(&pipeline));
    let count = |sql: &str| query(&pipeline, sql)[1].parse::<u64>().expect("a number");
    post(&daemon, 20, 20 * NUMBERS..21 * NUMBERS);
    daemon.wait("an object waits", |_| count("SELECT count(*) FROM tidemill_objects WHERE delivered IS NULL") > 0);
    let last = post(&daemon, 21, 21 * NUMBERS..22 * NUMBERS);
    daemon.wait("segments wait", |_| count("SELECT count(*) FROM tidemill_segments") > 1);
    daemon.kill();
    fs::remove_dir_all(data.join("compiled")).expect("what was compiled, by this machine for this machine");
    fs::remove_file(data.join("lock")).expect("the lock");

    let release = this_release();
    fs::create_dir_all(&release).expect("its folder");
    let made = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    // The times of files to the nanosecond, and names of one file as such: the lake knows its objects by the former.
    let plain = ["--format=pax", "--pax-option=delete=atime,delete=ctime", "--sort=name", "--numeric-owner"];
    done(
        Command::new("tar")
            .args(plain)
            .args(["--owner=0", "--group=0", "-czf"])
            .arg(release.join(ARCHIVE))
            .arg("-C")
            .arg(folder.path())
            .args(["pipeline.toml", "thing.wasm", "data"]),
    );
    let mut expected = json!({ "made": made, "next": 22 * NUMBERS, "sequence": 21, "last": last.json()["offsets"] });
    fs::write(release.join(EXPECTED), expected.to_string()).expect("what has to come out");
    let house = House::unpack(&release);
    let daemon = house.start();
    daemon.settle();
    daemon.stop();
    expected["answers"] = house.answers();
    let text = serde_json::to_string_pretty(&expected).expect("JSON");
    fs::write(release.join(EXPECTED), text + "\n").expect("what has to come out");
}
