//! Rollups: continuous aggregates over the latest rows of joined tables, pure functions of rows, without I/O or a clock.
//!
//! Whoever writes the rows says of each key that changes what its row was and what it is now; a [`Family`] takes the one out of its
//! groups and adds the other, and writes what has changed to whatever keeps it.

pub mod spec;

mod best;
mod cell;
mod encode;
mod family;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod plan;
mod stretches;

#[cfg(test)]
mod tests;

pub use family::{Family, families, is_astray};
pub use plan::{Source, unfit};
