//! The consumers of a listener: how many there are, which partitions each has, who is forgotten.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;

use super::instance::{Instance, Partition, Settings, Wanted};
use crate::http::answer::Refusal;
use crate::runtime::Runtime;

/// The consumers by group and name.
pub(in crate::http) struct Registry {
    consumers_max: usize,
    idle_time_max: Duration,
    all: Mutex<BTreeMap<(String, String), Arc<Instance>>>,
}

impl Registry {
    /// None yet, at most so many, each forgotten when nobody has asked for it for so long.
    pub(in crate::http) fn new(consumers_max: usize, idle_time_max: Duration) -> Self {
        Self { consumers_max, idle_time_max, all: Mutex::default() }
    }

    /// Adds one.
    pub(super) fn add(&self, settings: Settings) -> Result<Arc<Instance>, Refusal> {
        let mut all = self.all();
        let name = (settings.group.clone(), settings.id.clone());
        if all.contains_key(&name) {
            let message = "Consumer with specified consumer ID already exists in the specified consumer group.";
            return Err(Refusal::coded(StatusCode::CONFLICT, 40902, message));
        }
        if all.len() >= self.consumers_max {
            let message = format!("{} consumers are the most that may be here; delete one.", self.consumers_max);
            return Err(Refusal::plain(StatusCode::TOO_MANY_REQUESTS, message));
        }
        let instance = Arc::new(Instance::new(settings));
        all.insert(name, Arc::clone(&instance));
        Ok(instance)
    }

    /// One of them, for who made it; to others it is not there.
    pub(super) fn find(&self, group: &str, id: &str, owner: &str) -> Result<Arc<Instance>, Refusal> {
        let found = self.all().get(&(group.to_owned(), id.to_owned())).cloned();
        let found = found.filter(|instance| instance.owner == owner).ok_or_else(not_found)?;
        found.touch();
        Ok(found)
    }

    /// Takes one out.
    pub(super) fn remove(&self, group: &str, id: &str, owner: &str) -> Result<Arc<Instance>, Refusal> {
        let found = self.find(group, id, owner)?;
        self.all().remove(&(group.to_owned(), id.to_owned()));
        Ok(found)
    }

    /// The partitions that a consumer has: those that it was assigned, or its share of those that its group reads.
    pub(super) fn owned(&self, runtime: &Runtime, instance: &Instance) -> Vec<Partition> {
        let wanted = instance.wanted().clone();
        let topics = match wanted {
            Wanted::Nothing => return Vec::new(),
            Wanted::Partitions(partitions) => return partitions,
            Wanted::Topics(topics) => topics,
        };
        let group: Vec<Arc<Instance>> =
            self.all().values().filter(|other| other.group == instance.group).cloned().collect();
        let mut owned = Vec::new();
        for name in topics {
            let Some(topic) = runtime.topic(&name) else { continue };
            let readers: Vec<&Arc<Instance>> = group.iter().filter(|other| other.subscribes(&name)).collect();
            let own = readers.iter().position(|other| other.id == instance.id);
            let Some(own) = own.and_then(|own| u32::try_from(own).ok()) else { continue };
            let step = readers.len().max(1);
            owned.extend((own..topic.partitions()).step_by(step).map(|partition| (name.clone(), partition)));
        }
        owned
    }

    /// All of them; who was idle for too long is forgotten first.
    fn all(&self) -> MutexGuard<'_, BTreeMap<(String, String), Arc<Instance>>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, instance| !instance.is_idle(self.idle_time_max));
        all
    }
}

fn not_found() -> Refusal {
    Refusal::coded(StatusCode::NOT_FOUND, 40403, "Consumer instance not found.")
}
