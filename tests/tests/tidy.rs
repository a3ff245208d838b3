//! The house is tidy: floors, homes of third-party crates, first lines, sizes, as ARCHITECTURE.md states them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// No source file has more lines.
const FILE_LINES_MAX: usize = 500;
/// Folders with sources, counted from the root.
const SOURCES: [&str; 3] = ["runtime", "tests", "transforms"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn sources(under: &Path, into: &mut Vec<PathBuf>) {
    files(under, &["rs"], into);
}

/// The files under a folder whose names end so, without what was built or installed there.
fn files(under: &Path, ends: &[&str], into: &mut Vec<PathBuf>) {
    if under.extension().is_some_and(|extension| ends.iter().any(|end| extension == *end)) {
        into.push(under.to_owned());
    }
    for entry in fs::read_dir(under).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name != "target" && name != "node_modules" && !name.to_string_lossy().starts_with('.') {
            files(&entry.path(), ends, into);
        }
    }
}

/// The rows of the table that follows a heading of ARCHITECTURE.md, as cells.
fn table(heading: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let section = text.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("section {heading:?}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn words(cell: &str) -> Vec<String> {
    cell.split([' ', ',']).map(|word| word.trim_matches('`').to_owned()).filter(|word| !word.is_empty()).collect()
}

/// The floor of each module, and its rank among those of its floor that may use one another.
fn floors() -> BTreeMap<String, (u32, u32)> {
    let mut floors = BTreeMap::new();
    for row in table("Floors") {
        let floor = row[0].chars().next().and_then(|digit| digit.to_digit(10)).expect("a floor's number");
        for module in words(&row[1]) {
            floors.insert(module, (floor, 0));
        }
    }
    for (module, rank) in [("pipeline", 1), ("runtime", 1), ("cli", 1), ("fuzz", 1), ("main", 2)] {
        floors.get_mut(module).unwrap_or_else(|| panic!("module {module:?}")).1 = rank;
    }
    floors
}

/// The modules of this crate that a source names, in `crate::x` paths and in `use crate::{x, y}`.
fn named(text: &str, krate: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, _) in text.match_indices(&format!("{krate}::")) {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &text[at + krate.len() + 2..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for character in list.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => named.extend(first(&std::mem::take(&mut item))),
                    _ if depth == 0 => item.push(character),
                    _ => {}
                }
            }
            named.extend(first(&item));
        } else {
            named.extend(first(rest));
        }
    }
    named
}

fn first(path: &str) -> Option<String> {
    let name: String = path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// A source without its comments, so that a word in prose is not taken for a path.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source");
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn module(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("runtime/src")).expect("a source of the runtime");
    let first = inside.components().next().expect("a file").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn runtime_sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    sources(&root().join("runtime/src"), &mut files);
    assert!(files.len() > 20, "the sources were found");
    files
}

