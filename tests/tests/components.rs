//! Each table's component gives the same rows, rejections and drops as its host build.

use std::fs;
use std::sync::Arc;

use serde_json::Value;
use tidemill::component::Host;
use tidemill::component::limits::Limits;
use tidemill::decode::Decoder;
use tidemill::emulate::population::Population;
use tidemill::lake::options::Format;
use tidemill::lake::{Profile, SegmentWriter};
use tidemill::record::{Batch, Record};
use tidemill::time::Timestamp;
use tidemill_sdk::testing::{self, Outcome};
use tidemill_tests::place::{Folder, component};

/// Rows of the population, and records that each table has to refuse or to mend.
const ROWS: u64 = 3_000;
const ODD: [&str; 8] = [
    r#"{"index":1}"#,
    r#"{"ind":2,"title":"","follower_count":"1.2M","save_location":"Local save in ","category":"  "}"#,
    r#"{"ind":3,"timestamp":"2022-02-30 00:00:00","latitude":1.5,"longitude":-2}"#,
    r#"{"ind":4,"timestamp":"2022-02-28T23:59:59.123456","country":"Åland"}"#,
    r#"{"ind":5,"first_name":"Ada","age":36}"#,
    r#"{"ind":6,"first_name":"Ada","last_name":"Lovelace","date_joined":"yesterday"}"#,
    r#"{"title":"no number"}"#,
    r#"{}"#,
];

fn lines(row: impl Fn(&Population, u64, &mut Vec<u8>)) -> Vec<String> {
    let population = Population::new(ROWS, 7);
    let generated = (0..ROWS).map(|index| {
        let mut line = Vec::new();
        row(&population, index, &mut line);
        String::from_utf8(line).expect("UTF-8")
    });
    generated.chain(ODD.map(str::to_owned)).collect()
}

/// What the component makes of the lines, by the runtime's own decoder and in calls of `chunk` rows.
fn by_component(table: &str, lines: &[String], chunk: usize) -> Outcome {
    let host = Host::new(None).expect("a host");
    let bytes = fs::read(component(table)).expect("the component");
    let component = host.load(&bytes, &Limits::default()).expect("it loads");
    let mut instance = component.instantiate("{}").expect("it starts");
    let mut decoder = Decoder::new(&component.description().inputs, 0).expect("a decoder");
    let mut batch = Batch::default();
    for (offset, line) in (0..).zip(lines) {
        batch.push(Record { offset, time: Timestamp(0), key: None, value: Some(line.as_bytes()), headers: &[] });
    }
    let folder = Folder::new(&format!("component-{table}"));
    let file = folder.path().join("rows.json");
    let schema = tidemill::schema::arrow_schema(&component.description().outputs);
    let mut profile = Profile::default();
    let mut writer = SegmentWriter::create(&file, Format::Json, Arc::clone(&schema), &profile).expect("a file");
    let (mut sources, mut outcome) = (Vec::new(), Outcome::default());
    for start in (0..lines.len()).step_by(chunk) {
        let decoded = decoder.decode(&batch, start..(start + chunk).min(lines.len())).expect("it decodes");
        assert_eq!(decoded.rejected, [], "the lines are of the declared types");
        let output = instance.apply(&decoded.rows).unwrap_or_else(|failure| panic!("{}", failure.error()));
        writer.write(&output.rows).expect("it is written");
        let first = start as u32;
        sources.extend(output.sources.iter().map(|source| source + first));
        outcome.rejected.extend(output.rejected.into_iter().map(|(row, reason)| (row + first, reason)));
    }
    writer.finish(&mut profile).expect("it is synced");
    let text = fs::read_to_string(&file).expect("the rows");
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    outcome.rows = sources.into_iter().zip(rows).collect();
    outcome
}

fn check(table: &str, lines: &[String], by_host: Outcome) {
    assert!(by_host.rows.len() as u64 >= ROWS && !by_host.rejected.is_empty());
    for chunk in [1, 7, 512, lines.len()] {
        let component = by_component(table, lines, chunk);
        assert_eq!(component.rows.len(), by_host.rows.len(), "{table} by {chunk}");
        for (got, expected) in component.rows.iter().zip(&by_host.rows) {
            assert_eq!(got, expected, "{table} by {chunk}");
        }
        assert_eq!(component.rejected, by_host.rejected, "{table} by {chunk}");
    }
}

#[test]
fn pin() {
    use tidemill_transform_pin::{apply, describe};
    let lines = lines(Population::pin);
    check("pin", &lines, testing::run(&describe(), apply, &lines).expect("it runs"));
}

#[test]
fn geo() {
    use tidemill_transform_geo::{apply, describe};
    let lines = lines(Population::geo);
    check("geo", &lines, testing::run(&describe(), apply, &lines).expect("it runs"));
}

#[test]
fn user() {
    use tidemill_transform_user::{apply, describe};
    let lines = lines(Population::user);
    check("user", &lines, testing::run(&describe(), apply, &lines).expect("it runs"));
}
