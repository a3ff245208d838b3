//! `tidemill query` in its forms, and again when the answer changes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use tidemill_tests::cli::{done, failed};
use tidemill_tests::http;
use tidemill_tests::place::command;

use super::{house, things};

#[test]
fn an_answer_in_each_form() {
    let house = house("queries-forms");
    let daemon = house.start();
    http::post_lines(daemon.topics, "thing", things(0, 3).iter().map(String::as_str), 3);
    daemon.settle();
    daemon.stop();
    let folder = house.pipeline.parent().expect("a folder");
    let pipeline = house.pipeline.to_str().expect("a path");
    let ask = |more: &[&str]| done(folder, &[&["query", "-p", pipeline], more].concat(), "").0;
    assert_eq!(ask(&["marks", "--format", "csv"]), "mark,things,last\r\ngood,3,2\r\n");
    assert_eq!(ask(&["marks", "--csv"]), ask(&["marks", "--format", "csv"]));
    assert_eq!(ask(&["marks", "--json"]), "[{\"mark\":\"good\",\"things\":3,\"last\":2}]\n");
    let chart = ask(&["SELECT 'n' || ind AS name, ind FROM thing ORDER BY 1", "--format", "chart"]);
    let bars: Vec<usize> = chart.lines().map(|line| line.matches('█').count()).collect();
    assert!(bars[0] == 0 && (bars[2] / 2).abs_diff(bars[1]) <= 1 && bars[2] > 20, "{chart}");
    assert!(chart.lines().all(|line| line.starts_with('n')), "{chart}");
    for (format, begins) in [("parquet", "PAR1"), ("csv", "ind,even,mark\r\n2,1,good"), ("json", "[{\"ind\":2,")] {
        let file = folder.join(format);
        let file = file.to_str().expect("a path");
        assert_eq!(ask(&["numbers", "--format", format, "--output", file]), "");
        assert!(fs::read(file).expect("the file").starts_with(begins.as_bytes()), "{format}");
    }
    let piped = failed(folder, &["query", "-p", pipeline, "marks", "--format", "parquet"]);
    assert!(piped.contains("hint: name a file: --output FILE"), "{piped}");
    let no_bars = failed(folder, &["query", "-p", pipeline, "SELECT 1 AS n, 'x' AS name", "--format", "chart"]);
    assert!(no_bars.contains("\"x\" in its last column, \"name\", is no number"), "{no_bars}");
}

#[test]
fn rows_that_changed_are_lines_where_nobody_looks_on() {
    let house = house("queries-watch");
    let daemon = house.start();
    let mut watching = Command::new(command())
        .args(["query", "marks", "--watch", "--format", "csv", "-p"])
        .arg(&house.pipeline)
        .stdout(Stdio::piped())
        .spawn()
        .expect("tidemill starts");
    let mut lines = BufReader::new(watching.stdout.take().expect("its output")).lines();
    let mut line = move || lines.next().expect("a line").expect("text");
    assert_eq!(line(), "mark,things,last");
    http::post_lines(daemon.topics, "thing", ["{\"ind\":7}"], 1);
    assert_eq!(line(), "+ good,1,7");
    http::post_lines(daemon.topics, "thing", ["{\"ind\":8}"], 1);
    assert_eq!((line(), line()), ("- good,1,7".to_owned(), "+ good,2,8".to_owned()));
    watching.kill().expect("it was running");
    watching.wait().expect("it ends");
    daemon.stop();
}
