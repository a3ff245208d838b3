//! The embedded topic: partitions of checksummed frames in segments, synced before they are acknowledged.

pub mod options;
