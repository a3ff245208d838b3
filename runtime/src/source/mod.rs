//! Topics that other systems keep, as sources.

pub mod files;
#[cfg(feature = "fluvio")]
pub mod fluvio;
#[cfg(not(feature = "fluvio"))]
#[path = "absent.rs"]
pub mod fluvio;
pub mod later;
pub mod options;
pub mod refused;
