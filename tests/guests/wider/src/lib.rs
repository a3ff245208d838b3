//! A transform that writes a field more than the changeling does, and may come after it in a chain.

use tidemill_sdk::{Input, Output, Verdict, emit, reject, transform};

/// What is read of a record, or of a row of the changeling's.
#[derive(Clone, Debug, Default, Input)]
pub struct Raw<'a> {
    /// Its number.
    pub ind: Option<i64>,
    /// Who made it.
    pub mark: Option<&'a str>,
    /// The record's offset.
    #[field(name = "@offset")]
    pub offset: i64,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Output)]
pub struct Row<'a> {
    /// The number.
    pub ind: i64,
    /// Who made it first.
    pub mark: &'a str,
    /// The record's offset.
    pub place: Option<i64>,
}

/// Numbers that end with 999 are rejected.
#[transform]
pub fn clean(raw: Raw<'_>) -> Verdict<Row<'_>> {
    let Some(ind) = raw.ind else { return reject("the record has no number") };
    if ind % 1000 == 999 {
        return reject("the number ends with 999");
    }
    emit(Row { ind, mark: raw.mark.unwrap_or("wider"), place: Some(raw.offset) })
}
