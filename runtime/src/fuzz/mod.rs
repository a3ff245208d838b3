//! Parsers and decoders under bytes that nobody meant: the bodies of the fuzz targets, and what each begins with.
//!
//! In no program: `tests/fuzz` runs them guided by coverage, the unit test here on mutations of what they begin with.

#![allow(clippy::unwrap_used, reason = "a body may panic: that is how it fails")]

#[cfg(test)]
mod tests;

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::component::limits::Limits;
use crate::component::{self, Host};
use crate::decode::Decoder;
use crate::record::{Batch, Record};
use crate::schema::{Field, Type};
use crate::time::Timestamp;
use crate::{cache, config, http, lake, log, window};

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
pub const TARGETS: [Target; 15] = [
    // What is on disk.
    Target { name: "frame", run: log::fuzz::frame, seeds: || log::fuzz::seeds("frame"), cost: 1 },
    Target { name: "files", run: log::fuzz::files, seeds: || log::fuzz::seeds("files"), cost: 1 },
    Target { name: "recovery", run: log::fuzz::recovery, seeds: || log::fuzz::seeds("recovery"), cost: 50 },
    Target { name: "groups", run: window::fuzz::groups, seeds: window::fuzz::seeds, cost: 1 },
    Target { name: "key", run: cache::fuzz::key, seeds: cache::fuzz::seeds, cost: 1 },
    Target { name: "object", run: lake::fuzz::object, seeds: || lake::fuzz::seeds("object"), cost: 20 },
    Target { name: "lake_key", run: lake::fuzz::key, seeds: || lake::fuzz::seeds("lake_key"), cost: 1 },
    Target { name: "lake_name", run: lake::fuzz::name, seeds: || lake::fuzz::seeds("lake_name"), cost: 1 },
    // What clients send.
    Target { name: "request", run: http::rest::fuzz::body, seeds: || http::rest::fuzz::seeds("request"), cost: 1 },
    Target { name: "headers", run: http::rest::fuzz::headers, seeds: || http::rest::fuzz::seeds("headers"), cost: 1 },
    Target { name: "record", run: record, seeds: || texts(&RECORDS), cost: 1 },
    // What people write.
    Target { name: "pipeline", run: pipeline, seeds: || texts(&PIPELINES), cost: 20 },
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
const WORDS: [&str; 6] = [
    "2026-11-22T21:05:00.123456Z",
    "10s",
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
