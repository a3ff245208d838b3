//! Each case runs straight through, killed in the middle, and with its transforms replaced, to the same result.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tidemill_tests::daemon::{Daemon, pinterest_of_its_own, query};
use tidemill_tests::http;
use tidemill_tests::place::{Folder, copy_components, rebuilt, replace, root};

/// What happens when half of each topic's records are posted.
#[derive(Clone, Copy, Debug)]
enum Middle {
    Nothing,
    Killed,
    Replaced,
}

/// A folder of `tests/cases`.
struct Case {
    folder: PathBuf,
    /// The lines of each topic.
    inputs: Vec<(String, Vec<String>)>,
}

impl Case {
    fn read(name: &str) -> Self {
        let folder = root().join("tests/cases").join(name);
        let mut inputs: Vec<(String, Vec<String>)> = Vec::new();
        for (file, topic) in files(&folder, "input-", ".jsonl") {
            let text = fs::read_to_string(file).expect("the input");
            inputs.push((topic, text.lines().map(str::to_owned).collect()));
        }
        assert!(!inputs.is_empty(), "{name} has an input");
        Self { folder, inputs }
    }

    /// The pipeline with its data and components in `place`.
    fn pipeline(&self, place: &Path) -> PathBuf {
        let own = self.folder.join("pipeline.toml");
        if !own.is_file() {
            return pinterest_of_its_own(place, &[]);
        }
        copy_components(place);
        let file = place.join("pipeline.toml");
        fs::copy(own, &file).expect("a copy of the pipeline file");
        file
    }

    /// Posts one half of each topic's lines, each in a request of its own.
    fn post(&self, daemon: &Daemon, half: usize) {
        for (topic, lines) in &self.inputs {
            let partitions = daemon.status()["topics"][topic].as_array().map_or(1, Vec::len);
            let middle = lines.len() / 2;
            let stretch = if half == 0 { 0..middle } else { middle..lines.len() };
            for (nth, line) in lines.iter().enumerate().filter(|(nth, _)| stretch.contains(nth)) {
                post(daemon, topic, nth % partitions, line);
            }
        }
    }

    /// What each `expected-` file is about, with the answer.
    fn answers(&self, pipeline: &Path) -> Vec<(PathBuf, String)> {
        let answer = |(file, name): (PathBuf, String)| {
            let ask = self.folder.join(format!("ask-{name}.sql"));
            let sql = fs::read_to_string(ask).unwrap_or(name);
            (file, query(pipeline, &sql).join("\n") + "\n")
        };
        files(&self.folder, "expected-", ".csv").into_iter().map(answer).collect()
    }
}

/// The files of a folder whose names begin and end so, with what stands between, in order.
fn files(folder: &Path, begin: &str, end: &str) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder).expect("the case's folder").flatten();
    let mut files: Vec<(PathBuf, String)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((entry.path(), name.strip_prefix(begin)?.strip_suffix(end)?.to_owned()))
        })
        .collect();
    files.sort();
    files
}

/// Posts one line of an input.
fn post(daemon: &Daemon, topic: &str, partition: usize, line: &str) {
    let mut record: Value = serde_json::from_str(line).expect("an input's line is JSON");
    let fields = record.as_object_mut().expect("an object");
    fields.entry("partition").or_insert(partition.into());
    let answer = match fields.remove("bytes") {
        None => http::post(daemon.topics, topic, &json!({ "records": [record] }).to_string()),
        Some(bytes) => {
            let bytes = bytes.as_str().expect("a text").chars().map(|byte| u8::try_from(byte).expect("one byte"));
            fields.insert("value".to_owned(), STANDARD.encode(bytes.collect::<Vec<_>>()).into());
            http::post_binary(daemon.topics, topic, &json!({ "records": [record] }).to_string())
        }
    };
    assert!(answer.status == 200 && answer.json()["offsets"][0]["offset"].is_u64(), "{line}: {answer:?}");
}

/// Puts components that do the same in the place of all, and waits until each table has its new one.
fn replace_components(pipeline: &Path, daemon: &Daemon) {
    let tables = daemon.status()["tables"].as_object().expect("the tables").clone();
    for table in tables.keys() {
        let file = pipeline.with_file_name(format!("{table}.wasm"));
        let bytes = rebuilt(&fs::read(&file).expect("its component"), "half-way");
        replace(&file, &bytes);
    }
    daemon.wait("all have taken the new ones", |status| {
        tables.iter().all(|(table, before)| {
            let workers = status["tables"][table]["workers"].as_object().expect("the workers");
            workers.values().all(|worker| worker["digest"] != before["digest"])
        })
    });
}

fn check(name: &str, middle: Middle) {
    let case = Case::read(name);
    let place = Folder::new(&format!("case-{name}"));
    let pipeline = case.pipeline(place.path());
    let mut daemon = Daemon::start(&pipeline);
    case.post(&daemon, 0);
    match middle {
        Middle::Nothing => {}
        Middle::Killed => {
            daemon.kill();
            daemon = Daemon::start(&pipeline);
        }
        Middle::Replaced => replace_components(&pipeline, &daemon),
    }
    case.post(&daemon, 1);
    daemon.settle();
    daemon.stop();
    for (file, answer) in case.answers(&pipeline) {
        let expected = fs::read_to_string(&file).expect("the expected answer");
        if std::env::var_os("TIDEMILL_CASES_WRITE").is_some() {
            fs::write(&file, answer).expect("the answer is kept");
        } else {
            assert!(expected == answer, "{middle:?}: {} differs, got:\n{answer}", file.display());
        }
    }
}

/// A test of each case, each way; and one that no folder is left out.
macro_rules! cases {
    ($($case:ident)*) => {
        $(mod $case {
            use super::{Middle, check};

            #[test]
            fn straight_through() {
                check(stringify!($case), Middle::Nothing);
            }

            #[test]
            fn killed_and_started_again() {
                check(stringify!($case), Middle::Killed);
            }

            #[test]
            fn with_its_transforms_replaced() {
                check(stringify!($case), Middle::Replaced);
            }
        })*

        #[test]
        fn every_folder_is_a_case() {
            let entries = fs::read_dir(root().join("tests/cases")).expect("the cases").flatten();
            let folders = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string());
            let mut folders: Vec<String> = folders.map(|name| name.expect("a name")).collect();
            folders.sort();
            assert_eq!(folders, [$(stringify!($case)),*]);
        }
    };
}

cases! { dirt late posts }
