//! Windows and aggregates: pure functions of rows and times, without I/O or a clock.
//!
//! A worker feeds its rows to an [`Accumulator`] and takes a [`Partial`] at the end of an epoch; the committer merges
//! the partials of all partitions into a [`State`], which says what changed and what has closed.

pub mod spec;

mod accumulator;
mod cell;
mod column;
mod cut;
mod encode;
mod groups;
mod keys;
mod landed;
mod measure;
mod open;
mod plan;
mod progress;
mod registers;
mod scalar;
mod shown;
mod sketch;
mod spread;
mod state;

pub use accumulator::{Accumulator, LATE_MAX, Origin, Partial};
pub use keys::Keys;
pub use landed::{output_fields, rows};
pub use progress::{PartitionProgress, Progress};
pub use state::State;

#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
