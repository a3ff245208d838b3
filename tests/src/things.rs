//! A pipeline of one table, `thing`, whose transform is a file of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::daemon::{Daemon, query};
use crate::http;
use crate::place::Folder;

/// Records of a request.
pub const BATCH: u64 = 500;

/// Posts numbers to the topic until it is told to end; gives how many were acknowledged.
pub struct Stream(Arc<AtomicBool>, JoinHandle<u64>);

impl Stream {
    /// Begins to post, from this number on.
    pub fn start(to: SocketAddr, first: u64) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let post = move || {
            let mut sent = 0;
            while !told.load(Ordering::Relaxed) {
                let from = first + sent;
                let values: Vec<String> = (from..from + BATCH).map(|ind| format!("{{\"ind\":{ind}}}")).collect();
                http::post_lines(to, "thing", values.iter().map(String::as_str), BATCH as usize);
                sent += BATCH;
            }
            sent
        };
        Self(end, std::thread::spawn(post))
    }

    /// Ends it.
    pub fn end(self) -> u64 {
        self.0.store(true, Ordering::Relaxed);
        self.1.join().expect("every post was taken")
    }
}

/// Asks the operator's side of a pipeline for something: the status and the answer.
pub fn post(daemon: &Daemon, path: &str, body: &[u8]) -> (u16, Value) {
    let answer = http::request(daemon.admin, "POST", path, &[], body);
    (answer.status, answer.json())
}

/// Waits until records go on in both partitions.
pub fn goes_on(daemon: &Daemon) {
    let next = |status: &Value, partition: &str| {
        status["tables"]["thing"]["workers"][partition]["next"].as_u64().expect("an offset")
    };
    let before = daemon.status();
    daemon.wait("records go on", |status| {
        ["0", "1"].iter().all(|partition| next(status, partition) > next(&before, partition) + BATCH)
    });
}

/// The pipeline's file and all that it needs, in a folder of their own.
pub struct House {
    folder: Folder,
    /// The pipeline's file.
    pub pipeline: PathBuf,
}

impl House {
    /// A pipeline that begins with this component; its objects are JSON, its epochs short.
    pub fn new(name: &str, first: &[u8]) -> Self {
        Self::with(name, first, &[])
    }

    /// The same, with parts of its file replaced.
    pub fn with(name: &str, first: &[u8], replace: &[(&str, &str)]) -> Self {
        let folder = Folder::new(name);
        let mut text = format!(
            "[pipeline]\nname = \"things\"\ndata = {:?}\n[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
             [epoch]\ntime = \"50ms\"\n[lake]\nbucket = \"things\"\nendpoint = \"embedded\"\nformat = \"json\"\n\
             [topics.thing]\npartitions = 2\n[tables.thing]\ntopic = \"thing\"\ntransform = \"thing.wasm\"\n\
             key = [\"ind\"]\ncache = [\"ind\", \"mark\"]\nwindow = \"1s\"\n[tables.thing.limits]\nmemory = \"32MiB\"\n",
            folder.path().join("data")
        );
        for (from, to) in replace {
            assert!(text.contains(from), "the pipeline file has {from:?}");
            text = text.replace(from, to);
        }
        let pipeline = folder.write("things.toml", text);
        fs::write(folder.path().join("thing.wasm"), first).expect("the component");
        Self { folder, pipeline }
    }

    /// The component's file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("thing.wasm")
    }

    /// Puts a component beside it.
    pub fn put(&self, file: &str, component: &[u8]) -> PathBuf {
        let path = self.folder.path().join(file);
        fs::write(&path, component).expect("the component");
        path
    }

    /// Starts it, and waits until its file was looked at.
    pub fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    /// The same, with more on its command line.
    pub fn start_with(&self, more: &[&str]) -> Daemon {
        let daemon = Daemon::start_with(&self.pipeline, more);
        daemon.wait("its file is looked at", |status| status["tables"]["thing"]["last_offer"]["digest"].is_string());
        daemon
    }

    /// The pipeline's file for commands that ask it while it runs: it says where this one listens.
    pub fn found(&self, daemon: &Daemon) -> PathBuf {
        let text = fs::read_to_string(&self.pipeline).expect("the pipeline file");
        let found = self.pipeline.with_file_name("found.toml");
        let admin = format!("admin = \"{}\"", daemon.admin);
        fs::write(&found, text.replace("admin = \"127.0.0.1:0\"", &admin)).expect("the pipeline file");
        found
    }

    /// The pipeline's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Every record is one row in the cache and in the ledger, and the lake has what the ledger has; the marks that were seen.
    pub fn audit(&self, sent: u64) -> Vec<String> {
        let sums = "SELECT (SELECT sum(records_in) FROM tidemill_ledger), (SELECT sum(rows) FROM tidemill_ledger), \
                    (SELECT count(*) FROM thing), (SELECT sum(rows) FROM tidemill_objects)";
        assert_eq!(query(&self.pipeline, sums)[1], [sent; 4].map(|n| n.to_string()).join(","));
        query(&self.pipeline, "SELECT DISTINCT mark FROM thing ORDER BY 1")[1..].to_vec()
    }
}
