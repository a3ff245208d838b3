//! The lake from rows to the bucket and back.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::Float64Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};
use sha2::{Digest, Sha256};

use super::disk::hex;
use super::options::{Endpoint, Format, Options, Patience, SPOOL_BYTES};
use super::*;
use crate::commit::Object;
use crate::error::Kind;
use crate::schema::{Field, Type, arrow_schema};
use crate::time::Timestamp;

/// A folder of a test's own, removed at its end.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tidemill-lake-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn every_type() -> SchemaRef {
    let kinds = [
        ("flag", Type::Boolean),
        ("count", Type::Int64),
        ("ratio", Type::Float64),
        ("words", Type::Text),
        ("raw", Type::Bytes),
        ("at", Type::Timestamp),
        ("nested", Type::Json),
        ("points", Type::Float64List),
        ("tags", Type::TextList),
    ];
    let field = |(name, kind): (&str, Type)| Field { name: name.to_owned(), aliases: Vec::new(), kind, nullable: true };
    arrow_schema(&kinds.map(field))
}

/// Rows of every type from number `from`; every third is null in every column.
fn rows(from: i64, count: i64) -> RecordBatch {
    fn some<T>(from: i64, count: i64, value: impl Fn(i64) -> T) -> Vec<Option<T>> {
        (from..from + count).map(|row| (row % 3 != 2).then(|| value(row))).collect()
    }
    let mut tags = arrow_array::builder::ListBuilder::new(arrow_array::builder::StringBuilder::new())
        .with_field(arrow_schema::Field::new("item", arrow_schema::DataType::Utf8, false));
    for row in some(from, count, |row| row) {
        (0..row.unwrap_or(0) % 4).for_each(|tag| tags.values().append_value(format!("tag {tag}")));
        tags.append(row.is_some());
    }
    let mut points =
        arrow_array::builder::ListBuilder::new(arrow_array::builder::PrimitiveBuilder::<Float64Type>::new())
            .with_field(arrow_schema::Field::new("item", arrow_schema::DataType::Float64, false));
    for row in some(from, count, |row| row) {
        (0..row.unwrap_or(0) % 3).for_each(|point| points.values().append_value(point as f64 / 2.0));
        points.append(row.is_some());
    }
    let points: ListArray = points.finish();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(some(from, count, |row| row % 2 == 0))),
        Arc::new(Int64Array::from(some(from, count, |row| row))),
        Arc::new(Float64Array::from(some(from, count, |row| row as f64 / 4.0))),
        Arc::new(StringArray::from(some(from, count, |row| format!("row {row} \"é\"\n")))),
        Arc::new(BinaryArray::from_iter(some(from, count, |row| row.to_le_bytes()))),
        Arc::new(TimestampMicrosecondArray::from(some(from, count, |row| row * 250_000)).with_timezone("UTC")),
        Arc::new(StringArray::from(some(from, count, |row| format!("{{\"row\":\n{row}}}")))),
        Arc::new(points),
        Arc::new(tags.finish()),
    ];
    RecordBatch::try_new(every_type(), columns).unwrap()
}

fn write(path: &Path, format: Format, batches: &[RecordBatch], profile: &mut Profile) -> Part {
    let mut segment = SegmentWriter::create(path, format, every_type(), profile).unwrap();
    batches.iter().for_each(|batch| segment.write(batch).unwrap());
    Part { file: path.to_owned(), holds: segment.finish(profile).unwrap() }
}

/// The rows of a file, as columns of the schema that they were written with.
/// The rows of an object as lines of JSON.
pub(crate) fn lines(object: &[u8], format: Format) -> String {
    match format {
        Format::Json => String::from_utf8(object.to_vec()).unwrap(),
        Format::Parquet => {
            let object = bytes::Bytes::copy_from_slice(object);
            let reader = ParquetRecordBatchReaderBuilder::try_new(object).unwrap().build().unwrap();
            reader.map(|rows| json_lines(&rows.unwrap()).unwrap()).collect()
        }
    }
}

fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let Some(first) = batches.first() else { return RecordBatch::new_empty(every_type()) };
    let columns = concat_batches(&first.schema(), &batches).unwrap().columns().to_vec();
    let as_written = |(column, field): (&ArrayRef, &Arc<arrow_schema::Field>)| -> ArrayRef {
        let data = column.to_data().into_builder().data_type(field.data_type().clone()).build().unwrap();
        arrow_array::make_array(data)
    };
    let columns = columns.iter().zip(every_type().fields()).map(as_written).collect();
    RecordBatch::try_new(every_type(), columns).unwrap()
}

