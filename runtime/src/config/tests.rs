//! Pipeline files over a folder that holds what they name.

mod chain;
mod doors;
mod faults;
mod grouping;
mod landing;
mod parameters;
mod rollup;
mod schedules;
mod trust;
mod windows;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::plan::{Backend, Pipeline};
use super::{Declared, Described, Descriptions, Fault, check, picture, read};
use crate::component::limits::Limits;
use crate::schema::{Field, Type};

const GOOD: &str = r#"[pipeline]
name = "orders"

[lake]
bucket = "orders-lake"
prefix = "raw/eu"
endpoint = "embedded"
port = 9000

[topics.orders]
partitions = 3
retention = "7d"
retention_size = "10GiB"

[topics.clicks]
backend = "fluvio"
address = "127.0.0.1:9003"

[tables.orders]
topic = "orders"
transform = "transforms/clean"
key = ["id"]
cache = ["id", "total"]
window = "10s"
parameters = { currency = "EUR", rates = [1.5, 2] }
limits = { memory = "16MiB", deadline = "1s" }

[[tables.orders.aggregates]]
name = "sales"
by = ["country"]
window = { kind = "tumbling", size = "1m", time = "placed", lateness = "1h" }
measures = { rows = "count()", total = "sum(total)" }

[queries.best]
sql = "best.sql"

[queries.all_orders]
query = "SELECT * FROM orders"
"#;

const PINTEREST: &str = include_str!("../../../pipelines/pinterest.toml");

