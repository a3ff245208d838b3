//! What a pipeline does by the calendar and the clock.

use std::path::PathBuf;
use std::time::Duration;

use super::Form;
use crate::time::{Cron, Zone};

/// A job, and when it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// Its times.
    pub cron: Cron,
    /// The zone whose clock they are of.
    pub zone: Zone,
    /// Whether times that passed while the pipeline did not run are made up for.
    pub catch_up: bool,
    /// How often a run that failed is tried again.
    pub retries: u32,
    /// How long after the first failure; after each further one twice as long.
    pub retry_delay: Duration,
    /// What becomes of a time that comes while a run is under way.
    pub overlap: Overlap,
    /// What is done.
    pub job: Job,
}

/// What becomes of a time that comes while a run is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// It is passed over.
    Skip,
    /// Its run waits.
    Queue,
}

/// What a schedule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Puts a query's answer into the lake.
    Export(Export),
    /// Proves the ledger.
    Audit {
        /// Whether by listings and sums alone.
        quick: bool,
    },
    /// Prunes what the cache keeps no longer.
    Prune,
    /// Calls somebody outside.
    Call(Call),
}

impl Job {
    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Export(_) => "export",
            Self::Audit { .. } => "audit",
            Self::Prune => "prune",
            Self::Call(_) => "call",
        }
    }
}

/// A query's answer on its way into the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The query's name.
    pub query: String,
    /// The form of the object.
    pub form: Form,
    /// The object's key below the lake's prefix, in which `{query}`, `{schedule}` and `{time}` stand for what they say.
    pub key: String,
}

/// A request to a host that the file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where it goes.
    pub url: String,
    /// Its method.
    pub method: Method,
    /// Its headers.
    pub headers: Vec<(String, Held)>,
    /// Its body, in which `{schedule}`, `{time}` and `{run}` stand for what they say.
    pub body: String,
    /// How long its answer may take.
    pub timeout: Duration,
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl Method {
    /// Each by its name.
    pub const NAMES: [(&str, Self); 5] = [
        ("GET", Self::Get),
        ("POST", Self::Post),
        ("PUT", Self::Put),
        ("PATCH", Self::Patch),
        ("DELETE", Self::Delete),
    ];

    /// Its name.
    pub fn word(self) -> &'static str {
        Self::NAMES.iter().find(|(_, method)| *method == self).map_or("", |(word, _)| word)
    }
}

/// Where the value of a header stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// In the pipeline file.
    Here(String),
    /// In a variable of the environment.
    Variable(String),
    /// In a file.
    File(PathBuf),
}