#[test]
fn rows_come_back_from_segments_and_objects() {
    fn check(name: &str, segments: &[&[(i64, i64)]]) {
        let folder = Folder::new(name);
        let mut profile = Profile::default();
        let (mut files, mut all) = (Vec::new(), Vec::new());
        for (number, batches) in segments.iter().enumerate() {
            let path = folder.0.join(format!("segment-{number}"));
            let batches: Vec<RecordBatch> = batches.iter().map(|(from, count)| rows(*from, *count)).collect();
            let part = write(&path, Format::Parquet, &batches, &mut profile);
            let expected = concat_batches(&every_type(), &batches).unwrap();
            assert_eq!(part.holds.rows, expected.num_rows() as u64);
            assert_eq!(part.holds.bytes, fs::metadata(&path).unwrap().len());
            assert_eq!(read(&path), expected, "{name}: segment {number}");
            files.push(part);
            all.push(expected);
        }
        let object = folder.0.join("object");
        let joined = join(&files, &object, Format::Parquet).unwrap().holds;
        let expected = concat_batches(&every_type(), &all).unwrap();
        let bytes = fs::read(&object).unwrap();
        assert_eq!(read(&object), expected, "{name}: joined");
        assert_eq!((joined.rows, joined.bytes), (expected.num_rows() as u64, bytes.len() as u64));
        assert_eq!(joined.sha256, hex(&Sha256::digest(&bytes)));
        let groups = SerializedFileReader::new(File::open(&object).unwrap()).unwrap().metadata().num_row_groups();
        assert_eq!(groups, all.iter().filter(|batch| batch.num_rows() > 0).count(), "{name}: row groups are copied");
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), segments.len() + 1, "{name}: no draft is left");
    }
    check("one", &[&[(0, 10)]]);
    check("batches", &[&[(0, 512), (512, 512), (1024, 3)]]);
    check("segments", &[&[(0, 700)], &[(700, 900), (1600, 1)], &[(1601, 300)], &[(1901, 5000)]]);
    check("empty-batch", &[&[(0, 0), (0, 4), (4, 0)]]);
    check("empty-segment", &[&[], &[(0, 4)], &[(4, 0)]]);
    check("nothing", &[&[]]);
    check("all-null", &[&[(2, 1)], &[(5, 1)]]);
}

#[test]
fn a_profile_drops_what_does_not_pay() {
    let folder = Folder::new("profile");
    let schema = arrow_schema(&["kind", "id"].map(|name| Field {
        name: name.to_owned(),
        aliases: Vec::new(),
        kind: Type::Text,
        nullable: false,
    }));
    let kinds = StringArray::from_iter_values((0..2000).map(|row| format!("kind {}", row % 3)));
    let ids = StringArray::from_iter_values(
        (0..2000).map(|row| hex(&Sha256::digest([(row % 256) as u8, (row / 256) as u8]))),
    );
    let rows = RecordBatch::try_new(schema.clone(), vec![Arc::new(kinds), Arc::new(ids)]).unwrap();
    let mut profile = Profile::default();
    let mut dictionaries = Vec::new();
    for number in 0..3 {
        let path = folder.0.join(number.to_string());
        let mut segment = SegmentWriter::create(&path, Format::Parquet, schema.clone(), &profile).unwrap();
        segment.write(&rows).unwrap();
        segment.finish(&mut profile).unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let columns = reader.metadata().row_group(0).columns();
        dictionaries.push(columns.iter().map(|c| c.dictionary_page_offset().is_some()).collect::<Vec<_>>());
    }
    assert_eq!(dictionaries, [[true, true], [true, false], [true, false]]);
}

#[test]
fn one_segment_is_an_object_as_it_stands() {
    for format in [Format::Parquet, Format::Json] {
        let folder = Folder::new("alone");
        let (segment, object) = (folder.0.join("segment"), folder.0.join("object"));
        let part = write(&segment, format, &[rows(1, 1), rows(2, 4)], &mut Profile::default());
        let first = join(std::slice::from_ref(&part), &object, format).unwrap().holds;
        // A crash before the commit leaves the name; joining again finds it.
        assert_eq!(join(std::slice::from_ref(&part), &object, format).unwrap().holds, first);
        let bytes = fs::read(&segment).unwrap();
        fs::remove_file(&segment).unwrap();
        assert_eq!(fs::read(&object).unwrap(), bytes);
        assert_eq!((first.rows, first.bytes), (5, bytes.len() as u64));
        assert_eq!(first.sha256, hex(&Sha256::digest(&bytes)));
    }
}

