//! What stands for Fluvio in a build without it: an error that says so.

use std::fmt;
use std::thread::Thread;

use crate::error::{Error, Kind, Result};
use crate::record::{Batch, Source};
use crate::source::options::{FluvioOptions, Timeouts};
use crate::time::Timestamp;

/// A partition that this build cannot open.
#[derive(Debug)]
pub enum FluvioPartition {}

/// How a partition's connection stands; there is none.
#[derive(Clone, Debug)]
pub enum Status {}

impl FluvioPartition {
    /// Fails: this build has no Fluvio client.
    pub fn open(options: FluvioOptions, _from: u64, _timeouts: Timeouts) -> Result<Self> {
        let message = format!("topic {:?}: this build of tidemill cannot read from Fluvio", options.topic);
        Err(Error::new(Kind::Input, message).hint("build it with the feature \"fluvio\", which is on by default"))
    }

    /// How the connection stands.
    pub fn status(&self) -> Status {
        match *self {}
    }
}

impl fmt::Display for Status {
    fn fmt(&self, _: &mut fmt::Formatter) -> fmt::Result {
        match *self {}
    }
}

impl Source for FluvioPartition {
    fn read(&mut self, _: &mut Batch, _: usize) -> Result<()> {
        match *self {}
    }

    fn seek(&mut self, _: u64, _: Timestamp) -> Result<()> {
        match *self {}
    }

    fn end(&self) -> Option<u64> {
        match *self {}
    }

    fn wake(&mut self, _: Thread) {
        match *self {}
    }

    fn settled(&mut self, _: u64, _: Timestamp) -> Option<Timestamp> {
        match *self {}
    }
}
