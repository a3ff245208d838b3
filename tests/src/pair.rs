//! A pipeline of two tables, `good` and `bad`, each with a topic and a component of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::http;
use crate::place::Folder;

/// The pipeline's file and all that it needs, in a folder of their own.
pub struct Pair {
    folder: Folder,
    /// The pipeline's file.
    pub pipeline: PathBuf,
}

impl Pair {
    /// A pipeline with these components; the topic `good` has one partition, `bad` has two.
    pub fn new(name: &str, good: &[u8], bad: &[u8]) -> Self {
        let folder = Folder::new(name);
        let mut text = format!(
            "[pipeline]\nname = \"pair\"\ndata = {:?}\n[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
             [epoch]\ntime = \"50ms\"\n[lake]\nbucket = \"pair\"\nendpoint = \"embedded\"\nformat = \"json\"\n",
            folder.path().join("data")
        );
        for (table, partitions, component) in [("good", 1, good), ("bad", 2, bad)] {
            text += &format!(
                "[topics.{table}]\npartitions = {partitions}\n[tables.{table}]\ntopic = \"{table}\"\n\
                 transform = \"{table}.wasm\"\nkey = [\"ind\"]\ncache = [\"ind\", \"mark\"]\nwindow = \"1s\"\n"
            );
            fs::write(folder.path().join(format!("{table}.wasm")), component).expect("the component");
        }
        let pipeline = folder.write("pair.toml", text);
        Self { folder, pipeline }
    }

    /// A file in the pipeline's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Posts the numbers from `first` on, `count` of them in one request; all are taken.
pub fn post(to: SocketAddr, topic: &str, first: u64, count: u64) {
    let values: Vec<String> = (first..first + count).map(|ind| format!("{{\"ind\":{ind}}}")).collect();
    http::post_lines(to, topic, values.iter().map(String::as_str), values.len());
}
