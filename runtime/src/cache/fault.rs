//! What SQLite's errors mean to us: busy, a disk that refuses, rot, or a fault of the program.

use rusqlite::{ErrorCode, ffi};

use crate::error::{Error, Kind, Result};
use crate::sync;

/// Turns SQLite's error into ours, with what was being done.
pub(super) trait During<T> {
    /// `what` completes the sentence `cache: cannot ...`.
    fn during(self, what: &str) -> Result<T>;
}

impl<T> During<T> for rusqlite::Result<T> {
    fn during(self, what: &str) -> Result<T> {
        self.map_err(|cause| {
            if is_sync(&cause) {
                sync::note(message(&cause));
            }
            let error = Error::new(kind(&cause), format!("cache: cannot {what}: {}", message(&cause)));
            match error.kind() {
                Kind::Busy => error.hint("another program holds the file; close it, or let it end its transaction"),
                Kind::Corrupt => error.hint("restore the file from a copy; its bytes are not those that were written"),
                _ => error,
            }
        })
    }
}

/// The kind of SQLite's error; what is not about the machine is held to be ours.
pub(super) fn kind(error: &rusqlite::Error) -> Kind {
    let rusqlite::Error::SqliteFailure(failure, _) = error else { return Kind::Internal };
    match failure.code {
        // Whoever interrupts a query does so because its time is up.
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OperationInterrupted => Kind::Busy,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Kind::Corrupt,
        // A connection that could not open a file to write does not try again: a new one may.
        ErrorCode::ReadOnly => Kind::Conflict,
        ErrorCode::DiskFull
        | ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::OutOfMemory
        | ErrorCode::FileLockingProtocolFailed => Kind::Storage,
        _ => Kind::Internal,
    }
}

/// Whether SQLite could not sync.
fn is_sync(error: &rusqlite::Error) -> bool {
    let rusqlite::Error::SqliteFailure(failure, _) = error else { return false };
    matches!(failure.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
}

/// SQLite's own words, without the statement around them.
pub(super) fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::MultipleStatement => "more than one statement".to_owned(),
        other => other.to_string(),
    }
}

/// An error of this program: what the pipeline handed over cannot be.
pub(super) fn internal(message: impl Into<String>) -> Error {
    Error::new(Kind::Internal, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_kinds_apart() {
        let check = |code: i32, expected: Kind| {
            let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            assert_eq!(kind(&error), expected, "{code}");
        };
        check(rusqlite::ffi::SQLITE_BUSY, Kind::Busy);
        check(rusqlite::ffi::SQLITE_LOCKED, Kind::Busy);
        check(rusqlite::ffi::SQLITE_INTERRUPT, Kind::Busy);
        check(rusqlite::ffi::SQLITE_FULL, Kind::Storage);
        check(rusqlite::ffi::SQLITE_IOERR, Kind::Storage);
        check(rusqlite::ffi::SQLITE_IOERR_FSYNC, Kind::Storage);
        check(rusqlite::ffi::SQLITE_READONLY, Kind::Conflict);
        check(rusqlite::ffi::SQLITE_CORRUPT, Kind::Corrupt);
        check(rusqlite::ffi::SQLITE_NOTADB, Kind::Corrupt);
        check(rusqlite::ffi::SQLITE_CONSTRAINT, Kind::Internal);
    }
}
