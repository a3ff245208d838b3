//! The embedded topics of a running pipeline: those of its file, and those that were made on request.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use hashbrown::HashSet;

use super::{Runtime, lock};
use crate::config::PARTITIONS_MAX;
use crate::error::{Error, Kind, Result};
use crate::log::options::Options;
use crate::log::{Topic, created};
use crate::time::Clock;

/// The most partitions of all topics together that were made on request: each has a thread.
const CREATED_PARTITIONS_MAX: u32 = 1_000;

/// The topics by name.
pub(super) struct Topics {
    folder: PathBuf,
    clock: Arc<Clock>,
    open: RwLock<BTreeMap<String, Arc<Topic>>>,
    /// The names of those that were made on request; held while one is made or removed.
    created: Mutex<HashSet<String>>,
}

impl Topics {
    /// Those of the pipeline file, which are open, and those that were found.
    pub(super) fn new(
        mut open: BTreeMap<String, Arc<Topic>>,
        found: Vec<(String, u32)>,
        folder: PathBuf,
        clock: &Arc<Clock>,
    ) -> Result<Self> {
        let mut created = HashSet::new();
        for (name, partitions) in found {
            if !open.contains_key(&name) {
                let options = Options { partitions, ..Options::default() };
                let topic = Topic::open(&folder, &name, &options, Arc::clone(clock))?;
                open.insert(name.clone(), Arc::new(topic));
                created.insert(name);
            }
        }
        Ok(Self { folder, clock: Arc::clone(clock), open: RwLock::new(open), created: Mutex::new(created) })
    }

    /// One of them.
    pub(super) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All of them, by rising name.
    pub(super) fn all(&self) -> Vec<Arc<Topic>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn set(&self, name: &str, topic: Option<Arc<Topic>>) -> Option<Arc<Topic>> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        match topic {
            Some(topic) => open.insert(name.to_owned(), topic),
            None => open.remove(name),
        }
    }
}

impl Runtime {
    /// An embedded topic.
    pub fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.get(name)
    }

    /// The names of the embedded topics, in order.
    pub fn topic_names(&self) -> Vec<String> {
        self.topics.all().iter().map(|topic| topic.name().to_owned()).collect()
    }

    /// Makes a topic, which stays until it is deleted; it keeps all its records. Waits for the disk.
    ///
    /// Errors: `Input` for a name or a number of partitions that cannot be, `Conflict` where there is one of this name,
    /// `Busy` where the pipeline file allows no more, `Storage` where the disk refuses.
    pub fn create_topic(&self, name: &str, partitions: u32) -> Result<Arc<Topic>> {
        let refuse = |kind, what: String| Err(Error::new(kind, format!("topic {name:?}: {what}")));
        if !(1..=PARTITIONS_MAX).contains(&u64::from(partitions)) {
            return refuse(Kind::Input, format!("{partitions} partitions are not within 1 and {PARTITIONS_MAX}"));
        }
        let mut created = lock(&self.topics.created);
        if self.is_planned(name) || self.topics.get(name).is_some() {
            return refuse(Kind::Conflict, "there is one of this name".to_owned());
        }
        let topics_max = self.pipeline.ingest.topics_max;
        if created.len() >= topics_max {
            return refuse(Kind::Busy, format!("{topics_max} topics are the most that may be made"));
        }
        let taken: u32 = created.iter().filter_map(|name| self.topics.get(name)).map(|topic| topic.partitions()).sum();
        if taken + partitions > CREATED_PARTITIONS_MAX {
            let most = format!("{CREATED_PARTITIONS_MAX} partitions are the most that may be made in all");
            return refuse(Kind::Busy, most);
        }
        let options = Options { partitions, ..Options::default() };
        let topic = created::create(&self.topics.folder, name, &options, Arc::clone(&self.topics.clock))?;
        let topic = Arc::new(topic);
        created.insert(name.to_owned());
        self.topics.set(name, Some(Arc::clone(&topic)));
        tracing::info!(topic = name, partitions, "topic made");
        Ok(topic)
    }

    /// Deletes a topic that was made on request, with all its records. Waits for its writers and for the disk.
    ///
    /// Errors: `Missing` where there is none, `Conflict` for one that the pipeline file names, as those do that a table
    /// reads, `Storage` where the disk refuses.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        let mut created = lock(&self.topics.created);
        if self.is_planned(name) {
            let kept = Error::new(Kind::Conflict, format!("topic {name:?}: the pipeline file names it"));
            return Err(kept.hint("take it and the tables that read it out of the file"));
        }
        let missing = || Error::new(Kind::Missing, format!("topic {name:?}: there is none of this name"));
        let topic = self.topics.set(name, None).ok_or_else(missing)?;
        created.remove(name);
        // What waits is written and answered; its records go with the others.
        let closed = topic.close();
        created::remove(&self.topics.folder, name)?;
        tracing::info!(topic = name, "topic deleted");
        closed
    }

    fn is_planned(&self, name: &str) -> bool {
        self.pipeline.topics.iter().any(|topic| topic.name == name)
    }
}
