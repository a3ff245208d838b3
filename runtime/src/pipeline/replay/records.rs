//! The records of a partition as they lie in its topic, epoch by epoch.

use std::ops::Range;

use crate::error::Result;
use crate::log::Survey;
use crate::record::Batch;

/// A partition's records, read forwards.
pub(super) struct Records {
    survey: Survey,
    pub(super) batch: Batch,
    at: usize,
    next: u64,
}

impl Records {
    pub(super) fn new(survey: Survey) -> Self {
        Self { survey, batch: Batch::default(), at: 0, next: 0 }
    }

    /// The first offset that is kept.
    pub(super) fn earliest(&self) -> Option<u64> {
        self.survey.earliest()
    }

    /// Goes forwards to an offset.
    pub(super) fn seek(&mut self, offset: u64) {
        while self.batch.get(self.at).is_some_and(|record| record.offset < offset) {
            self.at += 1;
        }
        if self.at >= self.batch.len() {
            self.next = self.next.max(offset);
        }
    }

    /// The next records before an offset, at most so many, as a stretch of the batch; none where there are no more.
    ///
    /// Errors with `Kind::Corrupt` where they are not there as they were written.
    pub(super) fn chunk(&mut self, before: u64, records_max: usize) -> Result<Option<Range<usize>>> {
        if self.at >= self.batch.len() {
            self.batch.clear();
            self.at = 0;
            match self.survey.read(self.next)? {
                Some(batch) => self.batch = batch,
                None => return Ok(None),
            }
        }
        let records = self.batch.range(self.at..self.batch.len());
        let count = records.take(records_max).take_while(|record| record.offset < before).count();
        let range = self.at..self.at + count;
        self.at = range.end;
        if let Some(last) = range.clone().last().and_then(|last| self.batch.get(last)) {
            self.next = last.offset + 1;
        }
        Ok((count > 0).then_some(range))
    }
}
