//! Landings, and topics of files.

use super::{Backend, Folder, picture};
use crate::config::Descriptions;
use crate::config::plan::{Landing, Origin};
use crate::lake::options::Endpoint;

/// A pipeline without a table; what is added begins in line 12.
const HEAD: &str = "[pipeline]
name = \"raw\"
[lake]
bucket = \"raw-bucket\"
endpoint = \"embedded\"
[topics.pin]
[topics.\"0a.geo\"]
[topics.\"0a.user\"]
partitions = 2

[landings.raw]
";

fn landings(more: &str) -> Result<Vec<Landing>, Vec<String>> {
    Folder::new().declare(&format!("{HEAD}{more}")).map(|declared| declared.pipeline.landings)
}

#[test]
fn topics_by_name_and_by_pattern() {
    let check = |topics: &str, expected: &[&str]| {
        let found = landings(&format!("topics = {topics}\nflush = 1")).unwrap();
        assert_eq!(found.iter().map(|landing| landing.name.as_str()).collect::<Vec<_>>(), expected, "{topics}");
    };
    check("[\"pin\"]", &["raw.pin"]);
    check("[\"0a.*\"]", &["raw.0a.geo", "raw.0a.user"]);
    check("[\"*\", \"pin\"]", &["raw.0a.geo", "raw.0a.user", "raw.pin"]);
}

#[test]
fn a_landing_is_drawn() {
    let text = format!("{HEAD}topics = [\"pin\"]\nflush = 100\nrotate_interval = \"10m\"\ngzip = 6");
    let drawn = picture(&Folder::new().declare(&text).unwrap().pipeline, &Descriptions::default());
    let line = "raw.pin  topics/pin/partition=0/pin+0+0000000000.json.gz  an object ends after 100 records or 128MiB or 10m of records";
    assert!(drawn.contains(line), "{drawn}");
}

#[test]
fn faults_of_a_landing() {
    let check = |more: &str, expected: &[&str]| {
        let faults = landings(more).err().unwrap_or_default();
        let as_expected =
            faults.len() == expected.len() && faults.iter().zip(expected).all(|(fault, words)| fault.contains(words));
        assert!(as_expected, "{more}: {faults:#?}");
    };
    let good = "topics = [\"pin\"]\nflush = 1\n";
    check("", &["landings.raw: \"topics\" is missing", "landings.raw: \"flush\" is missing"]);
    check("topics = []\nflush = 0", &["there is no topic to land", "0 is not within 1 and 100000000"]);
    check(
        "topics = [\"pins\", \"x*\"]\nflush = 1",
        &["12:11: landings.raw.topics[0]: no topic \"pins\" is declared; did you mean \"pin\"?", "no topic \"x*\""],
    );
    check(&format!("{good}flushes = 2"), &["14:1: landings.raw.flushes: unknown key; did you mean \"flush\"?"]);
    check(&format!("{good}zone = \"Nowhere\""), &["the time zone \"Nowhere\" is not known here"]);
    check(&format!("{good}format = \"avro\""), &["\"avro\" is not known; known are json, text, bytes"]);
    check(&format!("{good}separator = \"|\""), &["separator: unknown key"]);
    check(
        &format!("{good}gzip = 10\nfile_delim = \"0\"\ntopics_dir = \"a/../b\""),
        &["10 is not within 0 and 9", "\"0\" is empty or has a digit", "\"a/../b\" has an empty part"],
    );
    check(&format!("{good}rotate_on_change = false"), &["it counts with a rotate_interval only"]);
    check(&format!("{good}partitioner = {{ kind = \"field\" }}"), &["\"fields\" is missing"]);
    check(
        &format!("{good}partitioner = {{ kind = \"field\", fields = [\"a..b\"] }}"),
        &["\"a..b\" is no field's name"],
    );
    check(
        &format!("{good}partitioner = {{ kind = \"time\", path = \"'x=yy\" }}"),
        &["\"duration\" is missing", "has a quote that does not end"],
    );
    check(&format!("{good}partitioner = {{ kind = \"daily\", path = \"yy\" }}"), &["path: unknown key"]);
    check(&format!("{good}partitioner = {{ kind = \"hour\" }}"), &["\"hour\" is not known"]);
    check(
        &format!("{good}format = \"bytes\"\npartitioner = {{ kind = \"field\", fields = [\"a\"] }}"),
        &["it looks into values, which are JSON only"],
    );
    check(
        &format!("{good}[landings.more]\ntopics = [\"*\"]\nflush = 2"),
        &["it lands topic \"pin\" in the folder \"topics/pin/\", as \"raw.pin\" does"],
    );
    check(&format!("{good}[landings.more]\ntopics = [\"*\"]\nflush = 2\ntopics_dir = \"more\""), &[]);
    check(
        &format!("{good}[landings.\"B.c\"]\ntopics = [\"pin\"]\nflush = 2\ntopics_dir = \"b\""),
        &["the name \"B.c\" is not"],
    );
}

#[test]
fn topics_of_files() {
    let folder = Folder::new();
    folder.put("exports/a.csv", "a\n1\n");
    let text = |more: &str| format!("{HEAD}topics = [\"pin\"]\nflush = 1\n[topics.old]\nbackend = \"files\"\n{more}");
    let declared = folder
        .declare(&text(
            "path = \"exports\"\nnames = \"*.csv\"\nwatch = true\nsettle = \"0s\"\ndelimiter = \";\"\njson = [\"a\"]",
        ))
        .unwrap();
    let old = declared.pipeline.topics.iter().find(|topic| topic.name == "old").unwrap();
    let Backend::Files { options, origin: Origin::Path(path) } = &old.backend else { panic!("{old:?}") };
    assert!(path.ends_with("exports") && options.watch && options.delimiter == b';' && options.settle.is_zero());
    let faults =
        folder.declare(&text("path = \"export\"\nsettle = \"1s\"\ndelimiter = \"ab\"\npartitions = 2")).err().unwrap();
    let expected =
        ["does not exist", "it counts with watch = true only", "is not one ASCII character", "partitions: unknown key"];
    assert!(
        faults.iter().zip(expected).all(|(fault, words)| fault.contains(words)) && faults.len() == 4,
        "{faults:#?}"
    );
}

#[test]
fn topics_of_objects() {
    let folder = Folder::new();
    let text = |more: &str| format!("{HEAD}topics = [\"pin\"]\nflush = 1\n[topics.old]\nbackend = \"files\"\n{more}");
    let origin = |more: &str| {
        let declared = folder.declare(&text(more)).unwrap();
        let old = declared.pipeline.topics.into_iter().find(|topic| topic.name == "old").unwrap();
        let Backend::Files { origin: Origin::Bucket(bucket), .. } = old.backend else { panic!("{old:?}") };
        (bucket.bucket, bucket.prefix, bucket.endpoint, bucket.region)
    };
    let (bucket, prefix) = ("user-bucket".to_owned(), "topics/pin/".to_owned());
    let written = "bucket = \"user-bucket\"\nprefix = \"topics/pin/\"";
    assert_eq!(origin(written), (bucket.clone(), prefix.clone(), Endpoint::Embedded { port: 0 }, None));
    assert_eq!(
        origin(&format!("{written}\nendpoint = \"aws\"\nregion = \"eu-west-2\"\nwatch = true")),
        (bucket, prefix, Endpoint::Aws, Some("eu-west-2".to_owned()))
    );
    let faults = folder
        .declare(&text("bucket = \"No\"\npath = \".\"\nwatch = true\nsettle = \"1s\"\nport = 9000\nendpoint = \"x\""))
        .err()
        .unwrap();
    let expected = [
        "bucket",
        "files lie in a folder or in a bucket, not in both",
        "an object comes whole",
        "port: unknown key",
        "\"x\" is not an S3 endpoint",
    ];
    assert!(
        faults.iter().zip(expected).all(|(fault, words)| fault.contains(words)) && faults.len() == expected.len(),
        "{faults:#?}"
    );
}
