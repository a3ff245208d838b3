//! What a transform says about one record.

use std::borrow::Cow;

/// What came of a record: rows, nothing on purpose, or a reason why it cannot be a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict<T> {
    /// One row.
    Emit(T),
    /// Several rows; an empty list drops the record.
    EmitAll(Vec<T>),
    /// No row, on purpose.
    Drop,
    /// No row, because of what the record is; it goes to the dead letters with this reason.
    Reject(Cow<'static, str>),
}

/// The record becomes this row.
pub fn emit<T>(row: T) -> Verdict<T> {
    Verdict::Emit(row)
}

/// The record becomes these rows, in this order.
pub fn emit_all<T>(rows: impl IntoIterator<Item = T>) -> Verdict<T> {
    Verdict::EmitAll(rows.into_iter().collect())
}

/// The record is left out on purpose; it is counted as dropped.
pub fn drop<T>() -> Verdict<T> {
    Verdict::Drop
}

/// The record cannot become a row; `reason` is a sentence without a full stop: `"price" is negative`.
pub fn reject<T>(reason: impl Into<Cow<'static, str>>) -> Verdict<T> {
    Verdict::Reject(reason.into())
}
