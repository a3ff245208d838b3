//! The way of an author: a crate begun, tested, built, tried, given parameters, checked in a pipeline.

use std::fs;
use std::path::Path;
use std::process::Command;

use tidemill_tests::cli::{done, failed, said};
use tidemill_tests::place::{self, Folder};

/// The same transform with parameters.
const WITH_PARAMETERS: &str = r#"
use tidemill_sdk::{Input, Output, Parameters, Verdict, drop, emit, transform};

#[derive(Input)]
pub struct Raw<'a> { product: &'a str, price: f64 }

#[derive(Output)]
pub struct Row<'a> { product: Option<&'a str>, price: f64, currency: &'a str }

#[derive(Parameters)]
pub struct Settings {
    /// Words that stand for no product.
    #[parameter(default = ["N/A"])]
    placeholders: Vec<String>,
    /// Cheaper records are dropped.
    #[parameter(default = 0, minimum = 0)]
    price_min: f64,
    #[parameter(one_of = ["EUR", "USD"])]
    currency: String,
}

#[transform]
pub fn clean<'a>(raw: Raw<'a>, settings: &'a Settings) -> Verdict<Row<'a>> {
    if raw.price < settings.price_min {
        return drop();
    }
    let known = !settings.placeholders.iter().any(|word| word == raw.product);
    emit(Row { product: known.then_some(raw.product), price: raw.price, currency: &settings.currency })
}
"#;

/// A folder for crates whose builds share that of the project's own transforms, so that little is compiled.
fn workshop() -> Folder {
    let folder = Folder::new("author");
    let target = place::root().join("transforms/target");
    folder.write(".cargo/config.toml", format!("[build]\ntarget-dir = {target:?}\n"));
    folder
}

#[test]
fn from_nothing_to_a_transform_with_parameters() {
    let folder = workshop();
    let sdk = place::root().join("transforms/sdk");
    let new = ["transform", "new", "price", "--sdk", sdk.to_str().expect("a path")];
    let (made, _) = done(folder.path(), &new, "");
    assert!(made.contains("tidemill transform build price"), "{made}");
    assert!(failed(folder.path(), &new).contains("is there already, and is left as it is"));

    its_test_passes(&folder.path().join("price"));
    done(folder.path(), &["transform", "build", "price"], "");
    it_cleans_its_sample(folder.path());
    its_cost_is_known(folder.path());
    its_signature_outlives_a_build(folder.path());
    let (plan, _) = done(folder.path(), &["check", "price/pipeline.toml"], "");
    assert!(plan.contains("price 0.1.0") && plan.contains("from ."), "{plan}");
    let parameters = r#"{"a": 1}"#;
    let refused = failed(folder.path(), &["transform", "run", "price", "--parameters", parameters]);
    assert!(refused.contains("the transform takes no parameters, only {}"), "{refused}");

    fs::write(folder.path().join("price/src/lib.rs"), WITH_PARAMETERS).expect("the new source");
    done(folder.path(), &["transform", "build", "price"], "");
    it_takes_parameters(folder.path());
    a_pipeline_is_checked(folder.path());
}

fn its_test_passes(price: &Path) {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let output = Command::new(cargo).arg("test").current_dir(price).output().expect("cargo starts");
    let (out, err) = said(&output);
    assert!(output.status.success() && out.contains("test tests::the_sample ... ok"), "{out}{err}");
}

fn it_cleans_its_sample(folder: &Path) {
    let sample = fs::read_to_string(folder.join("price/sample.jsonl")).expect("the sample");
    let broken = "\n{\"price\": true}\nnonsense";
    let (rows, rejected) = done(folder, &["transform", "run", "price"], &(sample + broken));
    let expected = [
        r#"{"product":"tea","price":2.5,"at":"2026-05-27T11:30:59Z"}"#,
        r#"{"product":"rice","price":null,"at":null}"#,
    ];
    assert_eq!(rows.lines().collect::<Vec<_>>(), expected);
    let rejected: Vec<_> = rejected.lines().collect();
    let [product, price, kind, json, summary] = rejected.as_slice() else { panic!("{rejected:?}") };
    assert_eq!(*product, "line 3: rejected: the record names no product");
    assert_eq!(*price, "line 4: rejected: the price is negative");
    assert!(kind.starts_with("line 6: rejected: field \"price\""), "{kind}");
    assert!(json.starts_with("line 7: rejected: the value is not JSON"), "{json}");
    assert_eq!(*summary, "6 records: 2 rows, 0 dropped, 4 rejected");
}

