//! Tidemill: an embedded stream processor with WebAssembly transforms.

pub mod access;
pub mod commit;
pub mod disk;
pub mod error;
pub mod expression;
mod json;
pub mod metrics;
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
pub mod trouble;
pub mod value;
pub mod wildcard;

pub mod cache;
pub mod component;
pub mod decode;
pub mod emulate;
pub mod lake;
pub mod landing;
pub mod log;
pub mod rollup;
pub mod source;
pub mod window;

pub mod config;
pub mod pipeline;

pub mod reload;
pub mod runtime;
pub mod schedule;

pub mod cli;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod http;
