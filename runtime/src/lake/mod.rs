//! The lake: rows encoded, spooled, joined into objects and uploaded to S3.

mod bucket;
mod columns;
mod disk;
mod encoding;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod join;
mod json;
mod key;
pub mod options;
mod reader;
mod retry;
mod rows;
mod segment;
mod server;
#[cfg(test)]
pub(crate) mod tests;

pub use bucket::{Bucket, Delivered, Listed};
pub use columns::parquet_columns;
pub use disk::{hex, sha256};
pub use encoding::Profile;
pub use join::{Joined, Part, join, link};
pub use json::json_lines;
pub use key::{claim_key, object_key, prefix};
pub use reader::{BucketReader, Fetched};
pub use retry::{Backoff, retry};
pub use rows::{json_rows, parquet_rows};
pub use segment::{Finished, SegmentWriter};
pub use server::{Credentials, Server};
