//! Parsers and decoders under bytes that nobody meant: the bodies of the fuzz targets, and what each begins with.
//!
//! In no program: `tests/fuzz` runs them guided by coverage, the unit test here on mutations of what they begin with.

#![allow(clippy::unwrap_used, reason = "a body may panic: that is how it fails")]

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};

use crate::component::limits::Limits;
use crate::component::{self, Host};
use crate::decode::{Decoder, Unwrap};
use crate::record::{Batch, Record};
use crate::schema::{Field, Type};
use crate::time::{Cron, Timestamp, Zone};
use crate::{cache, config, http, lake, log, rollup, source, window};

/// A parser or a decoder.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, which is that of its binary in `tests/fuzz` too.
    pub name: &'static str,
    /// Its body: any bytes are an answer; a panic, or one that never ends, is a fault.
    pub run: fn(&[u8]),
    /// What it begins with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// So many runs cost about as much as one of the cheapest.
    pub cost: u32,
}

/// All of them.
pub const TARGETS: [Target; 23] = [
    // What is on disk.
    Target { name: "frame", run: log::fuzz::frame, seeds: || log::fuzz::seeds("frame"), cost: 1 },
    Target { name: "files", run: log::fuzz::files, seeds: || log::fuzz::seeds("files"), cost: 1 },
    Target { name: "recovery", run: log::fuzz::recovery, seeds: || log::fuzz::seeds("recovery"), cost: 50 },
    Target { name: "groups", run: window::fuzz::groups, seeds: window::fuzz::seeds, cost: 1 },
    Target { name: "cells", run: rollup::fuzz::cells, seeds: rollup::fuzz::seeds, cost: 1 },
    Target { name: "key", run: cache::fuzz::key, seeds: || cache::fuzz::seeds("key"), cost: 1 },
    Target { name: "bundle", run: cache::fuzz::bundle, seeds: || cache::fuzz::seeds("bundle"), cost: 1 },
    Target { name: "object", run: lake::fuzz::object, seeds: || lake::fuzz::seeds("object"), cost: 20 },
    Target { name: "lake_key", run: lake::fuzz::key, seeds: || lake::fuzz::seeds("lake_key"), cost: 1 },
    Target { name: "lake_name", run: lake::fuzz::name, seeds: || lake::fuzz::seeds("lake_name"), cost: 1 },
    // What clients send.
    Target { name: "request", run: http::rest::fuzz::body, seeds: || http::rest::fuzz::seeds("request"), cost: 1 },
    Target { name: "headers", run: http::rest::fuzz::headers, seeds: || http::rest::fuzz::seeds("headers"), cost: 1 },
    Target { name: "stream", run: http::rest::fuzz::v3::stream, seeds: http::rest::fuzz::v3::seeds, cost: 1 },
    Target { name: "entry", run: http::fuzz::kinesis::entry, seeds: http::fuzz::kinesis::seeds, cost: 1 },
    Target { name: "mapped", run: http::fuzz::gateway::mapped, seeds: http::fuzz::gateway::seeds, cost: 1 },
    Target { name: "unwrapped", run: unwrapped, seeds: || texts(&WRAPPED), cost: 1 },
    Target { name: "rows", run: rows, seeds: source::files::fuzz::seeds, cost: 20 },
    Target { name: "record", run: record, seeds: || texts(&RECORDS), cost: 1 },
    // What people write.
    Target { name: "pipeline", run: pipeline, seeds: || texts(&PIPELINES), cost: 20 },
    Target { name: "connector", run: connector, seeds: || texts(&CONNECTORS), cost: 20 },
    Target { name: "api_keys", run: api_keys, seeds: || texts(&KEYS), cost: 10 },
    Target { name: "words", run: words, seeds: || texts(&WORDS), cost: 1 },
    Target { name: "component", run: component, seeds: || vec![GUEST.to_vec()], cost: 20 },
];

/// Runs one on some bytes.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.unwrap().run)(bytes);
}