/// Instructions are counted, the same each time; a bound below what is needed is a failure in words.
fn its_cost_is_known(folder: &Path) {
    let bench = ["transform", "bench", "price", "--rows", "price/sample.jsonl"];
    let (cost, _) = done(folder, &[&bench[..], &["--json", "--against", "price/price.wasm"]].concat(), "");
    let cost: serde_json::Value = serde_json::from_str(&cost).expect("JSON");
    let instructions = |cost: &serde_json::Value| cost["instructions_per_record"].as_f64().expect("a number");
    assert!(instructions(&cost["cost"]) > 10.0, "{cost}");
    assert_eq!(instructions(&cost["cost"]), instructions(&cost["against"]));
    let shares = ["lowering", "guest", "lifting"].map(|part| cost["cost"]["shares"][part].as_f64().expect("a share"));
    assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "{cost}");
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{cost}");
    assert!(cost["host"]["ns_per_record"].as_f64().is_some_and(|ns| ns > 0.0), "{cost}");
    assert!(cost["host"]["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0), "{cost}");
    fs::copy(folder.join("price/price.wasm"), folder.join("alone.wasm")).expect("a copy of the component");
    let (alone, _) = done(folder, &["transform", "bench", "alone.wasm", "--rows", "price/sample.jsonl"], "");
    assert!(alone.contains("not compared with a build for this machine: its crate is not beside it"), "{alone}");
    let dearer = failed(folder, &[&bench[..], &["--against", "price", "--max-ratio", "0.5"]].concat());
    assert_eq!(dearer, "it needs 1.00 times the instructions, and 0.5 is allowed\n");
}

/// The same source built again leaves the signed component alone.
fn its_signature_outlives_a_build(folder: &Path) {
    done(folder, &["transform", "keygen", "me"], "");
    let (signed, _) = done(folder, &["transform", "sign", "price", "--key", "me.key"], "");
    assert!(signed.starts_with("price/price.wasm is signed by ed25519:"), "{signed}");
    done(folder, &["transform", "build", "price"], "");
    let public = fs::read_to_string(folder.join("me.pub")).expect("the public key");
    let (shown, _) = done(folder, &["transform", "inspect", "price"], "");
    assert!(shown.contains(&format!("\nsigned by {public}")), "{shown}");
}

fn it_takes_parameters(folder: &Path) {
    let lines = "{\"product\":\"?\",\"price\":3}\n{\"product\":\"tea\",\"price\":1}\n";
    let parameters = r#"{"currency": "USD", "price_min": 2, "placeholders": ["?"]}"#;
    let (rows, counts) = done(folder, &["transform", "run", "price/price.wasm", "--parameters", parameters], lines);
    assert_eq!(rows, "{\"product\":null,\"price\":3.0,\"currency\":\"USD\"}\n");
    assert_eq!(counts, "2 records: 1 row, 1 dropped, 0 rejected\n");
    let refused = failed(folder, &["transform", "run", "price"]);
    assert!(refused.contains(r#"refused its parameters: parameter "currency" is missing"#), "{refused}");
    let (shown, _) = done(folder, &["transform", "inspect", "price"], "");
    for part in ["placeholders", "list of string", r#"["N/A"]"#, "required", "\"EUR\", \"USD\"", "from 0.0"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

fn a_pipeline_is_checked(folder: &Path) {
    let file = folder.join("price/pipeline.toml");
    let text = fs::read_to_string(&file).expect("the pipeline");
    let line = text.lines().count() + 2;
    let wrong = "\n[tables.price.parameters]\nprice_min = -1\nplaceholders = [\"?\", 7]\ncurrancy = \"EUR\"\n";
    fs::write(&file, format!("{text}{wrong}")).expect("the pipeline");
    let faults = failed(folder, &["check", "price/pipeline.toml"]);
    let at = |line: usize, column: u32, what: &str| format!("price/pipeline.toml:{line}:{column}: tables.price.{what}");
    let shown = [
        r#"cache[2]: the transform writes no column "at""#.to_owned(),
        at(line, 15, r#"parameters: "currency" is missing; write currency = "EUR""#),
        at(line + 1, 1, "parameters.price_min: -1 is less than 0"),
        at(line + 2, 22, "parameters.placeholders[1]: it is a whole number, not a text"),
        at(line + 3, 1, r#"parameters.currancy: unknown key; did you mean "currency"?"#),
        "5 faults".to_owned(),
    ];
    for fault in shown {
        assert!(faults.contains(&fault), "{fault}: {faults}");
    }
    let right = "\n[tables.price.parameters]\ncurrency = \"EUR\"\n";
    let text = text.replace(", \"at\"", "");
    fs::write(&file, format!("{text}{right}")).expect("the pipeline");
    let (plan, _) = done(folder, &["check", "price/pipeline.toml"], "");
    assert!(plan.contains(r#"{"currency":"EUR"}"#), "{plan}");
}
