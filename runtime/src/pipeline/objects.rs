//! The objects of a bucket as the files of a topic: listed below a prefix, and fetched some ahead of being read.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use tokio::runtime::Handle;

use crate::error::{Error, Kind, Result};
use crate::lake::options::Options;
use crate::lake::{BucketReader, Fetched};
use crate::source::files::{Place, Stamp};

/// So many objects are fetched at a time, the one that is read among them ...
const AHEAD_MAX: usize = 16;
/// ... while they hold no more than this together.
const AHEAD_BYTES_MAX: u64 = 64 << 20;

/// The objects below a prefix. They are known to be as they were by their sha256.
pub(super) struct Objects {
    lake: Options,
    folder: PathBuf,
    tokio: Handle,
    reader: Option<Arc<BucketReader>>,
    /// How large objects are, by the last listing.
    sizes: HashMap<String, u64>,
    /// Those that are wanted next.
    coming: VecDeque<String>,
    ahead: VecDeque<Ahead>,
}

/// An object that was asked for.
struct Ahead {
    name: String,
    bytes: u64,
    fetched: Receiver<Result<Option<Fetched>>>,
}

impl Objects {
    /// Those of a bucket below its prefix; `folder` is the embedded server's. To be called on one of tokio's threads, and used on
    /// another: its calls block.
    pub(super) fn of(lake: &Options, folder: &Path) -> Self {
        Self {
            lake: lake.clone(),
            folder: folder.to_owned(),
            tokio: Handle::current(),
            reader: None,
            sizes: HashMap::new(),
            coming: VecDeque::new(),
            ahead: VecDeque::new(),
        }
    }

    fn reader(&mut self) -> Result<Arc<BucketReader>> {
        let reader = match &self.reader {
            Some(reader) => Arc::clone(reader),
            None => Arc::new(BucketReader::open(&self.lake, &self.folder, &self.tokio)?),
        };
        self.reader = Some(Arc::clone(&reader));
        Ok(reader)
    }

    /// Asks for objects that come next, while there is room.
    fn ask(&mut self, reader: &Arc<BucketReader>) {
        let mut bytes: u64 = self.ahead.iter().map(|ahead| ahead.bytes).sum();
        while self.ahead.len() < AHEAD_MAX
            && let Some(name) = self.coming.pop_front()
        {
            let size = self.sizes.get(&name).copied().unwrap_or(0);
            if !self.ahead.is_empty() && bytes + size > AHEAD_BYTES_MAX {
                self.coming.push_front(name);
                return;
            }
            bytes += size;
            let (answer, fetched) = sync_channel(1);
            let (reader, key) = (Arc::clone(reader), format!("{}{name}", self.lake.prefix));
            self.tokio.spawn_blocking(move || {
                // Who asked may have gone.
                let _ = answer.send(reader.fetch(&key));
            });
            self.ahead.push_back(Ahead { name, bytes: size, fetched });
        }
    }
}

impl Place for Objects {
    /// Keys without the prefix; those that end with a slash are what some tools make of folders.
    fn list(&mut self) -> Result<Vec<(String, Stamp)>> {
        let reader = self.reader()?;
        let (mut after, mut found) = (String::new(), Vec::new());
        self.sizes.clear();
        loop {
            let page = reader.page(&self.lake.prefix, &after)?;
            let Some(last) = page.last() else { return Ok(found) };
            after.clone_from(&last.key);
            for listed in page {
                let Some(name) = listed.key.strip_prefix(&self.lake.prefix) else { continue };
                if !name.is_empty() && !name.ends_with('/') {
                    self.sizes.insert(name.to_owned(), listed.bytes);
                    found.push((name.to_owned(), Stamp { bytes: listed.bytes, modified_ns: 0, sha256: None }));
                }
            }
        }
    }

    fn expect(&mut self, names: &[String]) {
        self.ahead.clear();
        self.coming = names.iter().cloned().collect();
    }

    fn open(&mut self, name: &str) -> Result<Option<(File, Stamp)>> {
        let reader = self.reader()?;
        if self.coming.front().is_some_and(|next| next == name) || self.ahead.iter().any(|ahead| ahead.name == name) {
            self.ask(&reader);
        }
        let at = self.ahead.iter().position(|ahead| ahead.name == name);
        let fetched = match at.and_then(|at| self.ahead.drain(..=at).next_back()) {
            Some(ahead) => ahead.fetched.recv().map_err(|_| {
                Error::new(Kind::Internal, format!("{}: what fetched it has stopped", self.shown(name)))
            })??,
            None => reader.fetch(&format!("{}{name}", self.lake.prefix))?,
        };
        Ok(fetched.map(|Fetched { file, bytes, sha256 }| (file, Stamp { bytes, modified_ns: 0, sha256: Some(sha256) })))
    }

    /// What was fetched is here, and does not change any more.
    fn again(&mut self, opened: &Stamp, _: &str) -> Result<Option<Stamp>> {
        Ok(Some(opened.clone()))
    }

    fn shown(&self, name: &str) -> String {
        format!("object s3://{}/{}{name}", self.lake.bucket, self.lake.prefix)
    }

    fn remedy(&self) -> &'static str {
        "put it back with the bytes that it had; what is new belongs into an object of another key"
    }
}
