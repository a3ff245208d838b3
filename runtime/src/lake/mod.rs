//! The lake: rows encoded, spooled, joined into objects and uploaded to S3.

pub mod options;
