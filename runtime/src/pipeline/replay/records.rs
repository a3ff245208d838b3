//! The records of a partition as they lie in its topic, epoch by epoch.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::log::Survey;
use crate::record::Batch;

/// Records that were given and still lie in the batch; it is then made shorter.
const GIVEN_MAX: usize = 4096;

/// A partition's records, read forwards.
pub(super) struct Records {
    survey: Survey,
    pub(super) batch: Batch,
    /// The first in the batch that was not given.
    at: usize,
    /// Where the topic is read next.
    next: u64,
    /// What is wrong behind those in the batch.
    broken: Option<Error>,
}

impl Records {
    pub(super) fn new(survey: Survey) -> Self {
        Self { survey, batch: Batch::default(), at: 0, next: 0, broken: None }
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
        self.next = self.next.max(offset);
    }

    /// The next records before an offset, at most so many, as a stretch of the batch; none where there are no more.
    ///
    /// Errors with `Kind::Corrupt` where they are not there as they were written.
    pub(super) fn chunk(&mut self, before: u64, records_max: usize) -> Result<Option<Range<usize>>> {
        self.forget();
        // Frames may be small.
        while self.batch.len() < self.at + records_max && self.next < before && self.broken.is_none() {
            match self.survey.read(self.next) {
                Ok(Some(more)) => more.iter().for_each(|record| {
                    self.next = record.offset + 1;
                    self.batch.push(record);
                }),
                Ok(None) => break,
                Err(error) => self.broken = Some(error),
            }
        }
        let records = self.batch.range(self.at..self.batch.len());
        let count = records.take(records_max).take_while(|record| record.offset < before).count();
        if count == 0
            && let Some(error) = self.broken.take()
        {
            return Err(error);
        }
        let range = self.at..self.at + count;
        self.at = range.end;
        Ok((count > 0).then_some(range))
    }

    /// Lets go of records that were given.
    fn forget(&mut self) {
        if self.at >= self.batch.len() {
            self.batch.clear();
            self.at = 0;
        } else if self.at > GIVEN_MAX {
            let mut rest = Batch::default();
            self.batch.range(self.at..self.batch.len()).for_each(|record| rest.push(record));
            (self.batch, self.at) = (rest, 0);
        }
    }
}
