//! Landed objects as others read them: byte for byte against Python's `json`, and as rows by pyarrow and DuckDB.

use std::process::Command;

use serde_json::{Value, json};
use tidemill::emulate::population::Population;
use tidemill_tests::daemon::Daemon;
use tidemill_tests::place::{self, Folder};
use tidemill_tests::torture::number;
use tidemill_tests::{fill, http};

use super::house::pipeline;

/// Rows of each topic, unless `TIDEMILL_LANDED` says otherwise.
const ROWS: usize = 400;

#[test]
fn python_pyarrow_and_duckdb_find_the_rows_that_were_posted() {
    let Ok(python) = std::env::var("TIDEMILL_CLIENTS") else {
        println!("not asked for: TIDEMILL_CLIENTS names a Python with the packages of tests/clients/requirements.txt");
        return;
    };
    let rows = number("TIDEMILL_LANDED", ROWS) as u64;
    let folder = Folder::new("landing-readers");
    let sections = "[landings.raw]\ntopics = [\"*\"]\nflush = 1\n[landings.many]\ntopics = [\"*\"]\nflush = 50\ngzip = 6\ntopics_dir = \"many\"\n";
    let file = pipeline(folder.path(), &["pin", "geo", "user"], 1, sections);
    let daemon = Daemon::start(&file);
    let population = Population::new(rows, 5);
    for (topic, row) in fill::TABLES {
        let lines: Vec<String> = (0..rows)
            .map(|index| {
                let mut line = Vec::new();
                row(&population, index, &mut line);
                let line = String::from_utf8(line).expect("UTF-8");
                // Every tenth as Python's json.dumps escapes it, with characters beyond the basic plane.
                let extra = ",\"note\":\"é 😀 \\ud83d\\ude00 …\"}";
                if index % 10 == 0 { line.replacen('}', extra, 1) } else { line }
            })
            .collect();
        folder.write(&format!("{topic}.jsonl"), lines.join("\n"));
        http::post_lines(daemon.topics, topic, lines.iter().map(String::as_str), 50);
    }
    daemon.settle();
    daemon.stop();
    let script = place::root().join("tests/clients/landed.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for topic in ["pin", "geo", "user"] {
        let expected = json!({"objects": rows, "same_bytes": rows, "pyarrow": true, "duckdb": true, "gzip": true});
        assert_eq!(seen[topic], expected, "{topic}: {seen:#}");
    }
}
