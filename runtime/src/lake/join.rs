//! The joining of segments into one object: encoded bytes copied, never decoded.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use sha2::{Digest, Sha256};

use super::disk::{self as spool, Draft, hex, storage};
use super::options::Format;
use super::segment::Finished;
use crate::disk;
use crate::error::{Error, Kind, OrFail, Result};

/// A finished segment that is to be a part of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its file.
    pub file: PathBuf,
    /// What was written.
    pub holds: Finished,
}

/// What a joined object holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// How many of the segments are in it, from the first on.
    pub segments: usize,
    /// What it is made of.
    pub holds: Finished,
}

/// Joins finished segments, in their order, into the file `into`, whole and synced when it has that name. Segments from before
/// and after a change of the table's columns belong into different objects: it ends before the first whose columns are others.
///
/// Errors when there are none, and when the bytes of one are not those that were written (`Corrupt`).
pub fn join(parts: &[Part], into: &Path, format: Format) -> Result<Joined> {
    if parts.is_empty() {
        return Err(Error::new(Kind::Internal, format!("object {:?}: it has no segments", into.display().to_string())));
    }
    if let [only] = parts {
        let Part { file, holds } = only;
        only.is(&spool::sha256(file, 0, u64::MAX)?)?;
        if link(file, into)? {
            return Ok(Joined { segments: 1, holds: holds.clone() });
        }
    }
    let draft = Draft::create(into)?;
    let (draft, segments) = match format {
        Format::Parquet => join_parquet(parts, draft)?,
        Format::Json => (join_lines(parts, draft)?, parts.len()),
    };
    let (bytes, sha256) = draft.publish(into)?;
    let rows = parts.iter().take(segments).map(|part| part.holds.rows).sum();
    Ok(Joined { segments, holds: Finished { rows, bytes, sha256 } })
}

/// Gives a finished segment the second name `into`, under which it is an object as it stands; it is not read. False where the file
/// system gives no second names.
pub fn link(segment: &Path, into: &Path) -> Result<bool> {
    // A name that a crash left stands in the way of the same name.
    let _ = disk::remove_file(into);
    if disk::hard_link(segment, into).is_err() {
        return Ok(false);
    }
    disk::sync_parent(into).map_err(storage(into))?;
    Ok(true)
}

fn join_lines(parts: &[Part], mut draft: Draft) -> Result<Draft> {
    for part in parts {
        draft.write_all(&part.read()?).map_err(storage(&part.file))?;
    }
    Ok(draft)
}

/// Gives, after the draft, how many segments are in it.
fn join_parquet(parts: &[Part], draft: Draft) -> Result<(Draft, usize)> {
    let (mut draft, mut writer, mut segments) = (Some(draft), None, 0);
    for part in parts {
        let broken = || part.name();
        let bytes = part.read()?;
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes).or_fail(Kind::Corrupt, broken)?;
        if let Some(draft) = draft.take() {
            writer = Some(writer_like(&metadata, draft)?);
        }
        let Some(writer) = &mut writer else { continue };
        if writer.schema_descr().root_schema() != metadata.file_metadata().schema() {
            break;
        }
        segments += 1;
        for group in metadata.row_groups() {
            copy_group(writer, &bytes, group).or_fail(Kind::Storage, broken)?;
        }
    }
    let writer = writer.ok_or_else(|| Error::new(Kind::Internal, "join: there is no segment"))?;
    Ok((writer.into_inner().or_fail(Kind::Storage, || "join")?, segments))
}

impl Part {
    /// Its bytes, found to be those that were written.
    fn read(&self) -> Result<Bytes> {
        let bytes = disk::read(&self.file).map_err(storage(&self.file))?;
        self.is(&hex(&Sha256::digest(&bytes)))?;
        Ok(bytes.into())
    }

    fn is(&self, sha256: &str) -> Result<()> {
        if sha256 == self.holds.sha256 {
            return Ok(());
        }
        let what = format!("{}: its bytes have changed since they were written", self.name());
        Err(Error::new(Kind::Corrupt, what).hint(
            "look at the disk, and put the file back from a copy; the topic has its records while retention keeps them",
        ))
    }

    fn name(&self) -> String {
        format!("segment {:?}", self.file.display().to_string())
    }
}

fn writer_like(metadata: &ParquetMetaData, draft: Draft) -> Result<SerializedFileWriter<Draft>> {
    let file = metadata.file_metadata();
    let created_by = file.created_by().unwrap_or_default().to_owned();
    let properties = WriterProperties::builder().set_created_by(created_by).set_offset_index_disabled(true).build();
    let schema = file.schema_descr().root_schema_ptr();
    SerializedFileWriter::new(draft, schema, Arc::new(properties)).or_fail(Kind::Storage, || "join")
}

fn copy_group(
    writer: &mut SerializedFileWriter<Draft>,
    segment: &Bytes,
    group: &RowGroupMetaData,
) -> Result<(), ParquetError> {
    let mut copy = writer.next_row_group()?;
    for chunk in group.columns() {
        let close = ColumnCloseResult {
            bytes_written: chunk.compressed_size() as u64,
            rows_written: group.num_rows() as u64,
            metadata: chunk.clone(),
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        copy.append_column(segment, close)?;
    }
    copy.close()?;
    Ok(())
}
