//! Which columns a Parquet object has.

use std::fs::File;

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use crate::error::{Kind, OrFail, Result};

/// The names of a Parquet object's columns, in their order; the file is left where it was read.
pub fn parquet_columns(file: &File) -> Result<Vec<String>> {
    let metadata = ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).or_fail(Kind::Corrupt, || "Parquet")?;
    Ok(metadata.schema().fields().iter().map(|field| field.name().clone()).collect())
}
