//! A partition that was read before and cannot be opened now: it is tried again until it can be, and nobody else waits for it.

use std::thread::Thread;

use crate::error::Result;
use crate::record::{Batch, Source};
use crate::time::Timestamp;

/// Opens the partition at an offset.
pub type Open = dyn FnMut(u64) -> Result<Box<dyn Source>> + Send;

/// Stands for the partition; each seek tries to open it.
pub struct Later {
    open: Box<Open>,
    source: Option<Box<dyn Source>>,
    reader: Option<Thread>,
}

impl Later {
    /// One that is not open yet.
    pub fn new(open: impl FnMut(u64) -> Result<Box<dyn Source>> + Send + 'static) -> Self {
        Self { open: Box::new(open), source: None, reader: None }
    }
}

impl Source for Later {
    fn read(&mut self, batch: &mut Batch, bytes_max: usize) -> Result<()> {
        self.source.as_mut().map_or(Ok(()), |source| source.read(batch, bytes_max))
    }

    fn seek(&mut self, offset: u64, floor: Timestamp) -> Result<()> {
        if self.source.is_none() {
            let mut source = (self.open)(offset)?;
            self.reader.iter().for_each(|reader| source.wake(reader.clone()));
            self.source = Some(source);
        }
        self.source.as_mut().map_or(Ok(()), |source| source.seek(offset, floor))
    }

    fn end(&self) -> Option<u64> {
        self.source.as_ref().and_then(|source| source.end())
    }

    fn wake(&mut self, reader: Thread) {
        self.source.iter_mut().for_each(|source| source.wake(reader.clone()));
        self.reader = Some(reader);
    }

    fn settled(&mut self, next: u64, now: Timestamp) -> Option<Timestamp> {
        self.source.as_mut().and_then(|source| source.settled(next, now))
    }
}
