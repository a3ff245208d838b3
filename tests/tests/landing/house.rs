//! A pipeline that lands topics, and what its bucket holds.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tidemill_tests::cli;
use tidemill_tests::place::Folder;

/// The bucket of every pipeline here.
const BUCKET: &str = "user-raw-bucket";

/// A pipeline in a folder of its own: topics of so many partitions, then sections as they stand.
pub(crate) fn pipeline(folder: &Path, topics: &[&str], partitions: u32, sections: &str) -> PathBuf {
    let mut text = format!(
        "[pipeline]\nname = \"raw\"\ndata = {:?}\n[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
         [epoch]\ntime = \"50ms\"\n[lake]\nbucket = {BUCKET:?}\nendpoint = \"embedded\"\n",
        folder.join("data")
    );
    for topic in topics {
        text += &format!("[topics.{topic:?}]\npartitions = {partitions}\n");
    }
    let file = folder.join("pipeline.toml");
    fs::write(&file, text + sections).expect("the pipeline file");
    file
}

/// The objects below a folder of the bucket, by what their keys add to it; what is compressed is not so here.
pub(crate) fn objects(folder: &Path, below: &str) -> BTreeMap<String, Vec<u8>> {
    let bucket = folder.join("data/lake").join(BUCKET);
    let mut found = BTreeMap::new();
    walk(&bucket.join(below), "", &mut found);
    found
}

fn walk(folder: &Path, above: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let entry = entry.expect("an entry");
        let key = format!("{above}{}", decoded(&entry.file_name().to_string_lossy()));
        if entry.file_type().expect("its type").is_dir() {
            walk(&entry.path(), &format!("{key}/"), found);
        } else {
            let bytes = fs::read(entry.path()).expect("an object");
            let bytes = if key.ends_with(".gz") { unzipped(&bytes) } else { bytes };
            found.insert(key, bytes);
        }
    }
}

/// The embedded server's names have some bytes as `%XX`.
fn decoded(name: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), name.bytes());
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(rest.next().expect("a digit")).to_digit(16).expect("a digit") as u8;
        bytes.push(if byte == b'%' { digit() << 4 | digit() } else { byte });
    }
    String::from_utf8(bytes).expect("a key")
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip starts");
    let mut pipe = child.stdin.take().expect("its input");
    std::thread::scope(|scope| {
        scope.spawn(move || pipe.write_all(bytes));
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "what ends with .gz is gzip's");
        output.stdout
    })
}

/// The audit of a pipeline that has ended finds nothing wrong.
pub(crate) fn prove(folder: &Folder, pipeline: &Path) -> serde_json::Value {
    let (report, _) = cli::done(folder.path(), &["audit", &pipeline.to_string_lossy(), "--json"], "");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!((&report["proven"], &report["waiting"]), (&true.into(), &0.into()), "{report:#}");
    report
}
