//! A pipeline as a release has left it, in a folder of its own: unpacked, started, asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tidemill_tests::daemon::{Daemon, query, tidemill};
use tidemill_tests::http::{self, Answer};
use tidemill_tests::place::{Folder, command, root};
use tidemill_tests::shim;

/// The archive of a release, and what has to come out of it.
pub(crate) const ARCHIVE: &str = "data.tar.gz";
pub(crate) const EXPECTED: &str = "expected.json";

/// What is asked of a pipeline, by name: rows, aggregates, dead letters, ledger, generations.
const QUESTIONS: [(&str, &str); 7] = [
    ("rows", "SELECT mark, count(*), sum(ind) FROM thing GROUP BY 1 ORDER BY 1"),
    ("other rows", "SELECT mark, count(*), sum(ind) FROM other GROUP BY 1 ORDER BY 1"),
    ("ever", "SELECT window_start, mark, rows, total, least, greatest, mean, middle, kinds FROM ever ORDER BY 1, 2"),
    ("soon", "SELECT window_start, mark, rows, _closed FROM soon ORDER BY 1, 2"),
    (
        "dead letters",
        "SELECT table_name, partition, offset, reason, digest, length(value) FROM tidemill_dead_letters ORDER BY 1, 2, 3",
    ),
    (
        "ledger",
        "SELECT table_name, partition, digest, sum(records_in), sum(records_out), sum(dropped), sum(rejected), sum(rows) \
         FROM tidemill_ledger GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    ),
    ("generations", "SELECT table_name, number, digest FROM tidemill_generations ORDER BY 1, 2"),
];

/// The folder of this release.
pub(crate) fn this_release() -> PathBuf {
    root().join("tests/golden").join(env!("CARGO_PKG_VERSION"))
}

/// The folders of all releases.
pub(crate) fn releases() -> Vec<PathBuf> {
    let folders = fs::read_dir(root().join("tests/golden")).expect("tests/golden");
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    folders
}

/// Runs a program of the system.
pub(crate) fn done(command: &mut Command) {
    assert!(command.status().expect("it starts").success(), "{command:?}");
}

/// A pipeline's folder.
pub(crate) struct House {
    pub(crate) folder: Folder,
    pub(crate) pipeline: PathBuf,
    /// What has to come out of it.
    pub(crate) expected: Value,
}

impl House {
    /// What a release has left, as it was.
    pub(crate) fn unpack(release: &Path) -> Self {
        let folder = Folder::in_memory("golden");
        done(Command::new("tar").arg("-xzf").arg(release.join(ARCHIVE)).arg("-C").arg(folder.path()));
        let expected = fs::read(release.join(EXPECTED)).expect("what has to come out");
        let pipeline = folder.path().join("pipeline.toml");
        Self { folder, pipeline, expected: serde_json::from_slice(&expected).expect("JSON") }
    }

    pub(crate) fn data(&self, file: &str) -> PathBuf {
        self.folder.path().join("data").join(file)
    }

    /// Starts it an hour after it was left, so that nothing it remembers has grown old.
    pub(crate) fn start(&self) -> Daemon {
        let mut command = Command::new(command());
        shim::live_at(&mut command, self.expected["made"].as_u64().expect("a time") + 3600);
        Daemon::spawn(command.arg("run").arg(&self.pipeline))
    }

    /// Its answers.
    pub(crate) fn answers(&self) -> Value {
        let answer = |(name, sql): &(&str, &str)| (name.to_string(), query(&self.pipeline, sql)[1..].to_vec());
        json!(QUESTIONS.iter().map(answer).collect::<BTreeMap<_, _>>())
    }

    /// What `tidemill audit` says of it.
    pub(crate) fn audit(&self) -> Output {
        tidemill(["audit", self.pipeline.to_str().expect("a path")])
    }
}

/// A request of the producer `golden` with a record for each of two partitions for each number.
pub(crate) fn post(daemon: &Daemon, sequence: u64, numbers: std::ops::Range<u64>) -> Answer {
    let record = |ind: u64| json!({ "partition": ind % 2, "key": format!("key {ind}"), "value": { "ind": ind, "pad": "-".repeat(900) } });
    let body = json!({ "records": numbers.map(record).collect::<Vec<_>>() }).to_string();
    let (sequence, json) = (sequence.to_string(), "application/vnd.kafka.json.v2+json");
    let headers = [
        ("content-type", json),
        ("producer-id", "golden"),
        ("producer-epoch", "0"),
        ("producer-sequence", sequence.as_str()),
    ];
    let answer = http::request(daemon.topics, "POST", "/topics/thing", &headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}
