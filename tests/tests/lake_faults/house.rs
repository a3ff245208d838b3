//! A pipeline of many tables before an S3 of many faults, and the proof of what came of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};
use tidemill_tests::checks::CLAIM;
use tidemill_tests::daemon::{Daemon, query};
use tidemill_tests::http;
use tidemill_tests::place::{Folder, changeling, digest};
use tidemill_tests::s3::{BUCKET, Server};

/// What may stand in no output.
pub(crate) const SECRETS: [&str; 2] = ["canary/secret/key", "canary/session/token"];

/// Time-outs so short that nobody waits long for what does not come.
pub(crate) const SHORT: &str = "timeout = \"400ms\"\nretry = \"100ms\"\n";

/// All that those say who have the secrets in their hands.
const LOG: &str = "info,aws_config=trace,aws_credential_types=trace,aws_runtime=trace,aws_sdk_s3=trace,aws_sigv4=trace,\
    aws_smithy_http_client=trace,aws_smithy_runtime=trace,hyper=debug,hyper_util=debug";

/// The pipeline, and what was posted to it.
pub(crate) struct House {
    folder: Folder,
    pub(crate) pipeline: PathBuf,
    posted: RefCell<BTreeMap<String, BTreeMap<Place, u64>>>,
}

/// A record's partition and offset.
type Place = (u64, u64);

impl House {
    /// A pipeline with these tables, each with a topic of two partitions; `lake` are more keys of its lake.
    pub(crate) fn new(name: &str, tables: &[&str], lake_at: SocketAddr, lake: &str) -> Self {
        let folder = Folder::new(name);
        let mut text = format!(
            "[pipeline]\nname = \"faults\"\ndata = {:?}\n[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
             [epoch]\ntime = \"50ms\"\n\
             [lake]\nbucket = \"{BUCKET}\"\nendpoint = \"http://{lake_at}\"\nformat = \"json\"\n{lake}",
            folder.path().join("data")
        );
        for table in tables {
            text += &format!(
                "[topics.{table}]\npartitions = 2\n\
                 [tables.{table}]\ntopic = \"{table}\"\ntransform = \"good.wasm\"\nwindow = \"1s\"\n"
            );
        }
        fs::write(folder.path().join("good.wasm"), changeling("good")).expect("the component");
        let pipeline = folder.write("faults.toml", text);
        Self { folder, pipeline, posted: RefCell::default() }
    }

    pub(crate) fn start(&self) -> Daemon {
        Daemon::start_in(&self.pipeline, &self.environment())
    }

    /// Credentials, and a log that tells everything.
    pub(crate) fn environment(&self) -> [(&'static str, String); 7] {
        let nowhere = self.folder.path().join("no-such-file").display().to_string();
        [
            ("AWS_ACCESS_KEY_ID", "AKIACANARY".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRETS[0].to_owned()),
            ("AWS_SESSION_TOKEN", SECRETS[1].to_owned()),
            ("AWS_CONFIG_FILE", nowhere.clone()),
            ("AWS_SHARED_CREDENTIALS_FILE", nowhere),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("RUST_LOG", LOG.to_owned()),
        ]
    }

    /// Posts `count` records to each partition of a table; all are taken.
    pub(crate) fn post(&self, daemon: &Daemon, table: &str, count: u64) {
        let mut posted = self.posted.borrow_mut();
        let places = posted.entry(table.to_owned()).or_default();
        let from = places.len() as u64;
        let records = (from..from + 2 * count).map(|ind| json!({ "partition": ind % 2, "value": { "ind": ind } }));
        let body = json!({ "records": records.collect::<Vec<_>>() });
        let answer = http::post(daemon.topics, table, &body.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        let receipts = answer.json()["offsets"].as_array().expect("receipts").clone();
        assert_eq!(receipts.len() as u64, 2 * count, "{answer:?}");
        for (ind, receipt) in (from..).zip(receipts) {
            let number = |name: &str| receipt[name].as_u64().unwrap_or_else(|| panic!("{receipt}"));
            places.insert((number("partition"), number("offset")), ind);
        }
    }

    /// The whole log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).expect("the log")
    }

    /// What lies in the spool.
    pub(crate) fn spool(&self) -> Vec<PathBuf> {
        let spool = fs::read_dir(self.folder.path().join("data/spool")).expect("the spool");
        spool.flatten().map(|file| file.path()).collect()
    }

    /// How many records were posted to a table.
    pub(crate) fn posted(&self, table: &str) -> usize {
        self.posted.borrow().get(table).map_or(0, BTreeMap::len)
    }

    /// Waits until all rows of a table are in the bucket, whatever becomes of others.
    pub(crate) fn arrived(&self, daemon: &Daemon, server: &Server, table: &str) {
        let of_table = format!("{table}/");
        daemon.wait("the table's rows arrive", |_| {
            let objects = server.objects();
            let objects = objects.iter().filter(|(key, _)| key.starts_with(&of_table));
            let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
            objects.map(|(_, object)| lines(&object.bytes)).sum::<usize>() == self.posted(table)
        });
    }

    /// Once a pipeline has settled and ended: one object under each key of its outbox, of the bytes that it promised, and nothing
    /// else; each record in one row; nothing left; nothing told that is secret.
    pub(crate) fn prove(&self, server: &Server) {
        let (mut objects, history) = (server.objects(), server.history());
        // A bucket that did not answer at the start says whose it is from the next start on.
        objects.remove(CLAIM);
        let outbox = query(&self.pipeline, "SELECT key, sha256, bytes, delivered IS NOT NULL FROM tidemill_objects");
        let listed: BTreeSet<&str> = outbox[1..].iter().filter_map(|line| line.split(',').next()).collect();
        assert_eq!(listed, objects.keys().map(String::as_str).collect(), "the bucket has what was in the outbox");
        for line in &outbox[1..] {
            let [key, sha256, bytes, delivered] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let object = &objects[key];
            assert_eq!((digest(&object.bytes).as_str(), object.bytes.len().to_string().as_str()), (sha256, bytes));
            assert_eq!(delivered, "1", "{key} is known to be there");
            assert!(history[key].iter().all(|version| version.bytes == object.bytes), "{key} never held other bytes");
        }
        self.prove_rows(
            &objects.iter().map(|(key, version)| (key.as_str(), version.bytes.as_slice())).collect::<Vec<_>>(),
        );
        assert_eq!(self.spool(), [] as [PathBuf; 0], "nothing is left in the spool");
        assert_eq!(query(&self.pipeline, "SELECT count(*) FROM tidemill_segments")[1], "0");
        assert!(server.seen().iter().all(|seen| !seen.query.contains("upload")), "no object came in parts");
        let log = self.log();
        assert!(SECRETS.iter().all(|secret| !log.contains(secret)), "a secret stands in the log");
    }

    fn prove_rows(&self, objects: &[(&str, &[u8])]) {
        let mut found: BTreeMap<String, BTreeMap<Place, u64>> = BTreeMap::new();
        for (key, bytes) in objects {
            let table = key.split('/').next().expect("a table");
            for line in std::str::from_utf8(bytes).expect("text").lines() {
                let row: Value = serde_json::from_str(line).expect("a row");
                let number = |name: &str| row[name].as_u64().unwrap_or_else(|| panic!("{key}: {line}"));
                let place = (number("_partition"), number("_offset"));
                let before = found.entry(table.to_owned()).or_default().insert(place, number("ind"));
                assert_eq!(before, None, "{key}: {place:?} is in the bucket twice");
            }
        }
        assert_eq!(found, *self.posted.borrow(), "the bucket has the rows of the records");
    }
}
