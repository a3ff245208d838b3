//! Transforms in JavaScript and Python: built, tested by themselves, held against the one in Rust, begun by `new`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tidemill::emulate::population::Population;
use tidemill_tests::cli::{done, failed, said};
use tidemill_tests::place::{self, Folder};

/// Rows of the population, beside those of the cases.
const ROWS: u64 = 2_000;

/// A language with what its packages are tested with.
struct Language {
    name: &'static str,
    /// What is looked for in the folder of packages.
    tool: &'static str,
    sdk: &'static str,
    example: &'static str,
    /// The file with the transform.
    source: &'static str,
    /// The program that runs a package's tests, and its arguments.
    test: (&'static str, &'static [&'static str]),
}

const JAVASCRIPT: Language = Language {
    name: "js",
    tool: "node_modules/@bytecodealliance/componentize-js",
    sdk: "transforms/sdk-js",
    example: "geo-js",
    source: "src/index.js",
    test: ("node", &["--test"]),
};

const PYTHON: Language = Language {
    name: "python",
    tool: "venv/bin/componentize-py",
    sdk: "transforms/sdk-python",
    example: "geo-python",
    source: "clean.py",
    test: ("venv/bin/python", &["-B", "-m", "unittest"]),
};

#[test]
fn javascript() {
    check(&JAVASCRIPT);
}

#[test]
fn python() {
    check(&PYTHON);
}

fn check(language: &Language) {
    let Some(installed) = installed(language) else { return };
    let workshop = Folder::new(language.name);
    // As if the packages that are begun here had been installed.
    symlink(installed.join("node_modules"), workshop.path().join("node_modules")).expect("a link");
    symlink(installed.join("venv"), workshop.path().join("venv")).expect("a link");
    its_tests_pass(language, &installed, &place::root().join(language.sdk));
    what_is_begun_works(language, &installed, workshop.path());
    the_example_is_as_the_crate(language, &installed, &workshop);
}

/// The folder in which `make languages` puts what makes components; none where it could not.
fn installed(language: &Language) -> Option<PathBuf> {
    let command = place::command();
    let folder = command.ancestors().nth(2).expect("the build's folder").join("languages");
    let found = folder.join(language.tool).exists();
    if !found {
        println!("left out: {} has no {}: `make languages` puts it there", folder.display(), language.tool);
    }
    found.then_some(folder)
}

fn its_tests_pass(language: &Language, installed: &Path, package: &Path) {
    let (program, arguments) = language.test;
    let beside = installed.join(program);
    let program = if beside.exists() { beside } else { program.into() };
    let output = Command::new(program).args(arguments).current_dir(package).output().expect("the tests start");
    let (out, err) = said(&output);
    assert!(output.status.success(), "{}: {out}{err}", package.display());
}

fn what_is_begun_works(language: &Language, installed: &Path, workshop: &Path) {
    let sdk = place::root().join(language.sdk);
    let new = ["transform", "new", "price", "--lang", language.name, "--sdk", sdk.to_str().expect("a path")];
    let (made, _) = done(workshop, &new, "");
    assert!(made.contains("tidemill transform build price"), "{made}");
    its_tests_pass(language, installed, &workshop.join("price"));
    done(workshop, &["transform", "build", "price"], "");
    // First the command that gives a slow machine time to compile; what it compiled is kept for the next.
    let sample = fs::read_to_string(workshop.join("price/sample.jsonl")).expect("the sample");
    let (rows, rejected) = done(workshop, &["transform", "run", "price"], &sample);
    let expected = [
        r#"{"product":"tea","price":2.5,"at":"2026-05-27T11:30:59Z"}"#,
        r#"{"product":"rice","price":null,"at":null}"#,
    ];
    assert_eq!(rows.lines().collect::<Vec<_>>(), expected);
    let expected = [
        "line 3: rejected: the record names no product",
        "line 4: rejected: the price is negative",
        "4 records: 2 rows, 0 dropped, 2 rejected",
    ];
    assert_eq!(rejected.lines().collect::<Vec<_>>(), expected);
    let (plan, _) = done(workshop, &["check", "price/pipeline.toml"], "");
    assert!(plan.contains("price 0.1.0") && plan.contains("from ."), "{plan}");
}

fn the_example_is_as_the_crate(language: &Language, installed: &Path, workshop: &Folder) {
    let example = workshop.path().join(language.example);
    copy(&place::root().join("transforms/examples").join(language.example), &example);
    its_tests_pass(language, installed, &example);
    let build = ["transform", "build", language.example];
    let (first, _) = done(workshop.path(), &build, "");
    assert!(first.contains("built "), "{first}");
    let (second, _) = done(workshop.path(), &build, "");
    assert!(second.starts_with("nothing has changed: "), "{second}");
    it_gives_the_same_rows(language, workshop.path());
    it_passes_the_cases(language, workshop);
    // A change is seen, and what is wrong with it is said in the language's own words.
    let source = fs::read_to_string(example.join(language.source)).expect("the source");
    fs::write(example.join(language.source), source + "\nthis is no code\n").expect("the source");
    let fault = failed(workshop.path(), &build);
    assert!(fault.contains("this is no code") || fault.contains("SyntaxError"), "{fault}");
}

/// The cases of the project's own table geo, with the limits of what was begun.
fn it_passes_the_cases(language: &Language, workshop: &Folder) {
    let begun = fs::read_to_string(workshop.path().join("price/pipeline.toml")).expect("the pipeline");
    let (_, limits) = begun.split_once("[tables.price.limits]").expect("limits");
    let all = fs::read_to_string(place::root().join("pipelines/pinterest.toml")).expect("the pipeline");
    let (_, geo) = all.split_once("[tables.geo]").expect("the table");
    let (geo, _) = geo.split_once("[tables.user]").expect("the next table");
    let geo = geo.replace("../transforms/geo", language.example);
    let cases = place::root().join("pipelines/cases/geo");
    let head = "[pipeline]\nname = \"geo\"\n[lake]\nbucket = \"lake\"\nendpoint = \"embedded\"\n[topics.geo]\npartitions = 1\n";
    let text = format!("{head}[tables.geo.limits]{limits}[tables.geo]\ncases = {cases:?}{geo}");
    workshop.write("geo.toml", text);
    let (played, _) = done(workshop.path(), &["test", "geo.toml"], "");
    assert!(played.contains("4 cases, 47 records: 4 passed"), "{played}");
}

/// Rows and rejections are those of the Rust component, to the letter.
fn it_gives_the_same_rows(language: &Language, workshop: &Path) {
    let population = Population::new(ROWS, 7);
    let mut lines = Vec::new();
    for index in 0..ROWS {
        population.geo(index, &mut lines);
        lines.push(b'\n');
    }
    for case in ["coordinates", "rejected", "timestamps", "whole"] {
        let input = place::root().join("pipelines/cases/geo").join(case).join("input.jsonl");
        lines.extend(fs::read(input).expect("a case"));
    }
    let lines = String::from_utf8(lines).expect("UTF-8");
    let rust = place::component("geo");
    let expected = done(workshop, &["transform", "run", rust.to_str().expect("a path")], &lines);
    let got = done(workshop, &["transform", "run", language.example], &lines);
    assert!(expected.0.lines().count() as u64 > ROWS);
    assert_eq!(got, expected);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the folder") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name");
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else if path.extension().is_none_or(|end| end != "wasm") {
            fs::copy(&path, to.join(name)).expect("a copy");
        }
    }
}
