//! A pipeline of one table, `thing`, whose transform is a file of its own.

use std::fs;
use std::path::PathBuf;

use crate::daemon::query;
use crate::place::Folder;

/// The pipeline's file and all that it needs, in a folder of their own.
pub struct House {
    folder: Folder,
    /// The pipeline's file.
    pub pipeline: PathBuf,
}

impl House {
    /// A pipeline that begins with this component; its objects are JSON, its epochs short.
    pub fn new(name: &str, first: &[u8]) -> Self {
        let folder = Folder::new(name);
        let text = format!(
            "[pipeline]\nname = \"things\"\ndata = {:?}\n[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
             [epoch]\ntime = \"50ms\"\n[lake]\nbucket = \"things\"\nendpoint = \"embedded\"\nformat = \"json\"\n\
             [topics.thing]\npartitions = 2\n[tables.thing]\ntopic = \"thing\"\ntransform = \"thing.wasm\"\n\
             key = [\"ind\"]\ncache = [\"ind\", \"mark\"]\nwindow = \"1s\"\n[tables.thing.limits]\nmemory = \"32MiB\"\n",
            folder.path().join("data")
        );
        let pipeline = folder.write("things.toml", text);
        fs::write(folder.path().join("thing.wasm"), first).expect("the component");
        Self { folder, pipeline }
    }

    /// The component's file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("thing.wasm")
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
