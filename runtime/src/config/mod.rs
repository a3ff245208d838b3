//! Pipeline files: read, checked with all their faults at once, shown as a plan.

pub mod access_keys;
mod check;
mod connector;
mod fault;
mod files;
mod gateway;
mod grouping;
pub mod keys;
mod kinesis;
mod landing;
mod listen;
mod names;
mod parameters;
mod paths;
mod picture;
pub mod plan;
mod read;
mod rollup;
mod schedule;
mod section;
mod table;
mod topic;
mod transform;
mod trust;
pub mod units;
mod window;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::schema::Field;

pub use check::{check, unfit};
pub use connector::import as import_connector;
pub use fault::{Fault, Place, Places};
pub use listen::exposed;
pub use names::table as check_name;
pub use parameters::check_parameters;
pub use picture::picture;
pub use read::read;
pub use topic::PARTITIONS_MAX;

/// A pipeline that was read, with the place of all that declares it.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The pipeline as meant.
    pub pipeline: plan::Pipeline,
    /// Where each entry of its file stands.
    pub places: Places,
}

/// What a transform says of itself, so far as a plan needs it.
#[derive(Clone, Debug)]
pub struct Described {
    /// The transform's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The component's sha256 in hexadecimal.
    pub digest: String,
    /// The fields that it reads.
    pub inputs: Vec<Field>,
    /// The fields that it writes.
    pub outputs: Vec<Field>,
}

/// Descriptions by the table's name, one for each of its transforms; a table of which one could not be loaded has none.
pub type Descriptions = HashMap<String, Vec<Described>>;
