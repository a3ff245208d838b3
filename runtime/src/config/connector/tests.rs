//! Connectors as people have them, and what becomes of them.

use std::path::Path;

use super::import;
use crate::config;

const USUAL: &str = "connector.class=io.confluent.connect.s3.S3SinkConnector
# same region as our bucket and cluster
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

fn shown(text: &str, topics: &[&str]) -> String {
    let topics: Vec<String> = topics.iter().map(|&topic| topic.to_owned()).collect();
    match import(Path::new("c.properties"), text, &topics) {
        Ok(toml) => toml,
        Err(faults) => faults.iter().map(|fault| format!("{fault}\n")).collect(),
    }
}

#[test]
fn the_usual_one() {
    let expected = r#"[pipeline]
name = "landing"

[lake]
bucket = "user-0a1b2c3d4e5f-bucket"
region = "us-east-1"

[landings.raw]
topics = ["0a1b2c3d4e5f*"]
format = "json"
flush = 1
tombstones = "reject"

# What means nothing here:
# topics.regex: of the topics that are declared those are landed that fit; add a [topics.NAME] for each
# behavior.on.null.values = fail: a record without a value is a dead letter, and no stop
# tasks.max: each partition has a worker
# storage.class: the lake is S3
# schema.compatibility: values have no schema here, so none changes
# key.converter: keys are not landed
"#;
    assert_eq!(shown(USUAL, &[]), expected);
}

#[test]
fn what_comes_out_is_a_pipeline() {
    let time = "partitioner.class=x.TimeBasedPartitioner\npath.format='year'=YYYY/'month'=MM\npartition.duration.ms=3600000\n\
                locale=en-US\ntimezone=Europe/London\ntimestamp.extractor=RecordField\ntimestamp.field=at\n\
                rotate.interval.ms=600000\nrotate.file.on.partition.change=false\nrotate.schedule.interval.ms=90000\n";
    let more = format!(
        "{USUAL}{time}s3.compression.type=gzip\ntopics.dir=raw/in\nfile.delim=-\nfilename.offset.zero.pad.width=6\n"
    );
    let field = format!(
        "{USUAL}partitioner.class=x.FieldPartitioner\npartition.field.name=country, place.city\nrotate.interval.ms=5\n"
    );
    let bytes = USUAL
        .replace("json.JsonFormat", "bytearray.ByteArrayFormat")
        .replace("json.JsonConverter", "ByteArrayConverter");
    let bytes = format!("{bytes}format.bytearray.separator=\\n\\n\nformat.bytearray.extension=.raw\nname=My Sink 1\n");
    let text = USUAL.replace("connect.json.JsonConverter", "connect.storage.StringConverter");
    let expected: [(&str, &[&str]); 4] = [
        (
            &more,
            &[
                "gzip = 6",
                "topics_dir = \"raw/in\"",
                "file_delim = \"-\"",
                "zero_pad = 6",
                "rotate_schedule = \"1m30s\"",
                "partitioner = { kind = \"time\", path = \"'year'=YYYY/'month'=MM\", duration = \"1h\", time = \"at\" }",
                "zone = \"Europe/London\"",
                "rotate_interval = \"10m\"",
                "rotate_on_change = false",
            ],
        ),
        (&field, &["partitioner = { kind = \"field\", fields = [\"country\", \"place.city\"] }"]),
        (&bytes, &["format = \"bytes\"", "separator = \"\\n\\n\"", "extension = \".raw\"", "name = \"my-sink-1\""]),
        (&text, &["format = \"text\""]),
    ];
    let folder = std::env::temp_dir().join(format!("tidemill-connector-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("pipeline.toml");
    for (connector, lines) in expected {
        let toml = shown(connector, &["0a1b2c3d4e5f.pin", "geo"]);
        for line in lines {
            assert!(toml.lines().any(|found| found == *line), "{line}: {toml}");
        }
        std::fs::write(&file, &toml).unwrap();
        let read = config::read(&file).unwrap_or_else(|faults| panic!("{faults:?}: {toml}"));
        let names: Vec<&str> = read.pipeline.landings.iter().map(|landing| landing.name.as_str()).collect();
        assert_eq!(names, ["raw.0a1b2c3d4e5f.pin", "raw.geo"]);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn json_is_read_as_connect_takes_it() {
    let outer = r#"{"name": "sink", "config": {"flush.size": 3, "s3.bucket.name": "b-b", "topics": "pin, geo",
        "format.class": "JsonFormat", "value.converter": "JsonConverter", "value.converter.schemas.enable": false}}"#;
    let toml = shown(outer, &[]);
    for line in ["name = \"sink\"", "topics = [\"pin\", \"geo\"]", "flush = 3", "[topics.\"pin\"]", "[topics.\"geo\"]"]
    {
        assert!(toml.lines().any(|found| found == line), "{line}: {toml}");
    }
    assert_eq!(shown("{\"a\": 1,\n}", &[]), "c.properties:2:1: JSON: trailing comma at line 2 column 1\n");
}

#[test]
fn what_would_make_other_objects_is_refused() {
    let check = |line: &str, expected: &str| {
        let got = shown(&format!("{USUAL}{line}\n"), &[]);
        assert!(got.starts_with("c.properties:") && got.contains(expected), "{line}: {got}");
    };
    check("connector.class=x.GcsSinkConnector", "connector.class: \"x.GcsSinkConnector\" has nothing here");
    check("format.class=io.confluent.connect.s3.format.avro.AvroFormat", "known are JsonFormat, ByteArrayFormat");
    check("value.converter=io.confluent.connect.avro.AvroConverter", "value.converter: ");
    check("value.converter=x.ByteArrayConverter", "JsonFormat does not write what that value.converter gives");
    check("value.converter.schemas.enable=true", "an envelope of schema and payload");
    check("partitioner.class=x.FieldAndTimeBasedPartitioner", "partitioner.class: ");
    check("partitioner.class=x.TimeBasedPartitioner", "timezone: is missing");
    check(
        "partitioner.class=x.HourlyPartitioner\ntimezone=UTC\nlocale=de",
        "locale: names of months and days are English",
    );
    check("partitioner.class=x.FieldPartitioner", "partition.field.name: is missing");
    check("rotate.schedule.interval.ms=1000", "timezone: is missing, which rotate.schedule.interval.ms needs");
    check("behavior.on.null.values=write", "no object is made of it");
    check("transforms=insert\ntransforms.insert.type=x", "transforms: they change records");
    check("store.kafka.keys=true", "store.kafka.keys: keys are not landed");
    check("s3.object.tagging=true", "s3.object.tagging: ");
    check("s3.ssea.name=aws:kms", "set the encryption as the bucket's default");
    check("directory.delim=_", "directory.delim: ");
    check("topics=pin", "topics.regex: there is \"topics\" too");
    check("topics.regex=[ab]", "--topic NAME, again for each");
    check("flush.size=many", "flush.size: \"many\" is no whole number");
    check("flush.sise=1", "flush.sise: is not known here");
    let two = shown("flush.size=1\n", &[]);
    assert!(two.lines().count() >= 4, "all faults at once: {two}");
}

#[test]
fn secrets_stay_out() {
    let with = format!("{USUAL}aws.access.key.id=AKIAX\naws.secret.access.key=s3cr3t\n");
    let toml = shown(&with, &[]);
    assert!(toml.contains("aws.secret.access.key: credentials") && !toml.contains("s3cr3t") && !toml.contains("AKIAX"));
}
