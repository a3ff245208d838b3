//! The lake as clients read it that are not ours: boto3, pyarrow, DuckDB.

use std::process::Command;

use serde_json::{Value, json};
use tidemill::emulate::population::Population;
use tidemill_tests::daemon::{Daemon, pinterest};
use tidemill_tests::place::{self, Folder};
use tidemill_tests::{fill, http};

const ROWS: u64 = 700;

#[test]
fn boto3_pyarrow_and_duckdb_read_the_lake() {
    let Ok(python) = std::env::var("TIDEMILL_CLIENTS") else {
        println!("not asked for: TIDEMILL_CLIENTS names a Python with the packages of tests/clients/requirements.txt");
        return;
    };
    let folder = Folder::new("clients");
    let daemon = Daemon::start(&pinterest(folder.path(), &[]));
    let population = Population::new(ROWS, 5);
    for (topic, row) in fill::TABLES {
        let lines: Vec<String> = (0..ROWS)
            .map(|index| {
                let mut line = Vec::new();
                row(&population, index, &mut line);
                String::from_utf8(line).expect("UTF-8")
            })
            .collect();
        http::post_lines(daemon.topics, topic, lines.iter().map(String::as_str), 50);
    }
    daemon.settle();
    let endpoint = format!("http://{}", daemon.lake.expect("the embedded lake"));
    let script = place::root().join("tests/clients/lake.py");
    let output = Command::new(python).arg(script).args([&endpoint, "user-pinterest-bucket"]).output().expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for table in ["pin", "geo", "user"] {
        let counts = [&seen["tables"][table]["pyarrow"], &seen["tables"][table]["duckdb"]];
        assert_eq!(counts, [&json!(ROWS), &json!(ROWS)], "{table}: {seen:#}");
    }
    assert_eq!((&seen["pins"], &seen["first"]), (&json!(ROWS), &json!(0)));
    let geo = &seen["tables"]["geo"]["columns"];
    let expected = json!([
        "ind int64",
        "country string",
        "coordinates list<element: double not null>",
        "timestamp timestamp[us, tz=UTC]",
        "_time timestamp[us, tz=UTC]",
        "_partition int64",
        "_offset int64",
        "_row int64"
    ]);
    assert_eq!(geo, &expected, "{seen:#}");
    daemon.stop();
}
