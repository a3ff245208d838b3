//! Rows of the lake led back to their records.

use std::fs;

use serde_json::{Value, json};
use tidemill_tests::daemon::{Daemon, tidemill};
use tidemill_tests::place::{changeling, digest, replace};

use crate::house::{House, keys, post_things};

/// What `tidemill explain --json` says of a row, and whether it ended well.
fn explain(house: &House, key: &str, row: u64) -> (bool, Value) {
    let output = tidemill(["explain", house.pipeline.to_str().expect("a path"), key, &row.to_string(), "--json"]);
    let said = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|cause| panic!("{cause}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), said)
}

/// A row is led back to its record, and what comes of that is the row again.
fn check_explained(name: &str, format: &str) {
    let house = House::new(name, format, &[]);
    house.run();
    let key = keys(&house, "thing").remove(0);
    let mut twins = 0;
    for row in 1..=20 {
        let (well, said) = explain(&house, &key, row);
        assert!(well && said["same"] == true && said["made"] == said["written"], "{said:#}");
        let value: Value = serde_json::from_str(said["record"]["value"].as_str().expect("text")).expect("JSON");
        assert_eq!((&said["decoded"]["ind"], &said["written"]["ind"]), (&value["ind"], &value["ind"]), "{said:#}");
        assert_eq!(said["written"]["_offset"], said["offset"]);
        let step = &said["steps"][0];
        assert_eq!(step["digest"], *digest(&changeling("sieve")));
        let rows = step["rows"].as_array().expect("a list").len();
        assert_eq!(rows, if value["ind"].as_u64().expect("a number") % 10 == 5 { 2 } else { 1 });
        twins += u64::from(said["nth"] == 1 && said["written"]["mark"] == "twin");
    }
    assert!(twins > 0, "a second row of a record was among them");
    let (_, of_user) = explain(&house, &keys(&house, "user")[0], 3);
    assert!(of_user["same"] == true && of_user["record"]["value"].is_string(), "{of_user:#}");
    let refused = |arguments: [&str; 2], expected: &str| {
        let output = tidemill(["explain", house.pipeline.to_str().expect("a path"), arguments[0], arguments[1]]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(expected), "{said}");
    };
    refused([&key, "999999"], "and no row 999999");
    refused(["thing/none", "1"], "no epoch has written it");
    refused([&keys(&house, "marks")[0], "1"], "whose rows come of many records each");
}

#[test]
fn a_row_of_parquet_is_led_back_to_its_record() {
    check_explained("explain-parquet", "parquet");
}

#[test]
fn a_row_of_json_is_led_back_to_its_record() {
    check_explained("explain-json", "json");
}

#[test]
fn a_row_is_explained_by_the_chain_that_made_it_although_another_is_in_service() {
    let house = House::new("explain-before", "json", &[]);
    let daemon = Daemon::start(&house.pipeline);
    post_things(&daemon, 0, 500);
    daemon.settle();
    let later = changeling("later");
    replace(&house.folder.path().join("thing.wasm"), &later);
    daemon.wait("the new one is in service", |status| status["tables"]["thing"]["digest"] == *digest(&later));
    post_things(&daemon, 500, 500);
    daemon.settle();
    daemon.stop();
    house.audit(&house.data(), &[]).proves();
    let mut marks = Vec::new();
    for key in keys(&house, "thing") {
        let (well, said) = explain(&house, &key, 1);
        assert!(well, "{said:#}");
        let expected = if said["generation"] == 1 { changeling("sieve") } else { later.clone() };
        assert_eq!(said["digest"], *digest(&expected));
        marks.push(said["written"]["mark"].as_str().expect("a mark").to_owned());
    }
    assert!(marks.contains(&"sieve".to_owned()) && marks.contains(&"later".to_owned()), "{marks:?}");
    // An object that was altered is explained, and that it was altered is said.
    let key = keys(&house, "thing").remove(0);
    let file = house.data().join("lake/audited").join(&key);
    let text = fs::read_to_string(&file).expect("the object").replacen("sieve", "siege", 1);
    fs::write(&file, text).expect("the object");
    let (well, said) = explain(&house, &key, 1);
    assert!(!well && said["object_intact"] == false && said["same"] == false, "{said:#}");
    assert_eq!(said["differs"], json!(["mark"]));
}
