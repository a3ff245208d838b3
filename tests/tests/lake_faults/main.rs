//! Whatever an S3 answers, or does not, each object arrives once, as it is, and a table's trouble stays its own.

mod conflict;
mod down;
mod generated;
mod house;
mod kills;
mod named;
mod told;