/// A folder of one test, with a crate and a query in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tidemill-config-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = Self(std::env::temp_dir().join(name));
        folder.put("transforms/clean/Cargo.toml", "");
        folder.put("best.sql", "SELECT 1");
        folder.put("empty.sql", "\n");
        folder
    }

    fn put(&self, path: &str, text: &str) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn declare(&self, text: &str) -> Result<Declared, Vec<String>> {
        let path = self.put("orders.toml", text);
        let shown = format!("{}:", path.display());
        read(&path).map_err(|found| found.iter().map(|fault| fault.to_string().replace(&shown, "")).collect())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn good() -> (Folder, Declared) {
    let folder = Folder::new();
    let declared = folder.declare(GOOD).unwrap();
    (folder, declared)
}

fn shown(declared: &Declared, fault: &Fault) -> String {
    let file = declared.pipeline.file.file_name().unwrap().to_str().unwrap();
    let shown = fault.to_string();
    shown.split_once(&format!("{file}:")).unwrap().1.to_owned()
}

fn field(name: &str, kind: Type) -> Field {
    Field { name: name.to_owned(), aliases: Vec::new(), kind, nullable: false }
}

fn described(outputs: &[(&str, Type)]) -> Descriptions {
    let outputs = outputs.iter().map(|(name, kind)| field(name, *kind)).collect();
    let inputs = vec![
        Field { aliases: vec!["number".to_owned()], ..field("id", Type::Int64) },
        Field { nullable: true, ..field("total", Type::Text) },
    ];
    let (name, version) = ("clean".to_owned(), "0.1.0".to_owned());
    let digest = "0123456789abcdef".to_owned();
    Descriptions::from([("orders".to_owned(), vec![Described { name, version, digest, inputs, outputs }])])
}

const OUTPUTS: [(&str, Type); 4] =
    [("id", Type::Int64), ("total", Type::Float64), ("country", Type::Text), ("placed", Type::Timestamp)];

#[test]
fn a_good_file_is_a_plan() {
    let (folder, Declared { pipeline, .. }) = good();
    let root = folder.0.canonicalize().unwrap();
    let inside = |path: &Path| path.strip_prefix(&root).unwrap().display().to_string();
    assert_eq!(inside(&pipeline.file), "orders.toml");
    assert_eq!(inside(&pipeline.data), "data/orders");
    let listen = &pipeline.listen;
    assert_eq!((listen.topics, listen.admin), (([127, 0, 0, 1], 8082).into(), ([127, 0, 0, 1], 9082).into()));
    assert!(listen.keys.is_none() && listen.tls.is_none() && listen.hosts.is_empty());
    assert_eq!(
        format!("{:?}", pipeline.lake),
        r#"Options { bucket: "orders-lake", prefix: "raw/eu", endpoint: Embedded { port: 9000 }, region: None, format: Parquet, patience: Patience { request: 30s, pause: 30s }, spool_bytes_max: 10737418240 }"#
    );
    let [clicks, orders] = pipeline.topics.as_slice() else { panic!("{:?}", pipeline.topics) };
    assert_eq!(
        format!("{:?}", clicks.backend),
        r#"Fluvio { address: "127.0.0.1:9003", topic: "clicks", partitions: 1 }"#
    );
    let Backend::Embedded(options) = &orders.backend else { panic!("{orders:?}") };
    assert_eq!((options.partitions, options.retention_bytes), (3, Some(10 << 30)));
    let table = &pipeline.tables[0];
    let [transform] = table.transforms.as_slice() else { panic!("{:?}", table.transforms) };
    assert_eq!(inside(&transform.component), "transforms/clean/clean.wasm");
    assert_eq!(inside(transform.source.as_deref().unwrap()), "transforms/clean");
    assert_eq!(inside(&table.cases), "cases/orders");
    assert_eq!(transform.parameters, r#"{"currency":"EUR","rates":[1.5,2]}"#);
    assert_eq!((transform.limits.memory_bytes_max, transform.limits.deadline.as_secs()), (16 << 20, 1));
    assert_eq!(
        table.aggregates[0].definition(),
        r#"Aggregate { name: "sales", by: ["country"], window: Window { kind: Tumbling { size: 60s }, time: Column("placed"), lateness: 3600s, idle: 30s }, measures: [("rows", Count(None)), ("total", Sum("total"))] }"#
    );
    let queries: Vec<_> = pipeline.queries.iter().map(|query| (query.name.as_str(), query.sql.as_str())).collect();
    assert_eq!(queries, [("best", "SELECT 1"), ("all_orders", "SELECT * FROM orders")]);
}

#[test]
fn every_limit_can_be_set() {
    let keys = r#"{ memory = "1MiB", deadline = "2ms", budget = "3ms", output = "4MiB", rows_out_per_row = 5,
        table_elements = 6, instances = 7, component = "8MiB", log = "9kB", compile = "10ms", functions = 11,
        function = "12kB", declarations = "13kB" }"#
        .replace('\n', " ");
    let text = GOOD.replace(r#"{ memory = "16MiB", deadline = "1s" }"#, &keys);
    let pipeline = Folder::new().declare(&text).unwrap().pipeline;
    assert_eq!(
        pipeline.tables[0].transforms[0].limits,
        Limits {
            memory_bytes_max: 1 << 20,
            deadline: Duration::from_millis(2),
            budget: Duration::from_millis(3),
            output_bytes_max: 4 << 20,
            rows_out_per_row_max: 5,
            table_elements_max: 6,
            instances_max: 7,
            component_bytes_max: 8 << 20,
            log_bytes_max: 9_000,
            compile: Duration::from_millis(10),
            functions_max: 11,
            function_bytes_max: 12_000,
            declarations_bytes_max: 13_000,
        }
    );
}

#[test]
fn the_pinterest_pipeline_is_good() {
    let folder = Folder::new();
    for line in PINTEREST.lines() {
        if let Some(path) = line.strip_prefix("sql = ") {
            folder.put(&format!("pipelines/{}", path.trim_matches('"')), "SELECT 1");
        }
    }
    for name in ["pin", "geo", "user"] {
        folder.put(&format!("transforms/{name}/Cargo.toml"), "");
    }
    let Declared { pipeline, .. } = read(&folder.put("pipelines/pinterest.toml", PINTEREST)).unwrap();
    let names = |pipeline: &Pipeline| pipeline.tables.iter().map(|table| table.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&pipeline), ["pin", "geo", "user"]);
    assert_eq!((pipeline.queries.len(), pipeline.topics.len()), (10, 3));
}

#[test]
fn columns_are_held_against_what_transforms_write() {
    let (_folder, declared) = good();
    let found = |outputs: &[(&str, Type)]| -> Vec<String> {
        let faults = check(&declared, &described(outputs));
        faults.iter().map(|fault| shown(&declared, fault)).collect()
    };
    assert!(found(&OUTPUTS).is_empty());
    assert!(check(&declared, &Descriptions::new()).is_empty());
    assert_eq!(
        found(&[("id", Type::TextList), ("totel", Type::Float64), ("country", Type::Text), ("placed", Type::Text)]),
        [
            r#"22:8: tables.orders.key[0]: the column "id" is list of text, which does not fit here; name a column of boolean, int64, text, bytes, timestamp"#,
            r#"23:16: tables.orders.cache[1]: the transform writes no column "total"; did you mean "totel"?"#,
            r#"31:44: tables.orders.aggregates[0].window.time: the column "placed" is text, which does not fit here; name a column of timestamp"#,
            r#"32:32: tables.orders.aggregates[0].measures.total: the transform writes no column "total"; did you mean "totel"?"#,
        ]
    );
    let [id, _, country, placed] = OUTPUTS;
    assert_eq!(
        found(&[id, ("total", Type::Text), country, placed]),
        [
            r#"32:32: tables.orders.aggregates[0].measures.total: the column "total" is text, which does not fit here; name a column of int64, float64"#
        ]
    );
}

#[test]
fn what_a_topic_unwraps_its_tables_do() {
    let text = GOOD.replacen("partitions = 3", "partitions = 3\nunwrap = [\"base64\", \"field:value\"]", 1);
    let declared = Folder::new().declare(&text).unwrap();
    assert_eq!(declared.pipeline.tables[0].unwrap.steps(), ["base64", "field:value"]);
    let shown = picture(&declared.pipeline, &described(&OUTPUTS));
    let line = shown.lines().find(|line| line.trim_start().starts_with("unwrapped")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["unwrapped", "base64,", "field:value"]);
}

#[test]
fn a_picture_shows_the_plan() {
    let (folder, declared) = good();
    let root = folder.0.canonicalize().unwrap();
    let shown = picture(&declared.pipeline, &described(&OUTPUTS)).replace(&root.display().to_string(), "");
    let expected = r#"pipeline orders
  file       /orders.toml
  data       /data/orders
  topics at  http://127.0.0.1:8082
             bodies up to 8MiB, 10000 records each, 256MiB at one time
  admin at   http://127.0.0.1:9082
  lake       s3://orders-lake/raw/eu as parquet
             the embedded S3 server, http://127.0.0.1:9000

topics
  clicks  fluvio    1 partition   topic clicks at 127.0.0.1:9003
  orders  embedded  3 partitions  kept for 7d, up to 10GiB a partition, records up to 1MiB

table orders
  topic       orders
  transform   clean 0.1.0 (0123456789ab) from transforms/clean
  parameters  {"currency":"EUR","rates":[1.5,2]}
  cache       the latest row of each id
  lake        windows of 10s, up to 1080 objects an hour, more from 4MiB an epoch on
  reads                          ->  writes
    id or number  int64                id       int64      key
    total         text, or null        total    float64    cached
                                       country  text
                                       placed   timestamp
  aggregate sales
    by      country
    window  each 1m of placed, rows up to 1h late
    rows    count()
    total   sum(total)

queries
  best        best.sql
  all_orders  written in the pipeline file
"#;
    assert_eq!(shown, expected, "{shown}");
}
