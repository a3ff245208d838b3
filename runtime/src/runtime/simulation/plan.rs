//! The pipeline of the simulation: one table over two partitions, cached by key, with an aggregate and a rollup.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use crate::component::limits::Limits;
use crate::component::tests::guest::{Guest, field};
use crate::config;
use crate::config::plan::{Backend, EpochBounds, Pipeline};
use crate::lake::options::Format;
use crate::log::options::Compression;
use crate::pipeline::generation::Chain;
use crate::schema::Type;

pub(super) const PARTITIONS: u32 = 2;
/// Longer than a life; an epoch ends by its records, or when the simulation says that its time is up.
pub(super) const NEVER: Duration = Duration::from_secs(1 << 32);

const FILE: &str = r#"
[pipeline]
name = "simulation"

[lake]
bucket = "lake"
endpoint = "embedded"

[topics.pin]
partitions = 2

[tables.pin]
topic = "pin"
transform = "guest.wasm"
key = ["id"]
cache = ["id", "n"]
window = "10s"

[[tables.pin.aggregates]]
name = "per_minute"
by = ["class"]
window = { kind = "tumbling", size = "1m", time = "append" }
measures = { pins = "count()", total = "sum(n)" }

[rollups.now]
from = "pin"
measures = { pins = "count()", total = "sum(n)", middle = "median(n)", most = "max(n)", last = "top(id, n)" }
"#;

/// A folder of this process in memory, where there is one.
pub(super) fn folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
    root.join(format!("tidemill-simulation-{}", std::process::id()))
}

pub(in crate::runtime) fn guest() -> Guest {
    let fields = [("id", Type::Text), ("class", Type::Text), ("n", Type::Int64)];
    let fields = fields.map(|(name, kind)| field(name, kind, true));
    Guest { inputs: fields.to_vec(), outputs: fields.to_vec(), ..Guest::honest() }
}

/// What the table is cleaned by: rows come out as they are.
pub(super) fn chain() -> &'static Chain {
    static CHAIN: OnceLock<Chain> = OnceLock::new();
    CHAIN.get_or_init(|| Chain::new(vec![(guest().load(&Limits::default()).unwrap(), "{}".to_owned())]).unwrap())
}

/// The pipeline, with segments and epochs so small that a short life has many.
pub(super) fn pipeline(format: Format, segment_bytes: u64, compression: Compression) -> Pipeline {
    static READ: OnceLock<Pipeline> = OnceLock::new();
    let read = READ.get_or_init(|| {
        let folder = folder();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("guest.wasm"), guest().bytes()).unwrap();
        fs::write(folder.join("simulation.toml"), FILE).unwrap();
        let read = config::read(&folder.join("simulation.toml"));
        fs::remove_dir_all(&folder).unwrap();
        read.map_err(|faults| format!("{faults:?}")).unwrap().pipeline
    });
    let mut pipeline = read.clone();
    pipeline.lake.format = format;
    pipeline.epoch = EpochBounds { time: NEVER, records: 12, bytes: 1 << 30 };
    for topic in &mut pipeline.topics {
        if let Backend::Embedded(options) = &mut topic.backend {
            options.segment_bytes = segment_bytes;
            options.compression = compression;
            options.retention_bytes = Some(3 * segment_bytes);
        }
    }
    pipeline
}
