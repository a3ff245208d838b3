//! Topics of objects: what a raw landing left in a bucket is read below its prefix, once each, whatever happens.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tidemill_tests::daemon::{Daemon, query};
use tidemill_tests::http;
use tidemill_tests::place::Folder;

/// Records that were landed, each in an object of its own.
const RECORDS: u64 = 2_000;
/// Kills that have to come before all is read.
const KILLS: u32 = 10;
const BUCKET: &str = "user-raw-bucket";

/// A pipeline without a table.
fn pipeline(folder: &Path, lake: &str, sections: &str) -> std::path::PathBuf {
    fs::create_dir_all(folder).expect("a folder");
    let text = format!(
        "[pipeline]\nname = \"objects\"\ndata = \"data\"\n[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
         [epoch]\ntime = \"20ms\"\n[lake]\nbucket = \"{BUCKET}\"\nendpoint = \"{lake}\"\n{sections}"
    );
    let file = folder.join("pipeline.toml");
    fs::write(&file, text).expect("the pipeline file");
    file
}

fn lines() -> Vec<String> {
    (0..RECORDS).map(|line| format!("{{\"line\":{line},\"text\":\"ä {line}\"}}")).collect()
}

/// A pipeline that lands what is posted, an object a record.
fn landing(folder: &Path, more: &str) -> std::path::PathBuf {
    let sections = format!("[topics.pin]\npartitions = 2\n[landings.raw]\ntopics = [\"pin\"]\nflush = 1\n{more}");
    pipeline(folder, "embedded", &sections)
}

/// The records of all objects in folders of a pipeline's bucket, by folder and key.
fn records(pipeline: &Path, folders: &[&str]) -> Vec<String> {
    let mut text = String::new();
    for folder in folders {
        let folder = pipeline.join(format!("data/lake/{BUCKET}/{folder}"));
        let mut objects: Vec<_> =
            fs::read_dir(folder).expect("objects").map(|entry| entry.expect("an entry").path()).collect();
        objects.sort();
        text.extend(objects.iter().map(|object| fs::read_to_string(object).expect("an object")));
    }
    text.lines().map(str::to_owned).collect()
}

#[test]
fn what_a_landing_left_is_read_once_through_kills() {
    let folder = Folder::in_memory("objects-kills");
    let first = folder.path().join("first");
    let from = Daemon::start(&landing(&first, ""));
    let lines = lines();
    http::post_lines(from.topics, "pin", lines.iter().map(String::as_str), 500);
    from.settle();
    let expected = records(&first, &["topics/pin/partition=0", "topics/pin/partition=1"]);
    let mut sorted = (expected.clone(), lines);
    sorted.0.sort();
    sorted.1.sort();
    assert_eq!(sorted.0, sorted.1, "all is in the bucket");

    let endpoint = format!("http://{}", from.lake.expect("the embedded lake"));
    let sections = format!(
        "[topics.old]\nbackend = \"files\"\nbucket = \"{BUCKET}\"\nprefix = \"topics/pin/\"\nendpoint = \"{endpoint}\"\n\
         [landings.again]\ntopics = [\"old\"]\nflush = 100\ntopics_dir = \"again\"\n"
    );
    let second = folder.path().join("second");
    let file = pipeline(&second, "embedded", &sections);
    let keys = [("AWS_ACCESS_KEY_ID", "tidemill".to_owned()), ("AWS_SECRET_ACCESS_KEY", "tidemill".to_owned())];
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let (mut landed_in, mut lives) = (0, 0);
    while landed_in < KILLS && lives < 10 * KILLS {
        let daemon = Daemon::start_in(&file, &keys);
        std::thread::park_timeout(Duration::from_millis(random.random_range(0..40)));
        daemon.kill();
        lives += 1;
        let next: u64 =
            query(&file, "SELECT coalesce(max(next_offset), 0) FROM tidemill_positions")[1].parse().expect("a number");
        landed_in += u32::from(next < RECORDS);
    }
    println!("{landed_in} of {lives} kills came before all was read");
    assert_eq!(landed_in, KILLS, "give it more records");
    let daemon = Daemon::start_in(&file, &keys);
    daemon.settle();
    daemon.stop();
    assert!(records(&second, &["again/old/partition=0"]) == expected, "each record once, by key");
    let report = tidemill_tests::cli::done(&second, &["audit", "pipeline.toml", "--json"], "").0;
    assert_eq!(serde_json::from_str::<Value>(&report).expect("JSON")["proven"], true, "{report}");
    from.stop();
}

#[test]
fn objects_that_come_are_read_and_one_that_changed_stops_its_topic_alone() {
    let folder = Folder::new("objects-watched");
    let more = format!(
        "[topics.again]\nbackend = \"files\"\nbucket = \"{BUCKET}\"\nprefix = \"topics/pin/partition=\"\nwatch = true\n\
         names = \"*.json\"\n[landings.again]\ntopics = [\"again\"]\nflush = 1\ntopics_dir = \"copies\"\n"
    );
    let file = landing(folder.path(), &more);
    let daemon = Daemon::start_with_log(&file);
    let read = |daemon: &Daemon, offset: u64| {
        daemon.wait("it is landed", |status| {
            status["landings"]["again.again"]["workers"]["0"]["next"] == json!(offset) && status["settled"] == true
        });
    };
    http::post_lines(daemon.topics, "pin", ["{\"a\":1}", "{\"a\":2}"], 1);
    read(&daemon, 2);
    http::post_lines(daemon.topics, "pin", ["{\"a\":3}"], 1);
    read(&daemon, 3);
    let doors = &daemon.status()["doors"];
    assert!(doors.to_string().contains("s3://user-raw-bucket/topics/pin/partition="), "{doors}");
    daemon.stop();
    let mut copies = records(folder.path(), &["copies/again/partition=0"]);
    copies.sort();
    assert_eq!(copies, ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"]);

    // Read anew from its beginning: of what was taken, one object is not any more what it was, and of the same size.
    let lake = folder.path().join(format!("data/lake/{BUCKET}/topics/pin"));
    let changed = ["0", "1"]
        .iter()
        .map(|partition| lake.join(format!("partition={partition}/pin+{partition}+0000000000.json")))
        .find(|object| object.exists())
        .expect("an object");
    fs::write(&changed, "{\"a\":9}\n").expect("the object");
    let text = fs::read_to_string(&file).expect("the file").replace("[landings.again]", "[landings.anew]");
    fs::write(&file, text.replace("\"copies\"", "\"anew\"")).expect("the file");
    let daemon = Daemon::start_with_log(&file);
    let status = daemon.wait("it stands still", |status| {
        status["landings"]["anew.again"]["workers"]["0"]["trouble"]["why"].as_str().is_some()
    });
    let trouble = &status["landings"]["anew.again"]["workers"]["0"]["trouble"];
    assert!(trouble["why"].as_str().expect("why").ends_with("it changed after it was taken"), "{trouble}");
    assert!(trouble["hint"].as_str().expect("a hint").contains("the bytes that it had"), "{trouble}");
    http::post_lines(daemon.topics, "pin", ["{\"a\":4}"], 1);
    daemon.stop();
}