#[test]
fn json_lines_read_like_rows() {
    let folder = Folder::new("json");
    let mut profile = Profile::default();
    let first = write(&folder.0.join("a"), Format::Json, &[rows(1, 1), rows(0, 0)], &mut profile);
    let second = write(&folder.0.join("b"), Format::Json, &[rows(2, 1), rows(6, 1)], &mut profile);
    let joined = join(&[first, second], &folder.0.join("object"), Format::Json).unwrap().holds;
    let null = concat!(
        r#"{"flag":null,"count":null,"ratio":null,"words":null,"raw":null,"at":null,"#,
        r#""nested":null,"points":null,"tags":null}"#
    );
    let lines = [
        concat!(
            r#"{"flag":false,"count":1,"ratio":0.25,"words":"row 1 \"é\"\n","raw":"AQAAAAAAAAA=","#,
            r#""at":"1970-01-01T00:00:00.25Z","nested":{"row": 1},"points":[0.0],"tags":["tag 0"]}"#
        ),
        null,
        concat!(
            r#"{"flag":true,"count":6,"ratio":1.5,"words":"row 6 \"é\"\n","raw":"BgAAAAAAAAA=","#,
            r#""at":"1970-01-01T00:00:01.5Z","nested":{"row": 6},"points":[],"tags":["tag 0","tag 1"]}"#
        ),
    ];
    let object = fs::read_to_string(folder.0.join("object")).unwrap();
    assert_eq!(object.lines().collect::<Vec<_>>(), lines);
    assert_eq!((joined.rows, joined.bytes), (3, object.len() as u64));
}

#[test]
fn segments_of_other_columns_are_left_and_broken_ones_named() {
    let folder = Folder::new("misfits");
    let mut profile = Profile::default();
    let good = write(&folder.0.join("good"), Format::Parquet, &[rows(0, 3)], &mut profile);
    let narrow = rows(0, 3).project(&[0, 1]).unwrap();
    let other = folder.0.join("other");
    let mut segment = SegmentWriter::create(&other, Format::Parquet, narrow.schema(), &profile).unwrap();
    segment.write(&narrow).unwrap();
    let other = Part { file: other, holds: segment.finish(&mut profile).unwrap() };
    let with = |name: &str, change: fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(&good.file).unwrap();
        change(&mut bytes);
        fs::write(folder.0.join(name), &bytes).unwrap();
        Part { file: folder.0.join(name), holds: good.holds.clone() }
    };
    let (broken, rotten) = (with("broken", |bytes| bytes.truncate(100)), with("rotten", |bytes| bytes[40] ^= 1));
    let gone = Part { file: folder.0.join("gone"), ..good.clone() };
    let check = |parts: &[&Part], kind: Kind, says: &str| {
        for format in [Format::Parquet, Format::Json] {
            let parts: Vec<Part> = parts.iter().map(|part| (*part).clone()).collect();
            let error = join(&parts, &folder.0.join("object"), format).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.message().contains(says), "{error}");
            assert!(!folder.0.join("object").exists());
        }
    };
    check(&[&good, &broken], Kind::Corrupt, "broken");
    check(&[&rotten], Kind::Corrupt, "rotten");
    check(&[&rotten, &good], Kind::Corrupt, "rotten");
    check(&[&good, &gone], Kind::Storage, "gone");
    check(&[], Kind::Internal, "no segments");
    for (parts, segments, joined_rows) in [([&good, &good, &other], 2, 6), ([&other, &good, &good], 1, 3)] {
        let joined = join(&parts.map(Part::clone), &folder.0.join("object"), Format::Parquet).unwrap();
        assert_eq!((joined.segments, joined.holds.rows), (segments, joined_rows), "it ends where the columns change");
    }
}

fn options(endpoint: Endpoint) -> Options {
    let (bucket, prefix, patience) = ("pins".to_owned(), String::new(), Patience::default());
    Options { bucket, prefix, endpoint, region: None, format: Format::Json, patience, spool_bytes_max: SPOOL_BYTES }
}

/// A server with its bucket, to which objects are handed over, or sent as to any other.
async fn serve(folder: &Folder, handed: bool) -> (Server, Bucket) {
    let server = Server::start(&folder.0.join("s3"), 0, Credentials::default()).await.unwrap();
    let bucket = Bucket::open(&options(Endpoint::Embedded { port: 0 }), Some(&server)).await.unwrap();
    (server, if handed { bucket } else { bucket.undocked() })
}

