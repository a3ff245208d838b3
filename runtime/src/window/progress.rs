//! How far an aggregate has come, by the watermarks of its partitions.

use crate::time::Timestamp;

/// How far an aggregate has come; it is stored beside the groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The partitions, by their number.
    pub partitions: Vec<PartitionProgress>,
    /// Every window whose end and lateness are at or before it is closed for good.
    pub closed_upto: Timestamp,
}

/// How far one partition has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionProgress {
    /// The greatest time that its rows have shown, or the time up to which it is known to be settled.
    pub watermark: Timestamp,
    /// Whether it was quiet for so long that it does not hold the others back.
    pub idle: bool,
}

impl Progress {
    /// That of `partitions` partitions which have shown nothing.
    pub fn new(partitions: u32) -> Self {
        let mut progress = Self { partitions: Vec::new(), closed_upto: Timestamp::MIN };
        progress.grow(partitions as usize);
        progress
    }

    /// The least watermark of the partitions that are not idle; the greatest of all where every one is.
    pub(super) fn least(&self) -> Timestamp {
        let awake = self.partitions.iter().filter(|partition| !partition.idle).map(|partition| partition.watermark);
        let greatest = || self.partitions.iter().map(|partition| partition.watermark).max();
        awake.min().or_else(greatest).unwrap_or(Timestamp::MIN)
    }

    pub(super) fn grow(&mut self, partitions: usize) {
        let fresh = PartitionProgress { watermark: Timestamp::MIN, idle: false };
        self.partitions.resize(self.partitions.len().max(partitions), fresh);
    }

    pub(super) fn of(&mut self, partition: u32) -> Option<&mut PartitionProgress> {
        self.grow(partition as usize + 1);
        self.partitions.get_mut(partition as usize)
    }
}
