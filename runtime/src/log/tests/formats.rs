//! The bytes of the log's files: they do not change while their version stays.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::producers::{a, send};
use super::*;
use crate::log::skips::{self, Skip};

/// A topic's files that were written by the same calls with the same clock and identity, and the sums of what is in them.
const WRITTEN: [(&str, &str); 9] = [
    ("0/00000000000000000000.index", "9a1fac432bf16054"),
    ("0/00000000000000000000.log", "1b7c3c131dbdb2c3"),
    ("0/00000000000000000004.index", "9bd8fe2051353280"),
    ("0/00000000000000000004.log", "2a543c5223b4db60"),
    ("0/00000000000000000004.producers", "77a8c5db66d905a7"),
    ("0/00000000000000000005.index", "999b4b003270a3f7"),
    ("0/00000000000000000005.log", "a8952a766909110e"),
    ("0/00000000000000000005.producers", "39940a4760e87c4f"),
    ("topic.json", "2567458eb7ffd1ca"),
];
const SKIPS: &str = "{\"segment\":3,\"position\":72,\"end\":170,\"from\":3,\"to\":4}\n";

#[tokio::test]
async fn each_file_is_what_its_version_says() {
    let folder = Folder::new();
    fs::create_dir_all(folder.0.join("pin")).unwrap();
    fs::write(folder.0.join("pin/topic.json"), r#"{"format":1,"name":"pin","id":7,"partitions":0}"#).unwrap();
    let clock = Arc::new(Clock::manual(at(1_000)));
    let topic = Topic::open(&folder.0, "pin", &tiny_segments(), clock).unwrap();
    let mut append = of(&topic, &["a", "", "c"]);
    append.push(Some(b"key"), None, b"headers").unwrap();
    topic.append(0, append).unwrap().wait().await.unwrap();
    for (sequence, values) in [["the first"], ["the last"]].into_iter().enumerate() {
        send(&topic, a(sequence as u32), &[(0, &values)]).await.unwrap();
    }
    topic.close().unwrap();
    let mut found = BTreeMap::new();
    for place in ["pin", "pin/0"] {
        for entry in fs::read_dir(folder.0.join(place)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(folder.0.join("pin")).unwrap().to_str().unwrap().to_owned();
                let sum = Sha256::digest(fs::read(&path).unwrap());
                found.insert(name, sum.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>());
            }
        }
    }
    let written: BTreeMap<String, String> = WRITTEN.map(|(name, sum)| (name.to_owned(), sum.to_owned())).into();
    assert_eq!(found, written, "a change of what is written needs a version of its own");
}

#[test]
fn skips_are_lines_that_stay_readable() {
    let folder = Folder::new();
    let skip = Skip { segment: 3, position: 72, end: 170, from: 3, to: 4 };
    skips::add(&folder.0, &[skip]).unwrap();
    assert_eq!(fs::read_to_string(folder.0.join("skips")).unwrap(), SKIPS, "a change needs a version of its own");
    assert_eq!(skips::read(&folder.0).unwrap(), [skip]);
}