const RECORDS: [&str; 3] = [
    r#"{"b":true,"i":-12,"f":1.5e10,"t":"2026-11-22T21:05:00Z","s":"a\u00e9\n","y":"AAEC","j":{"a":[1,{"b":null}]},"l":[1.5,2],"x":["a","b"]}"#,
    r#" { "s" : "\ud83d\ude00", "i" : 9223372036854775807 , "t": 1700000000000000, "other": [[[]]] } "#,
    "{}",
];
const PIPELINES: [&str; 2] = [
    "[pipeline]\nname = \"p\"\ndata = \"data\"\n[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nkeys = \"keys.toml\"\n\
     [epoch]\ntime = \"1s\"\nrecords = 1000\n[ingest]\nbody = \"1MiB\"\n[lake]\nbucket = \"lake\"\nendpoint = \"http://127.0.0.1:9000\"\n\
     format = \"json\"\n[topics.pin]\npartitions = 2\nsegment = \"1MiB\"\nretention_time = \"1d\"\n",
    "[tables.pin]\ntopic = \"pin\"\ntransform = \"pin.wasm\"\nkey = [\"ind\"]\ncache = [\"ind\"]\nwindow = \"10s\"\n\
     [[tables.pin.aggregates]]\nname = \"a\"\nby = [\"ind\"]\nwindow = { kind = \"hopping\", size = \"1m\", slide = \"10s\", time = \"append\" }\n\
     measures = { n = \"count()\", m = \"median(ind)\" }\n[queries.q]\nsql = \"q.sql\"\n",
];
const KEYS: [&str; 1] = ["[[keys]]\nname = \"one\"\nscopes = [\"produce:pin\", \"consume\", \"admin\"]\n\
     sha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\ncreated = \"2026-11-22T21:05:00Z\"\n\
     expires = \"2027-11-22T21:05:00Z\"\n"];
const CONNECTORS: [&str; 2] = [
    "name=sink\nconnector.class=io.confluent.connect.s3.S3SinkConnector\ntasks.max=3\ntopics=a.pin, a.geo\ns3.region=us-east-1\n\
     s3.bucket.name=lake\nflush.size=10\nrotate.interval.ms=60000\nstorage.class=io.confluent.connect.s3.storage.S3Storage\n\
     format.class=io.confluent.connect.s3.format.json.JsonFormat\nkey.converter=org.apache.kafka.connect.storage.StringConverter\n\
     value.converter=org.apache.kafka.connect.json.JsonConverter\nvalue.converter.schemas.enable=false\n",
    r#"{"name":"sink","config":{"connector.class":"io.confluent.connect.s3.S3SinkConnector","topics.regex":"a\\.(pin|geo).*","s3.bucket.name":"lake","flush.size":3,"format.class":"io.confluent.connect.s3.format.json.JsonFormat"}}"#,
];
const WRAPPED: [&str; 4] = [
    r#""{\"f\":{\"a\":1}}\u00e9""#,
    "eyJmIjoxfQ==",
    r#" { "g" : [1] , "f" : { "a" : "\ud83d\ude00" } } "#,
    r#""eyJmIjoxfQ""#,
];
const WORDS: [&str; 9] = [
    "2026-11-22T21:05:00.123456Z",
    "10s",
    "0,30 8-18/2 * JAN-JUN MON-FRI",
    "@hourly",
    "Europe/Berlin",
    "128MiB",
    "count_distinct(follower_count)",
    "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n",
];
/// A component that does not fit, in a few bytes: what stands before the compiler has to say so.
const GUEST: &[u8] = b"\0asm\x0d\0\x01\0\x01\x08\0asm\x01\0\0\0\x07\x09\x01\x41\x02\x01\x42\0\x04\0\0\0";

