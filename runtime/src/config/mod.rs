//! Pipeline files: declaration, parse, check.

pub mod plan;
