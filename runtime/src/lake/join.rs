//! The joining of segments into one object: encoded bytes copied, never decoded.

use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::writer::SerializedFileWriter;
use sha2::{Digest, Sha256};

use super::disk::{COPY_BYTES, Draft, hex, storage};
use super::options::Format;
use crate::disk::{self, File};
use crate::error::{Error, Kind, OrFail, Result};

/// What a joined object holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// How many of the segments are in it, from the first on.
    pub segments: usize,
    /// Its rows, where the format counts them; lines of JSON are counted too.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// The sha256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// Joins finished segments, in their order, into the file `into`, whole and synced when it has that name. Segments from before
/// and after a change of the table's columns belong into different objects: it ends before the first whose columns are others.
///
/// Errors when there are none, and when one is broken (`Corrupt`).
pub fn join(files: &[PathBuf], into: &Path, format: Format) -> Result<Joined> {
    if files.is_empty() {
        return Err(Error::new(Kind::Internal, format!("object {:?}: it has no segments", into.display().to_string())));
    }
    if let [only] = files
        && let Some(joined) = adopt(only, into, format)?
    {
        return Ok(joined);
    }
    let draft = Draft::create(into)?;
    let (draft, segments, rows) = match format {
        Format::Parquet => join_parquet(files, draft)?,
        Format::Json => join_lines(files, draft).map(|(draft, rows)| (draft, files.len(), rows))?,
    };
    let (bytes, sha256) = draft.publish(into)?;
    Ok(Joined { segments, rows, bytes, sha256 })
}

/// One segment is an object as it stands: it gets a second name. None where the file system gives no second names.
fn adopt(segment: &Path, into: &Path, format: Format) -> Result<Option<Joined>> {
    let mut file = Segment(File::open(segment).map_err(storage(segment))?);
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; COPY_BYTES]);
    let (mut rows, mut bytes) = (0, 0);
    if format == Format::Parquet {
        let broken = || format!("segment {:?}", segment.display().to_string());
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).or_fail(Kind::Corrupt, broken)?;
        rows = u64::try_from(metadata.file_metadata().num_rows()).or_fail(Kind::Corrupt, broken)?;
        file.0.rewind().map_err(storage(segment))?;
    }
    loop {
        let read = file.0.read(&mut buffer).map_err(storage(segment))?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
        hash.update(piece);
        bytes += read as u64;
        if format == Format::Json {
            rows += memchr::memchr_iter(b'\n', piece).count() as u64;
        }
    }
    if !link(segment, into)? {
        return Ok(None);
    }
    Ok(Some(Joined { segments: 1, rows, bytes, sha256: hex(&hash.finalize()) }))
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

fn join_lines(files: &[PathBuf], mut draft: Draft) -> Result<(Draft, u64)> {
    let mut rows = 0;
    let mut buffer = vec![0; COPY_BYTES];
    for path in files {
        let mut file = File::open(path).map_err(storage(path))?;
        loop {
            let read = file.read(&mut buffer).map_err(storage(path))?;
            let Some(lines) = buffer.get(..read).filter(|lines| !lines.is_empty()) else { break };
            rows += memchr::memchr_iter(b'\n', lines).count() as u64;
            draft.write_all(lines).map_err(storage(path))?;
        }
    }
    Ok((draft, rows))
}

/// Gives, after the draft, how many files are in it, and their rows.
fn join_parquet(files: &[PathBuf], draft: Draft) -> Result<(Draft, usize, u64)> {
    let mut draft = Some(draft);
    let mut writer = None;
    let (mut segments, mut rows) = (0, 0);
    for path in files {
        let broken = || format!("segment {:?}", path.display().to_string());
        let segment = Segment(File::open(path).map_err(storage(path))?);
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&segment).or_fail(Kind::Corrupt, broken)?;
        if let Some(draft) = draft.take() {
            writer = Some(writer_like(&metadata, draft)?);
        }
        let Some(writer) = &mut writer else { continue };
        if writer.schema_descr().root_schema() != metadata.file_metadata().schema() {
            break;
        }
        segments += 1;
        for group in metadata.row_groups() {
            rows += group.num_rows() as u64;
            copy_group(writer, &segment, group).or_fail(Kind::Storage, broken)?;
        }
    }
    let writer = writer.ok_or_else(|| Error::new(Kind::Internal, "join: there is no segment"))?;
    Ok((writer.into_inner().or_fail(Kind::Storage, || "join")?, segments, rows))
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
    segment: &Segment,
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

/// A segment's file, read in long strides.
struct Segment(File);

impl Length for Segment {
    fn len(&self) -> u64 {
        // What cannot be asked is read as empty, and found broken.
        self.0.size().unwrap_or(0)
    }
}

impl ChunkReader for Segment {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let mut file = self.0.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        Ok(BufReader::with_capacity(COPY_BYTES, file))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = vec![0; length];
        self.get_read(start)?.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}
