//! The parts that keep records, apart from all that is above them or beside them.

#![allow(dead_code, missing_docs, reason = "they serve others")]

pub mod commit;
pub mod disk;
pub mod error;
pub mod expression;
mod json;
pub mod packed;
pub mod process;
pub mod record;
pub mod rolled;
pub mod sabotage;
pub mod schema;
pub mod share;
pub mod sum;
pub mod sync;
pub mod text;
pub mod time;
pub mod value;

pub mod cache;
pub mod log;
pub mod rollup;
pub mod window;