/// A spooled object of these bytes.
pub(super) fn object(folder: &Folder, key: &str, bytes: &[u8]) -> (Object, PathBuf) {
    let file = folder.0.join(hex(&Sha256::digest(key)));
    // What was handed over is an object of the lake under another name, and is not written to.
    let _ = fs::remove_file(&file);
    fs::write(&file, bytes).unwrap();
    let object = Object {
        key: key.to_owned(),
        file: file.display().to_string(),
        start: 0,
        table: "pin".to_owned(),
        partition: 0,
        revision: 0,
        window: Timestamp(0),
        first_offset: 0,
        next_offset: 1,
        rows: 1,
        bytes: bytes.len() as u64,
        sha256: hex(&Sha256::digest(bytes)),
        digests: Vec::new(),
    };
    (object, file)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_delivered_once_and_never_overwritten() {
    for handed in [true, false] {
        deliver(handed).await;
    }
}

async fn deliver(handed: bool) {
    let folder = Folder::new(if handed { "hand-over" } else { "send" });
    let (mut server, bucket) = serve(&folder, handed).await;
    let key = "lake/pin/window=2026-11-22T21-05-00Z/pin+0+0000000000+1.json";
    let (first, file) = object(&folder, key, b"{\"a\":1}\n");
    assert_eq!(bucket.put(&first, &file).await.unwrap(), Delivered::Stored);
    assert_eq!(bucket.put(&first, &file).await.unwrap(), Delivered::Found);
    let there = folder.0.join("s3/pins").join(key);
    assert_eq!(fs::read(&there).unwrap(), b"{\"a\":1}\n", "any tool can look inside");
    for other in [b"{\"a\":2}\n".as_slice(), b"{}\n"] {
        let (second, file) = object(&folder, key, other);
        assert_eq!(bucket.put(&second, &file).await.unwrap_err().kind(), Kind::Conflict);
        assert_eq!(fs::read(&there).unwrap(), b"{\"a\":1}\n");
    }
    let (mut short, file) = object(&folder, "lake/short", b"abc");
    short.bytes = 4;
    assert_eq!(bucket.put(&short, &file).await.unwrap_err().kind(), Kind::Corrupt);
    if !handed {
        let (mut wrong, file) = object(&folder, "lake/wrong", b"abc");
        wrong.sha256 = hex(&Sha256::digest(b"abd"));
        let error = bucket.put(&wrong, &file).await.unwrap_err();
        assert_eq!(
            error.kind(),
            Kind::Corrupt,
            "the server checks the sha256, and the spool is not what it was: {error}"
        );
    }
    assert_eq!(bucket.list("lake/").await.unwrap(), [Listed { key: key.to_owned(), bytes: 8 }]);
    server.stop().await;
    assert_eq!(bucket.put(&first, &folder.0.join(hex(&Sha256::digest(key)))).await.unwrap_err().kind(), Kind::Corrupt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_what_was_answered() {
    for handed in [true, false] {
        restart(handed).await;
    }
}

async fn restart(handed: bool) {
    let folder = Folder::new(if handed { "restart-handed" } else { "restart-sent" });
    let (mut server, bucket) = serve(&folder, handed).await;
    let large: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let (kept, file) = object(&folder, "a/large", &large);
    bucket.put(&kept, &file).await.unwrap();
    let (gone, other) = object(&folder, "a/gone", b"");
    bucket.put(&gone, &other).await.unwrap();
    bucket.delete("a/gone").await.unwrap();
    bucket.delete("a/never").await.unwrap();
    drop(bucket);
    server.stop().await;
    let (mut server, bucket) = serve(&folder, handed).await;
    assert_eq!(bucket.list("").await.unwrap(), [Listed { key: "a/large".to_owned(), bytes: 3_000_000 }]);
    assert_eq!(bucket.put(&kept, &file).await.unwrap(), Delivered::Found, "its metadata is there");
    // A file that was put there by hand has no metadata: its bytes decide.
    fs::write(folder.0.join("s3/pins/a/by-hand"), b"{}").unwrap();
    let (by_hand, file) = object(&folder, "a/by-hand", b"{}");
    assert_eq!(bucket.put(&by_hand, &file).await.unwrap(), Delivered::Found);
    drop(bucket);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_bucket_is_looked_at_before_it_is_trusted() {
    let folder = Folder::new("foreign");
    let (mut server, own) = serve(&folder, true).await;
    let url = Endpoint::Url(format!("http://{}", server.addr()));
    let refused = Bucket::open(&options(url), None).await.unwrap().reach().await.unwrap_err();
    assert!([Kind::Unavailable, Kind::Input].contains(&refused.kind()), "{refused}");
    drop(own);
    server.stop().await;
    let gone = Bucket::open(&options(Endpoint::Embedded { port: 0 }), Some(&server)).await.map(drop).unwrap_err();
    assert_eq!(gone.kind(), Kind::Unavailable, "{gone}");
    assert!(gone.next_step().is_some());
}
