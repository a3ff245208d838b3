//! A partition that cannot be read as things stand: each read says why.

use std::thread::Thread;

use crate::error::{Error, Result};
use crate::record::{Batch, Source};
use crate::time::Timestamp;

/// Stands for a partition until the pipeline is started again.
#[derive(Debug)]
pub struct Refused(pub Error);

impl Source for Refused {
    fn read(&mut self, _: &mut Batch, _: usize) -> Result<()> {
        Err(self.0.clone())
    }

    fn seek(&mut self, _: u64, _: Timestamp) -> Result<()> {
        Ok(())
    }

    fn end(&self) -> Option<u64> {
        None
    }

    fn wake(&mut self, _: Thread) {}

    fn settled(&mut self, _: u64, _: Timestamp) -> Option<Timestamp> {
        None
    }
}
