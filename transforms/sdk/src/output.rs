//! A struct that is written into the columns of a batch.

use crate::wit::{Column, Field};
use crate::write::OutputField;

/// A row that a transform makes; derived, never written by hand.
#[diagnostic::on_unimplemented(message = "`{Self}` is no row", note = "put #[derive(Output)] on it")]
pub trait Output: Sized {
    /// The columns as they grow, made from an input that lives for `'a`.
    type Builders<'a>;

    /// The fields, in the struct's order.
    fn fields() -> Vec<Field>;

    /// Empty columns that expect `rows` rows, made from the columns of `input`.
    fn builders(rows: usize, input: &[Column]) -> Self::Builders<'_>;

    /// Adds this row.
    fn write(self, builders: &mut Self::Builders<'_>);

    /// The columns, once all rows are in; an error stands for a column that is too large.
    fn finish(builders: Self::Builders<'_>) -> Result<Vec<Column>, String>;
}

/// Finishes the column called `name`.
pub fn finish<T: OutputField>(builder: T::Builder<'_>, name: &str) -> Result<Column, String> {
    T::finish(builder).map_err(|fault| format!("column {name:?} {fault}"))
}
