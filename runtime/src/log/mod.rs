//! The embedded topic: partitions of checksummed frames in segments, synced before they are acknowledged.
//!
//! What it promises on a disk that keeps what it synced: an acknowledged record survives `kill -9` and power loss, under
//! the offset that was answered. On a disk that rots or lies: what is read is what was written, or an error that
//! names the offsets. One accident stays: of the last group before a crash, rot cannot be told from a torn write;
//! [`Topic::resume`] finds it where the group had been read and committed.
//!
//! ```text
//! Append ──► queue of WAITING_BYTES_MAX ──► writer: stamp, write, sync once ──► answers, readers unparked
//! <dir>/<topic>/topic.json
//! <dir>/<topic>/<partition>/00000000000000000000.log    frames; the newest segment grows, the others never change
//! <dir>/<topic>/<partition>/00000000000000000000.index  derived, made again where it is missing
//! <dir>/<topic>/<partition>/00000000000000000000.producers  derived too: the requests of producers that were named before
//! ```

pub mod created;
pub mod follow;
pub mod groups;
pub mod lock;
pub mod options;
pub mod repair;

mod append;
mod memory;
mod meta;
mod reader;
mod survey;
mod topic;
mod turn;

mod mend;
mod partition;
mod recover;
mod retention;
mod writer;

mod buffers;
mod fields;
mod frame;
mod frames;
mod hitch;
mod index;
mod payload;
mod place;
mod segment;
mod skips;
mod snapshot;

#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;

pub use append::{Append, Appended, Producer, Ticket};
pub use memory::{APPENDS_KEPT, OutOfTurn, REQUESTS_KEPT, TIME_KEPT};
pub use meta::check_name;
pub use reader::Reader;
pub use survey::{Found, Survey};
pub use topic::Topic;
#[cfg(test)]
pub(crate) use writer::Writer;
