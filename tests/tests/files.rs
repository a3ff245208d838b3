//! Topics of files: a folder read into landings, once each, whatever happens; files that come while it runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tidemill_tests::daemon::{Daemon, query};
use tidemill_tests::http;
use tidemill_tests::place::{Folder, component};

/// Files of the folder, and lines of each.
const FILES: u64 = 12;
const LINES: u64 = 20_000;
/// Kills that have to come before all is read.
const KILLS: u32 = 15;

/// A pipeline that reads `in`: records are landed as they came, and those of `geo.csv` cleaned.
fn pipeline(folder: &Path, topic: &str, sections: &str) -> std::path::PathBuf {
    fs::create_dir_all(folder.join("in")).expect("a folder");
    let text = format!(
        "[pipeline]\nname = \"files\"\ndata = \"data\"\n[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
         [epoch]\ntime = \"20ms\"\n[lake]\nbucket = \"user-raw-bucket\"\nendpoint = \"embedded\"\n\
         [topics.old]\nbackend = \"files\"\n{topic}\n{sections}"
    );
    let file = folder.join("pipeline.toml");
    fs::write(&file, text).expect("the pipeline file");
    file
}

fn gzip(bytes: &[u8], to: &Path) {
    let out = fs::File::create(to).expect("a file");
    let mut child = Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(out).spawn().expect("gzip starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("its input"), bytes).expect("it reads");
    assert!(child.wait().expect("it ends").success());
}

/// The lines of all landed objects, by rising offset of the objects.
fn landed(folder: &Path) -> Vec<String> {
    let partition = folder.join("data/lake/user-raw-bucket/topics/old/partition=0");
    let mut objects: Vec<_> =
        fs::read_dir(partition).expect("objects").map(|entry| entry.expect("an entry").path()).collect();
    objects.sort();
    objects
        .iter()
        .flat_map(|object| {
            fs::read_to_string(object).expect("an object").lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn a_folder_is_read_once_through_kills() {
    let folder = Folder::in_memory("files-kills");
    let sections = "[landings.raw]\ntopics = [\"old\"]\nflush = 1000\n";
    let file = pipeline(folder.path(), "path = \"in\"", sections);
    let mut expected = Vec::new();
    for nth in 0..FILES {
        let lines: Vec<String> = (0..LINES).map(|line| format!("{{\"file\":{nth},\"line\":{line}}}")).collect();
        let text = lines.join("\n") + "\n";
        let name = folder.path().join("in").join(format!("{nth:02}.jsonl"));
        if nth % 3 == 0 {
            gzip(text.as_bytes(), &name.with_extension("jsonl.gz"))
        } else {
            fs::write(name, text).expect("a file")
        }
        expected.extend(lines);
    }
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let (mut landed_in, mut lives) = (0, 0);
    while landed_in < KILLS && lives < 10 * KILLS {
        let daemon = Daemon::start(&file);
        std::thread::park_timeout(Duration::from_millis(random.random_range(0..30)));
        daemon.kill();
        lives += 1;
        let next: u64 =
            query(&file, "SELECT coalesce(max(next_offset), 0) FROM tidemill_positions")[1].parse().expect("a number");
        landed_in += u32::from(next < FILES * LINES);
    }
    println!("{landed_in} of {lives} kills came before all was read");
    assert_eq!(landed_in, KILLS, "give it more lines");
    let daemon = Daemon::start(&file);
    daemon.settle();
    daemon.stop();
    assert!(landed(folder.path()) == expected, "each line once, in the order of files and lines");
    let report = tidemill_tests::cli::done(folder.path(), &["audit", "pipeline.toml", "--json"], "").0;
    assert_eq!(serde_json::from_str::<Value>(&report).expect("JSON")["proven"], true, "{report}");
}

#[test]
fn files_that_come_are_read_and_one_that_changes_is_told() {
    let folder = Folder::new("files-watched");
    let sections = "[landings.raw]\ntopics = [\"old\"]\nflush = 1\n";
    let file = pipeline(folder.path(), "path = \"in\"\nwatch = true\nsettle = \"0s\"\nnames = \"*.jsonl\"", sections);
    let put = |name: &str, text: &str| {
        fs::write(folder.path().join("in/beside.tmp"), text).expect("a file");
        fs::rename(folder.path().join("in/beside.tmp"), folder.path().join("in").join(name)).expect("its name");
    };
    put("b.jsonl", "1\n2\n");
    put("a.txt", "no\n");
    let daemon = Daemon::start_with_log(&file);
    let read = |offset: u64| {
        daemon.wait("it is landed", |status| {
            status["landings"]["raw.old"]["workers"]["0"]["next"] == json!(offset) && status["settled"] == true
        });
    };
    read(2);
    put("a.jsonl", "3\n");
    read(3);
    put("b.jsonl", "1\n2\nmore\n");
    put("c.jsonl", "4\n");
    read(4);
    assert_eq!(http::post(daemon.topics, "old", "{\"records\":[{\"value\":1}]}").status, 404, "it takes no posts");
    daemon.stop();
    assert_eq!(landed(folder.path()), ["1", "2", "3", "4"]);
    let log = fs::read_to_string(folder.path().join("log")).expect("the log");
    assert!(log.contains("changed after it was read") && log.contains("b.jsonl"), "{log}");
}

#[test]
fn a_folder_that_is_gone_at_a_start_is_waited_for_by_its_readers_alone() {
    let folder = Folder::new("files-gone");
    let sections = "[topics.geo]\n[landings.raw]\ntopics = [\"old\", \"geo\"]\nflush = 1\n";
    let file = pipeline(folder.path(), "path = \"in\"", sections);
    let (there, away) = (folder.path().join("in"), folder.path().join("away"));
    fs::write(there.join("1.jsonl"), "{\"a\":1}\n").expect("a file");
    let daemon = Daemon::start(&file);
    daemon.settle();
    daemon.stop();
    fs::rename(&there, &away).expect("it goes");
    fs::write(away.join("2.jsonl"), "{\"a\":2}\n").expect("a file");
    let daemon = Daemon::start(&file);
    let status = daemon.wait("it says what is wrong", |status| status["trouble"] != json!([]));
    assert!(status["trouble"][0]["what"].as_str().is_some_and(|what| what.contains("old")), "{status:#}");
    assert_eq!(http::post(daemon.topics, "geo", r#"{"records":[{"value":{"ind":1}}]}"#).status, 200);
    let taken = "SELECT count(*) FROM tidemill_objects WHERE table_name = 'raw.geo' AND delivered IS NOT NULL";
    daemon.wait("the other landing goes on", |_| query(&file, taken)[1] == "1");
    fs::rename(&away, &there).expect("it comes back");
    daemon.settle();
    assert_eq!(daemon.status()["trouble"], json!([]));
    daemon.stop();
    assert_eq!(landed(folder.path()), ["{\"a\":1}", "{\"a\":2}"]);
}

#[test]
fn rows_of_csv_are_cleaned_as_posts_are() {
    let folder = Folder::new("files-csv");
    let transform = component("geo");
    let sections = format!(
        "[tables.geo]\ntopic = \"old\"\ntransform = {transform:?}\nkey = [\"ind\"]\ncache = [\"ind\", \"country\"]\n"
    );
    let topic = "path = \"in/geo.csv\"\njson = [\"ind\", \"latitude\", \"longitude\"]";
    fs::create_dir_all(folder.path().join("in")).expect("a folder");
    let rows = "ind,timestamp,latitude,longitude,country\n7528,2020-08-28T03:52:47,-89.9787,-173.293,Albania\n\
                1,2019-01-01 00:00:00,1.5,2,\"Korea, \"\"South\"\"\"\nno row\n";
    folder.write("in/geo.csv", rows);
    let file = pipeline(folder.path(), topic, &sections);
    let daemon = Daemon::start(&file);
    daemon.settle();
    daemon.stop();
    let found: BTreeSet<String> = query(&file, "SELECT ind, country FROM geo")[1..].iter().cloned().collect();
    assert_eq!(found, BTreeSet::from(["1,\"Korea, \"\"South\"\"\"".to_owned(), "7528,Albania".to_owned()]));
    let letters = query(&file, "SELECT offset, CAST(value AS TEXT) FROM tidemill_dead_letters");
    assert_eq!(letters[1..], ["2,no row"]);
}