fn texts(of: &[&str]) -> Vec<Vec<u8>> {
    of.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// A record's value, decoded into a column of each type: it comes out, or is rejected with a reason, and its neighbours do not notice.
fn record(bytes: &[u8]) {
    let fields = [
        ("b", Type::Boolean),
        ("i", Type::Int64),
        ("f", Type::Float64),
        ("t", Type::Timestamp),
        ("s", Type::Text),
        ("y", Type::Bytes),
        ("j", Type::Json),
        ("l", Type::Float64List),
        ("x", Type::TextList),
    ];
    let fields = fields.map(|(name, kind)| Field { name: name.into(), aliases: vec![], kind, nullable: true });
    let mut decoder = Decoder::new(&fields, 0).unwrap();
    let mut batch = Batch::default();
    for (offset, value) in [RECORDS[0].as_bytes(), bytes, RECORDS[0].as_bytes()].into_iter().enumerate() {
        batch.push(Record { offset: offset as u64, time: Timestamp(5), key: None, value: Some(value), headers: &[] });
    }
    let decoded = decoder.decode(&batch, 0..3).unwrap();
    assert_eq!(decoded.rows.num_rows() + decoded.rejected.len(), 3);
    assert!(decoded.sources.contains(&0) && decoded.sources.contains(&2), "{:?}", decoded.rejected);
    assert!(decoded.rejected.iter().all(|(index, reason)| *index == 1 && !reason.is_empty()));
}

/// A pipeline file: a pipeline, or faults that each say what and where.
fn pipeline(bytes: &[u8]) {
    let file = Scratch::of(bytes, "toml");
    if let Err(faults) = config::read(&file.0) {
        assert!(!faults.is_empty() && faults.iter().all(|fault| fault.line > 0 && !fault.what.is_empty()));
    }
}

/// A connector's configuration: faults, or a pipeline file, which is looked at as any other.
fn connector(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let topics = ["a.pin".to_owned(), "b".to_owned()];
    if let Ok(text) = config::import_connector(Path::new("sink.properties"), text, &topics) {
        pipeline(text.as_bytes());
    }
}

/// A value with each step of unwrapping, and with all: what a text of JSON holds is what any reader finds in it.
fn unwrapped(bytes: &[u8]) {
    let taken_off = |steps: &[&str]| {
        let mut unwrap = Unwrap::default();
        steps.iter().for_each(|step| unwrap.push(step).unwrap());
        unwrap.apply(bytes).map(Cow::into_owned)
    };
    let text = taken_off(&["json-text"]);
    if let Ok(inside) = serde_json::from_slice::<String>(bytes) {
        assert_eq!(text, Ok(inside.into_bytes()));
    }
    let field = taken_off(&["field:f"]);
    if let (Ok(object), Ok(field)) = (serde_json::from_slice::<Map<String, Value>>(bytes), field)
        && let (Some(inside), Ok(found)) = (object.get("f"), serde_json::from_slice::<Value>(&field))
    {
        assert_eq!(&found, inside);
    }
    drop(taken_off(&["base64"]));
    drop(taken_off(&["json-text", "base64", "field:f"]));
}

fn rows(bytes: &[u8]) {
    let Some((switch, file)) = bytes.split_first() else { return };
    source::files::fuzz::rows(*switch, &Scratch::of(file, "rows").0);
}

fn api_keys(bytes: &[u8]) {
    drop(config::keys::read(&Scratch::of(bytes, "keys").0));
}

/// What is written in a line: times, spans, sizes, measures, keys.
fn words(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(at) = Timestamp::parse(text) {
        assert_eq!(Timestamp::parse(&at.to_string()).ok(), Some(at));
    }
    if let Ok(size) = config::units::size(text) {
        assert_eq!(config::units::size(&config::units::show_size(size)).ok(), Some(size));
    }
    if let Ok(span) = config::units::duration(text) {
        assert_eq!(config::units::duration(&config::units::show_duration(span)).ok(), Some(span));
    }
    if let Ok(measure) = window::spec::parse(text) {
        assert_eq!(window::spec::parse(&measure.to_string()).ok(), Some(measure));
    }
    drop(Zone::named(text));
    if let Ok(cron) = Cron::parse(text) {
        for (zone, at) in
            [("UTC", 0), ("Europe/Berlin", 1_774_659_600_000_000), ("America/New_York", 1_793_500_000_000_000)]
        {
            let next = cron.after(Timestamp(at), &Zone::named(zone).unwrap());
            assert!(next.is_none_or(|next| next.0 > at));
        }
    }
    drop(component::PublicKey::parse(text).and(component::PublicKey::parse_file(text)));
    drop(text.parse::<crate::access::Scope>());
    drop(log::check_name(text));
}

/// A component, signed or not: refused, or loaded.
fn component(bytes: &[u8]) {
    static HOST: OnceLock<Host> = OnceLock::new();
    let host = HOST.get_or_init(|| Host::new(None).unwrap());
    drop(component::signers(bytes));
    drop(host.load(bytes, &Limits::default()));
}

/// A file with some bytes, only for its owner, gone when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn of(bytes: &[u8], extension: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let memory = PathBuf::from("/dev/shm");
        let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let path = root.join(format!("tidemill-fuzz-{}-{nth}.{extension}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, mode).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
