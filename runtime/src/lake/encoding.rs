//! How each column is encoded in Parquet, learnt from the segments written before.
//!
//! Measured on generated pins, one core, arrow-rs 60: dictionaries pay where values repeat within a segment, and cost a hash and a
//! copy where they do not; lengths kept apart from the text (`DELTA_LENGTH_BYTE_ARRAY`) let snappy skip what it cannot
//! shrink (identifiers: 25 ns a value, not 112); deltas of whole numbers cost less than plain ones compressed, and
//! take next to nothing; pages of 64 KiB stay in the L2 cache (a quarter off the whole).

use std::collections::HashMap;

use parquet::basic::{Compression, Encoding, Type};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

const PAGE_BYTES: usize = 64 * 1024;
/// A dictionary larger than this gives way to the plain form for the rest of the row group.
const DICTIONARY_BYTES_MAX: usize = 1024 * 1024;
/// What a dictionary, or a compression, must save to be worth its time.
const WORTH: f64 = 0.8;
/// Every so many segments, what did not pay is tried again.
const TRIAL_EVERY: u32 = 32;
/// Fewer values than this say nothing about a column.
const VALUES_MIN: i64 = 256;

/// What is known of a table's columns from its segments; begin with the default, keep one for each table.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    columns: HashMap<ColumnPath, Column>,
    segments: u32,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    dictionary: bool,
    compressed: bool,
}

const TRIAL: Column = Column { dictionary: true, compressed: true };

impl Profile {
    /// The writer's settings for the next segment of `schema`.
    pub(super) fn properties(&self, schema: &SchemaDescriptor) -> WriterProperties {
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("tidemill version ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_coerce_types(true)
            .set_max_row_group_row_count(None)
            .set_compression(Compression::SNAPPY)
            .set_data_page_size_limit(PAGE_BYTES)
            .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true);
        for column in schema.columns() {
            let known = self.columns.get(column.path()).copied().unwrap_or(TRIAL);
            properties = set_column(properties, column.path(), column.physical_type(), known);
        }
        properties.build()
    }

    /// Learns from the row groups of a finished segment.
    pub(super) fn learn(&mut self, groups: &[RowGroupMetaData]) {
        self.segments = self.segments.wrapping_add(1);
        let trial = self.segments.is_multiple_of(TRIAL_EVERY);
        for chunk in groups.iter().flat_map(RowGroupMetaData::columns) {
            if trial {
                self.columns.remove(chunk.column_path());
            } else if chunk.num_values() >= VALUES_MIN {
                let known = self.columns.entry(chunk.column_path().clone()).or_insert(TRIAL);
                *known = judge(*known, chunk);
            }
        }
    }
}

fn set_column(
    properties: WriterPropertiesBuilder,
    path: &ColumnPath,
    kind: Type,
    known: Column,
) -> WriterPropertiesBuilder {
    let path = path.clone();
    let properties = match known.compressed {
        true => properties,
        false => properties.set_column_compression(path.clone(), Compression::UNCOMPRESSED),
    };
    match kind {
        Type::INT64 => properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
        // Bounds of texts that hardly repeat rule out no row group, but comparing them takes time.
        Type::BYTE_ARRAY if !known.dictionary => properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_statistics_enabled(path.clone(), EnabledStatistics::None)
            .set_column_encoding(path, Encoding::DELTA_LENGTH_BYTE_ARRAY),
        Type::BYTE_ARRAY => properties.set_column_encoding(path, Encoding::DELTA_LENGTH_BYTE_ARRAY),
        _ => properties.set_column_dictionary_enabled(path, known.dictionary),
    }
}

fn judge(known: Column, chunk: &ColumnChunkMetaData) -> Column {
    let ratio = |part: i64, whole: i64| part as f64 / whole.max(1) as f64;
    let values = chunk.num_values();
    let plain = match chunk.unencoded_byte_array_data_bytes() {
        Some(bytes) => bytes + 4 * values,
        None => 8 * values,
    };
    let has_dictionary = chunk.dictionary_page_offset().is_some();
    Column {
        dictionary: known.dictionary && (!has_dictionary || ratio(chunk.uncompressed_size(), plain) < WORTH),
        // A dictionary that is given up leaves other bytes, which are judged the next time.
        compressed: known.compressed
            && (has_dictionary || ratio(chunk.compressed_size(), chunk.uncompressed_size()) < WORTH),
    }
}
