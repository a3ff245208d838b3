//! A start that cannot be says why and what to do, and leaves everything as it was.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use tidemill_tests::daemon::{Daemon, pinterest_of_its_own, tidemill};
use tidemill_tests::http;
use tidemill_tests::place::{Folder, replace, root};

/// A run of `pipeline` fails and says exactly `lines`, log lines aside.
fn check(pipeline: &Path, lines: &[&str]) {
    let output = tidemill(["run", pipeline.to_str().expect("a path")]);
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(said.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn ten_faults_at_once() {
    let folder = Folder::new("start-faults");
    let file = folder.write(
        "faults.toml",
        r#"[pipeline]
name = "Pins!"
data = "data"

[listen]
topics = "127.0.0.1:0"
admin = "localhost:9082"

[lake]
bucket = "b"
endpoint = "embeded"

[topics.pin]
partitions = 0
compression = "zip"

[tables.pin]
topic = "pins"
transform = "pin.wasm"
key = ["ind"]
cache = ["category"]
window = "10"

[[tables.pin.aggregates]]
name = "sums"
by = ["category"]
window = { kind = "tumbling", size = "1m", time = "append" }
measures = { pins = "cuont()" }
"#,
    );
    let place = folder.path().canonicalize().expect("its place");
    let shown = file.display();
    let expected = [
        r#"2:1: pipeline.name: "Pins!" is not 1 to 63 lowercase letters, digits, _ and -"#.to_owned(),
        r#"7:1: listen.admin: "localhost:9082" is not an IP address with a port; write "127.0.0.1:9082""#.to_owned(),
        r#"10:1: lake.bucket: "b" is not 3 to 63 lowercase letters, digits, dots and - that begin and end with a letter or a digit"#.to_owned(),
        r#"11:1: lake.endpoint: "embeded" is not an S3 endpoint; write "embedded", "aws" or a URL such as "http://127.0.0.1:9000""#.to_owned(),
        r#"14:1: topics.pin.partitions: 0 is not within 1 and 256"#.to_owned(),
        r#"15:1: topics.pin.compression: "zip" is not known; known are lz4, none"#.to_owned(),
        r#"18:1: tables.pin.topic: the topic "pins" is not declared; did you mean "pin"?"#.to_owned(),
        format!(r#"19:1: tables.pin.transform: "pin.wasm" does not exist; looked for in {}"#, place.display()),
        r#"20:8: tables.pin.key[0]: the key column "ind" is not cached; add "ind" to cache"#.to_owned(),
        r#"22:1: tables.pin.window: "10" has no unit; write "10s""#.to_owned(),
        r#"28:14: tables.pin.aggregates[0].measures.pins: measure "cuont()": there is no function "cuont"; did you mean "count()"?"#.to_owned(),
    ];
    let lines: Vec<String> = std::iter::once(format!("error: {shown} has {} faults", expected.len()))
        .chain(expected.iter().map(|fault| format!("{shown}:{fault}")))
        .collect();
    check(&file, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(!folder.path().join("data").exists(), "nothing was made");
}

#[test]
fn a_crate_that_is_not_built() {
    let folder = Folder::new("start-unbuilt");
    let pipeline = pinterest_of_its_own(folder.path(), &[]);
    let text = fs::read_to_string(&pipeline).expect("the pipeline file");
    folder.write("pin/Cargo.toml", "[package]\nname = \"pin\"\n");
    let place = folder.path().canonicalize().expect("its place").join("pin");
    fs::write(&pipeline, text.replace("/pin.wasm\"", "/pin\"")).expect("the pipeline file");
    check(
        &pipeline,
        &[
            &format!(
                "error: table \"pin\": component {}: No such file or directory (os error 2)",
                place.join("pin.wasm").display()
            ),
            &format!("hint: build it: tidemill transform build {}", place.display()),
        ],
    );
}

#[test]
fn a_component_that_is_none() {
    let folder = Folder::new("start-foreign");
    let pipeline = pinterest_of_its_own(folder.path(), &[]);
    let file = folder.path().join("pin.wasm");
    let good = fs::read(&file).expect("the component");
    for (bytes, error, hint) in [
        (
            &b"\0asm\x01\0\0\0"[..],
            "it is a core module, not a component",
            "build it with `tidemill transform build`, which wraps the module as a component",
        ),
        (b"", "the file is empty", "build it again: tidemill transform build"),
        (
            b"\x7fELF and more",
            "it is compiled to machine code, which is never taken in",
            "give the .wasm file that it was compiled from",
        ),
        (
            b"<html>not found</html>",
            "it is not WebAssembly",
            "give a component that `tidemill transform build` has made",
        ),
    ] {
        replace(&file, bytes);
        check(&pipeline, &[&format!("error: table \"pin\": component: {error}"), &format!("hint: {hint}")]);
    }
    replace(&file, good);
    Daemon::start(&pipeline).stop();
}

#[test]
fn a_component_of_another_table() {
    let folder = Folder::new("start-other");
    let pipeline = pinterest_of_its_own(folder.path(), &[]);
    fs::copy(folder.path().join("geo.wasm"), folder.path().join("pin.wasm")).expect("a copy");
    check(&pipeline, &["error: table \"pin\": column \"category\" is not among what its transform writes"]);
}

#[test]
fn an_occupied_port() {
    let folder = Folder::new("start-port");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("where it listens");
    for key in ["topics", "admin"] {
        let listens = format!("{key} = \"{at}\"");
        let pipeline = pinterest_of_its_own(folder.path(), &[(&format!("{key} = \"127.0.0.1:0\""), &listens)]);
        check(
            &pipeline,
            &[
                &format!("error: listener listen.{key} on {at}: Address already in use (os error 98)"),
                &format!(
                    "hint: stop the program that listens on port {}, or change listen.{key} in the pipeline file",
                    at.port()
                ),
            ],
        );
        assert!(!folder.path().join("data").exists(), "nothing was made");
    }
}

#[test]
fn a_data_folder_in_use() {
    let folder = Folder::new("start-locked");
    let pipeline = pinterest_of_its_own(folder.path(), &[]);
    let mut first = Daemon::start(&pipeline);
    let data = folder.path().join("data").canonicalize().expect("its place");
    let lines = [
        format!("error: data folder {data:?}: in use by process {}", first.pid()),
        "hint: stop that process, or name another data folder".to_owned(),
    ];
    check(&pipeline, &lines.each_ref().map(String::as_str));
    assert!(first.is_running());
    // One that stands still has it all the same, and goes on as if nothing had been.
    first.signal("STOP");
    check(&pipeline, &lines.each_ref().map(String::as_str));
    first.signal("CONT");
    assert_eq!(http::post(first.topics, "pin", r#"{"records":[{"value":{"ind":1}}]}"#).status, 200);
    first.settle();
    first.stop();
    Daemon::start(&pipeline).stop();
}

#[test]
fn a_table_of_another_topic() {
    let folder = Folder::new("start-topic");
    let pipeline = pinterest_of_its_own(folder.path(), &[]);
    let first = Daemon::start(&pipeline);
    assert_eq!(http::post(first.topics, "geo", r#"{"records":[{"value":{"ind":1,"country":"x"}}]}"#).status, 200);
    first.settle();
    first.stop();
    let text = fs::read_to_string(&pipeline).expect("the pipeline file");
    let other = text.replace("[tables.geo]\ntopic = \"geo\"", "[tables.geo]\ntopic = \"user\"");
    assert_ne!(other, text);
    let moved = folder.write("moved.toml", other);
    let lines = [
        "error: table \"geo\": it has read topic \"geo\", and the pipeline file says \"user\"",
        "hint: what was read of one topic says nothing of another: name the first again, or give it a new name",
    ];
    check(&moved, &lines);
    let again = Daemon::start(&pipeline);
    again.settle();
    again.stop();
}

#[test]
fn a_foreign_file_in_place_of_the_cache() {
    let folder = Folder::new("start-cache");
    let pipeline = pinterest_of_its_own(folder.path(), &[]);
    let cache =
        folder.write("data/cache.sqlite", "this is no database, but a text that is long enough to be one".repeat(20));
    let place = cache.canonicalize().expect("its place");
    let lines = [
        &format!("error: cache {place:?}: the file is not a cache of tidemill"),
        "hint: move it away, or name another data folder",
    ];
    let text = fs::read(&cache).expect("the file");
    check(&pipeline, &lines);
    assert!(text == fs::read(&cache).expect("the file"), "it is as it was");
    fs::remove_file(&cache).expect("it was there");
    let connection = rusqlite::Connection::open(&cache).expect("a database");
    connection.execute_batch("CREATE TABLE photos (name TEXT); INSERT INTO photos VALUES ('one')").expect("a table");
    drop(connection);
    let database = fs::read(&cache).expect("the file");
    check(&pipeline, &lines);
    assert!(database == fs::read(&cache).expect("the file"), "it is as it was");
    fs::remove_file(&cache).expect("it was there");
    Daemon::start(&pipeline).stop();
}

#[test]
fn a_pipeline_file_that_is_none() {
    let folder = Folder::new("start-none");
    let absent = folder.path().join("absent.toml");
    check(
        &absent,
        &[
            &format!("error: {} has 1 fault", absent.display()),
            &format!("{}:1:1: the file cannot be read: No such file or directory (os error 2)", absent.display()),
        ],
    );
    let readme = root().join("ARCHITECTURE.md");
    let output = tidemill(["run", readme.to_str().expect("a path")]);
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("ARCHITECTURE.md:3:3: TOML: "),
        "{output:?}"
    );
}
