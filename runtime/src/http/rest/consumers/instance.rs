//! A consumer: what it wants, where it stands in each partition, what its group has committed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::super::negotiation::Format;
use crate::error::Result;
use crate::runtime::Runtime;

/// A partition of a topic.
pub(super) type Partition = (String, u32);

/// A consumer of a group.
#[derive(Debug)]
pub(super) struct Instance {
    /// Its group.
    pub(super) group: String,
    /// Its name in the group.
    pub(super) id: String,
    /// The key that made it, which alone may use it.
    pub(super) owner: String,
    /// How keys and values are written for it.
    pub(super) format: Format,
    /// Where it begins in a partition of which its group has committed nothing, or what is no longer kept.
    pub(super) reset: Reset,
    /// Whether each read commits what the one before it gave.
    pub(super) auto_commit: bool,
    /// How long a read waits for records.
    pub(super) timeout: Duration,
    wanted: Mutex<Wanted>,
    used: Mutex<Instant>,
    /// Where it stands; held while it reads.
    pub(super) positions: tokio::sync::Mutex<BTreeMap<Partition, u64>>,
}

/// Where a consumer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reset {
    /// With the first record that is kept.
    Earliest,
    /// With the next that comes.
    Latest,
}

/// What a consumer reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing yet.
    #[default]
    Nothing,
    /// Its share of the partitions of these topics, beside the others of its group.
    Topics(Vec<String>),
    /// These partitions, whatever the others read.
    Partitions(Vec<Partition>),
}

/// What a consumer is made with.
pub(super) struct Settings {
    pub(super) group: String,
    pub(super) id: String,
    pub(super) owner: String,
    pub(super) format: Format,
    pub(super) reset: Reset,
    pub(super) auto_commit: bool,
    pub(super) timeout: Duration,
}

impl Instance {
    /// One that wants nothing yet.
    pub(super) fn new(settings: Settings) -> Self {
        let Settings { group, id, owner, format, reset, auto_commit, timeout } = settings;
        let (wanted, used, positions) = (Mutex::default(), Mutex::new(Instant::now()), tokio::sync::Mutex::default());
        Self { group, id, owner, format, reset, auto_commit, timeout, wanted, used, positions }
    }

    /// What it reads.
    pub(super) fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It was asked for something.
    pub(super) fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether nobody has asked for it for so long, and nobody waits for it now.
    pub(super) fn is_idle(&self, time: Duration) -> bool {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.elapsed() >= time && self.positions.try_lock().is_ok()
    }

    /// Whether it reads a topic together with its group.
    pub(super) fn subscribes(&self, topic: &str) -> bool {
        matches!(&*self.wanted(), Wanted::Topics(topics) if topics.iter().any(|one| one == topic))
    }

    /// Brings its positions in line with the partitions that it has now: what it has lost goes, what it has gained begins where
    /// its group has committed, or as its reset says. Waits for the disk.
    pub(super) fn settle(
        &self,
        runtime: &Runtime,
        positions: &mut BTreeMap<Partition, u64>,
        owned: &[Partition],
    ) -> Result<()> {
        positions.retain(|partition, _| owned.contains(partition));
        for (name, partition) in owned {
            let Some(topic) = runtime.topic(name) else { continue };
            let (earliest, end) = (topic.earliest(*partition), topic.end(*partition));
            let known = match positions.get(&(name.clone(), *partition)) {
                Some(position) => Some(*position),
                None => runtime.groups().committed(&self.group, name, *partition)?,
            };
            let position = known.filter(|position| (earliest..=end).contains(position));
            let position = position.unwrap_or(match self.reset {
                Reset::Earliest => earliest,
                Reset::Latest => end,
            });
            positions.insert((name.clone(), *partition), position);
        }
        Ok(())
    }

    /// Commits where it stands. Waits for the disk.
    pub(super) fn commit(&self, runtime: &Runtime, positions: &BTreeMap<Partition, u64>) -> Result<()> {
        let next = positions.iter().map(|((topic, partition), next)| (topic.clone(), *partition, *next));
        runtime.groups().commit(&self.group, next)
    }
}
