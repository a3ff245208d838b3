//! `tidemill import-connector`: from a connector's file to objects in the bucket.

use tidemill_tests::cli;
use tidemill_tests::daemon::Daemon;
use tidemill_tests::http;
use tidemill_tests::place::Folder;

use super::house::objects;

const CONNECTOR: &str = "connector.class=io.confluent.connect.s3.S3SinkConnector
s3.region=us-east-1
flush.size=1
schema.compatibility=NONE
tasks.max=3
topics.regex=0a1b2c3d4e5f.*
format.class=io.confluent.connect.s3.format.json.JsonFormat
partitioner.class=io.confluent.connect.storage.partitioner.DefaultPartitioner
value.converter.schemas.enable=false
value.converter=org.apache.kafka.connect.json.JsonConverter
storage.class=io.confluent.connect.s3.storage.S3Storage
key.converter=org.apache.kafka.connect.storage.StringConverter
s3.bucket.name=user-0a1b2c3d4e5f-bucket
";

#[test]
fn a_connectors_file_becomes_a_pipeline_that_lands_the_same() {
    let folder = Folder::new("landing-connector");
    folder.write("connector.properties", CONNECTOR);
    let arguments = ["import-connector", "connector.properties", "--topic", "0a1b2c3d4e5f.pin"];
    let (toml, _) = cli::done(folder.path(), &arguments, "");
    // Where it runs is no matter of the sink.
    let local = "[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\n[lake]\nendpoint = \"embedded\"\n";
    let file = folder.write("pipeline.toml", toml.replace("[lake]\n", local));
    let daemon = Daemon::start(&file);
    http::post_lines(daemon.topics, "0a1b2c3d4e5f.pin", ["{\"index\": 7528, \"title\": \"\\ud83d\\ude00\"}"], 1);
    daemon.settle();
    daemon.stop();
    let lake = folder.path().join("data/landing/lake/user-0a1b2c3d4e5f-bucket");
    let object = lake.join("topics/0a1b2c3d4e5f.pin/partition=0/0a1b2c3d4e5f.pin+0+0000000000.json");
    let bytes = std::fs::read(&object).unwrap_or_else(|cause| panic!("{}: {cause}", object.display()));
    assert_eq!(String::from_utf8_lossy(&bytes), "{\"index\":7528,\"title\":\"\\uD83D\\uDE00\"}\n");
    assert!(objects(folder.path(), "").is_empty(), "nothing lies elsewhere");
}

#[test]
fn what_would_change_objects_is_named_all_at_once() {
    let folder = Folder::new("landing-connector-refused");
    folder.write("connector.properties", format!("{CONNECTOR}transforms=cast\nstore.kafka.keys=true\n"));
    let said = cli::failed(folder.path(), &["import-connector", "connector.properties"]);
    assert!(
        said.contains("connector.properties:14:1: transforms: ") && said.contains(":15:1: store.kafka.keys: "),
        "{said}"
    );
    let said = cli::failed(folder.path(), &["import-connector", "absent"]);
    assert!(said.starts_with("error: connector absent: "), "{said}");
}
