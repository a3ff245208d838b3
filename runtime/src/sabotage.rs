//! Faults that a test build commits on purpose, so that the tests can show that they would notice.
//!
//! Only a build with the feature `sabotage` knows them; it commits the one that `TIDEMILL_SABOTAGE` names. `tests/sabotage.txt`
//! says for each which test has to fail.

/// A fault that this program could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A group of appends is answered before it is synced.
    AckEarly,
    /// What the log writes is never synced.
    SyncLeftOut,
    /// A sync that failed is tried again.
    SyncTriedAgain,
    /// A write that the disk took in part counts as whole.
    ShortWriteKept,
    /// What was found in the log at the start is not synced before it is read.
    TailNotSynced,
    /// The log is cut at any bad frame, whatever is behind it.
    CutInTheMiddle,
    /// Checksums of frames are not looked at.
    ChecksumUnread,
    /// A frame may come from another place.
    PlaceUnread,
    /// A frame may follow any other.
    ChainUnread,
    /// Offsets that were committed are given again where the log ends before them.
    OffsetsReused,
    /// Retention removes what a table still needs.
    RetentionHasty,
    /// A data folder may have two owners.
    LockLeftOut,
    /// SQLite does not wait for the disk.
    SynchronousNormal,
    /// The ledger takes a line that does not follow.
    GapTaken,
    /// Where a partition stands is committed before what came of its records.
    PositionEarly,
    /// Dead letters are not kept.
    LettersLost,
    /// Windows that were open begin anew at a start.
    WindowsForgotten,
    /// A row that comes late is counted although its window has closed.
    LateCounted,
    /// A segment of the spool is not synced.
    SegmentNotSynced,
    /// An object counts as delivered before it is sent.
    DeliveredEarly,
    /// An object under our key is ours, whatever it holds.
    ForeignTaken,
    /// An object that we wrote is taken for foreign.
    OwnRefused,
    /// Objects are written over what is there.
    PutUnconditional,
    /// A generation is taken without ending the epoch.
    SwapInside,
    /// A trial is never failed.
    TrialUnjudged,
    /// A call has no deadline.
    DeadlineOff,
    /// A guest has all the memory that it asks for.
    MemoryUnlimited,
    /// What a guest returns is not checked.
    AnswersUnchecked,
    /// Whoever signed a component, it is loaded.
    SignatureUnread,
    /// A request may be of any size.
    BodyUnbounded,
}

/// A place in which a unit test can have this program panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A worker, at a chunk of its table.
    Worker,
    /// The committer of a pipeline, inside a transaction.
    Commit,
    /// The committer of a pipeline, after a transaction of which nobody knows yet.
    Committed,
    /// The lander, at segments of a table.
    Lander,
    /// An uploader, at an object of a table.
    Uploader,
    /// A writer of a topic, at a group of appends.
    Writer,
}

/// Whoever works in a place, on what is called so, comes by here; but in unit tests nothing happens.
#[cfg(not(test))]
#[inline(always)]
pub fn pass(_: Place, _: &str) {}

#[cfg(test)]
pub use self::panics::{arm, pass};

/// Whether this build commits the fault: never, but in a test build that was told to.
#[cfg(not(feature = "sabotage"))]
#[inline(always)]
pub fn is(_: Fault) -> bool {
    false
}

/// Whether this process was told to commit the fault.
#[cfg(feature = "sabotage")]
pub fn is(fault: Fault) -> bool {
    static TOLD: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("TIDEMILL_SABOTAGE").ok());
    TOLD.as_deref().is_some_and(|told| told == format!("{fault:?}"))
}

#[cfg(test)]
mod panics {
    use std::sync::Mutex;

    use super::Place;

    static ARMED: Mutex<Vec<(Place, String)>> = Mutex::new(Vec::new());

    /// Has the next panic who comes by.
    pub fn arm(place: Place, name: &str) {
        ARMED.lock().unwrap().push((place, name.to_owned()));
    }

    /// Panics where that was asked for, once.
    pub fn pass(place: Place, name: &str) {
        let mut armed = ARMED.lock().unwrap();
        let found = armed.iter().position(|(at, of)| *at == place && of == name);
        if let Some(found) = found {
            armed.remove(found);
            drop(armed);
            panic!("on purpose, in {place:?} of {name:?}");
        }
    }
}
