//! A struct that is read from the columns of a batch.

use crate::read::InputField;
use crate::wit::{Batch, Column, Field};

/// What a transform reads of a record; derived, never written by hand.
#[diagnostic::on_unimplemented(message = "`{Self}` is not read from records", note = "put #[derive(Input)] on it")]
pub trait Input<'a>: Sized {
    /// The columns of a batch, checked.
    type Columns;

    /// The fields, in the struct's order.
    fn fields() -> Vec<Field>;

    /// Checks the columns of a batch; an error stands for a fault of the host.
    fn open(batch: &'a Batch) -> Result<Self::Columns, String>;

    /// One row of them.
    fn read(columns: &Self::Columns, row: usize) -> Self;
}

/// The columns of a batch, handed out one by one to the fields of an input.
#[derive(Debug)]
pub struct Columns<'a> {
    rows: usize,
    rest: std::slice::Iter<'a, Column>,
}

impl<'a> Columns<'a> {
    /// The columns of a batch that is meant for `fields` fields.
    pub fn new(batch: &'a Batch, fields: usize) -> Result<Self, String> {
        if batch.columns.len() != fields {
            return Err(format!("the batch has {} columns for {fields} fields", batch.columns.len()));
        }
        Ok(Self { rows: batch.rows as usize, rest: batch.columns.iter() })
    }

    /// How many rows they have.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The column of the next field, which is called `name`.
    pub fn next<T: InputField<'a>>(&mut self, name: &str) -> Result<T::Reader, String> {
        let column = self.rest.next().ok_or_else(|| format!("column {name:?} is missing"))?;
        T::open(column, self.rows).map_err(|fault| format!("column {name:?} {fault}"))
    }
}
