//! What the whole-system tests share: a running `tidemill`, a client that can misbehave, places and answers.

pub mod checks;
pub mod cli;
pub mod daemon;
pub mod database;
pub mod exchange;
pub mod fill;
pub mod fluvio;
pub mod forgetful;
pub mod guest;
pub mod http;
pub mod keys;
pub mod letters;
pub mod pair;
pub mod place;
pub mod proxy;
pub mod s3;
pub mod shim;
pub mod things;
pub mod torture;
