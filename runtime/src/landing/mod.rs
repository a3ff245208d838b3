//! Records as they came, in objects as the Kafka Connect S3 sink makes them: their form, their folders, when they are full.

mod json;
pub mod options;
pub mod partitioner;
pub mod pattern;
pub mod rotation;
mod spool;
#[cfg(test)]
mod tests;

pub use partitioner::Placed;
pub use rotation::Rotation;
pub use spool::{Draft, Finished, Spool};