#[test]
fn imports_go_down() {
    let floors = floors();
    let mut wrong = Vec::new();
    for file in runtime_sources() {
        let from = module(&file);
        if from == "lib" {
            continue;
        }
        let own = floors.get(&from).unwrap_or_else(|| panic!("ARCHITECTURE.md names no floor for {from:?}"));
        let text = code(&file);
        for to in named(&text, "crate").union(&named(&text, "tidemill")) {
            let Some(other) = floors.get(to) else { continue };
            let down = other.0 < own.0 || (own.0 == 0 && other.0 == 0) || (other.0 == own.0 && other.1 < own.1);
            if *to != from && !down {
                wrong.push(format!("{}: {from} (floor {}) uses {to} (floor {})", file.display(), own.0, other.0));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn third_party_crates_stay_at_home() {
    let manifest = fs::read_to_string(root().join("runtime/Cargo.toml")).expect("the manifest");
    let dependencies = manifest.split("\n[dependencies]\n").nth(1).and_then(|rest| rest.split("\n[").next());
    let crates: Vec<String> = dependencies
        .expect("dependencies")
        .lines()
        .filter_map(|line| line.split([' ', '.', '=']).next().filter(|name| !name.is_empty() && !name.starts_with('#')))
        .map(str::to_owned)
        .collect();
    let mut homes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in table("Homes of third-party crates") {
        for name in words(&row[1]) {
            homes.entry(name).or_default().push(row[0].trim_matches('`').to_owned());
        }
    }
    let mut wrong: Vec<String> =
        crates.iter().filter(|name| !homes.contains_key(*name)).map(|name| format!("{name}: has no home")).collect();
    wrong
        .extend(homes.keys().filter(|name| !crates.contains(name)).map(|name| format!("{name}: is not used any more")));
    for file in runtime_sources() {
        let (from, text) = (module(&file), code(&file));
        for (name, homes) in &homes {
            let at_home = homes.iter().any(|home| *home == from || home == "anywhere");
            let path = format!("{}::", name.replace('-', "_"));
            let used = text
                .match_indices(&path)
                .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
            if used && !at_home {
                wrong.push(format!("{}: uses {name}, whose home is {}", file.display(), homes.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_file_says_what_it_is() {
    let mut files = Vec::new();
    SOURCES.iter().for_each(|folder| self::files(&root().join(folder), &["rs", "js", "mjs", "py"], &mut files));
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        let marks: &[&str] = match file.extension().and_then(|end| end.to_str()) {
            Some("rs") => &["//! "],
            Some("py") => &["# ", "\"\"\""],
            _ => &["// "],
        };
        if !marks.iter().any(|mark| text.starts_with(mark)) {
            wrong.push(format!("{}: its first line does not say what it is", file.display()));
        }
        if text.lines().count() > FILE_LINES_MAX {
            wrong.push(format!("{}: has more than {FILE_LINES_MAX} lines", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_stands_in_one_place() {
    let unsafe_files: Vec<PathBuf> =
        runtime_sources().into_iter().filter(|file| code(file).contains("unsafe {")).collect();
    assert_eq!(unsafe_files, [root().join("runtime/src/text.rs")]);
}

/// The faults that can be, by the letter of their kind, and how many of each there are.
const FAULTS: [(&str, u32); 10] =
    [("L", 15), ("H", 7), ("P", 12), ("S", 11), ("Q", 6), ("W", 11), ("T", 3), ("D", 6), ("X", 13), ("O", 4)];

#[test]
fn every_fault_has_a_test_that_is_there() {
    let text = fs::read_to_string(root().join("tests/README.md")).expect("tests/README.md");
    let mut rows: Vec<(String, String)> = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let [fault, _, tests] = cells[..] {
            rows.push((fault.to_owned(), tests.to_owned()));
        }
    }
    let named: Vec<&str> = rows.iter().map(|(fault, _)| fault.as_str()).filter(|fault| !fault.is_empty()).collect();
    let all = FAULTS.iter().flat_map(|(kind, count)| (1..=*count).map(move |nth| format!("{kind}{nth}")));
    assert_eq!(named, all.collect::<Vec<_>>(), "the rows of tests/README.md");
    let mut wrong = Vec::new();
    for (fault, tests) in rows.iter().filter(|(fault, tests)| !fault.is_empty() && tests != "open") {
        if words(tests).is_empty() {
            wrong.push(format!("{fault}: names no test"));
        }
        for test in words(tests) {
            let (file, function) = test.split_once("::").unwrap_or((&test, ""));
            let found = ["tests/tests", "runtime/src"].iter().find_map(|folder| {
                fs::read_to_string(root().join(folder).join(file))
                    .ok()
                    .filter(|text| text.contains(&format!("fn {function}(")))
            });
            if found.is_none() {
                wrong.push(format!("{fault}: there is no test {test}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fault_on_purpose_has_its_test() {
    let source = fs::read_to_string(root().join("runtime/src/sabotage.rs")).expect("the faults");
    let listed = source.split("pub enum Fault {").nth(1).and_then(|rest| rest.split("\n}").next()).expect("the faults");
    let variants = listed.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.is_empty());
    let faults: BTreeSet<&str> = variants.map(|line| line.trim_end_matches(',')).collect();
    let table = fs::read_to_string(root().join("tests/sabotage.txt")).expect("the table");
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let tested: BTreeSet<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(faults, tested);
    let used: String = runtime_sources().iter().map(|file| code(file)).collect();
    let unused: Vec<_> = faults.iter().filter(|fault| !used.contains(&format!("Fault::{fault}"))).collect();
    assert!(unused.is_empty(), "never committed: {unused:?}");
}

/// So that no failure of one is overlooked, or tried again: what does not sync through `disk` does so through `sync`.
#[test]
fn syncs_stand_in_one_place() {
    let syncs = |file: &PathBuf| {
        let code = code(file);
        ["sync_all(", "sync_data("].iter().any(|call| code.contains(call)) && !code.contains("crate::disk")
    };
    let files: Vec<PathBuf> = runtime_sources().into_iter().filter(syncs).collect();
    let homes = ["disk/mod.rs", "disk/simulated/tests.rs", "sync.rs"];
    let homes: Vec<PathBuf> = homes.iter().map(|file| root().join("runtime/src").join(file)).collect();
    let strays: Vec<_> = files.iter().filter(|file| !homes.contains(file)).collect();
    assert!(strays.is_empty(), "{strays:?}");
}
