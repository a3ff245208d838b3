//! The form of an answer in a file.

/// The form of an answer in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Parquet, compressed with snappy.
    Parquet,
    /// A line of names, then a line a row.
    Csv,
    /// A JSON object a line.
    Json,
}

impl Form {
    /// Each by its name, which is also the end of a file's.
    pub const NAMES: [(&str, Self); 3] = [("parquet", Self::Parquet), ("csv", Self::Csv), ("json", Self::Json)];

    /// Its name.
    pub fn word(self) -> &'static str {
        Self::NAMES.iter().find(|(_, form)| *form == self).map_or("", |(word, _)| word)
    }
}
