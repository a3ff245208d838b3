//! The segment: one epoch's rows of one partition and lake window, in a file of the spool.

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};

use super::disk::{Hashed, storage};
use super::encoding::Profile;
use super::json;
use super::options::Format;
use crate::disk::{self, File};
use crate::error::{Error, Kind, OrFail, Result};

/// How much JSON gathers before it is written.
const JSON_BUFFER_BYTES: usize = 256 * 1024;

/// Encodes rows into a file; a file that is not finished is an orphan, to be removed by name.
pub struct SegmentWriter {
    path: PathBuf,
    form: Form,
    rows: u64,
}

/// What a finished segment holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its rows.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// The sha256 of its bytes, in hexadecimal.
    pub sha256: String,
}

enum Form {
    Parquet(Box<ArrowWriter<Hashed>>),
    Json { file: Hashed, lines: Vec<u8> },
}

impl SegmentWriter {
    /// Begins the file `path` (what was there gives way) for rows of `schema`; `profile` is what is known of the table.
    pub fn create(path: &Path, format: Format, schema: SchemaRef, profile: &Profile) -> Result<Self> {
        // Never cut off: under a second name it may be an object of the lake.
        let _ = disk::remove_file(path);
        let file = Hashed::new(File::create_new(path).map_err(storage(path))?);
        let form = match format {
            Format::Parquet => Form::Parquet(Box::new(parquet_writer(file, schema, profile)?)),
            Format::Json => Form::Json { file, lines: Vec::with_capacity(JSON_BUFFER_BYTES * 2) },
        };
        Ok(Self { path: path.to_owned(), form, rows: 0 })
    }

    /// Adds rows; they must be of the schema that it was created with.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.rows += rows.num_rows() as u64;
        match &mut self.form {
            Form::Parquet(writer) => writer.write(rows).or_fail(Kind::Storage, || name(&self.path)),
            Form::Json { file, lines } => {
                json::write(rows, lines)?;
                if lines.len() >= JSON_BUFFER_BYTES {
                    file.write_all(lines).map_err(storage(&self.path))?;
                    lines.clear();
                }
                Ok(())
            }
        }
    }

    /// Completes the file; when it returns, file and folder are synced, and `profile` knows more of the table.
    pub fn finish(self, profile: &mut Profile) -> Result<Finished> {
        let Self { path, form, rows } = self;
        let (bytes, sha256) = match form {
            Form::Parquet(mut writer) => {
                let metadata = writer.finish().or_fail(Kind::Storage, || name(&path))?;
                profile.learn(metadata.row_groups());
                writer.inner().sync().map_err(storage(&path))?
            }
            Form::Json { mut file, lines } => {
                file.write_all(&lines).map_err(storage(&path))?;
                file.sync().map_err(storage(&path))?
            }
        };
        crate::disk::sync_parent(&path).map_err(storage(&path))?;
        Ok(Finished { rows, bytes, sha256 })
    }
}

fn parquet_writer(file: Hashed, schema: SchemaRef, profile: &Profile) -> Result<ArrowWriter<Hashed>> {
    let wrong = |cause| Error::new(Kind::Internal, format!("parquet schema: {cause}"));
    let columns = ArrowSchemaConverter::new().with_coerce_types(true).convert(&schema).map_err(wrong)?;
    let options = ArrowWriterOptions::new()
        .with_properties(profile.properties(&columns))
        .with_parquet_schema(columns)
        .with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(file, schema, options).map_err(wrong)
}

fn name(path: &Path) -> String {
    format!("segment {:?}", path.display().to_string())
}
