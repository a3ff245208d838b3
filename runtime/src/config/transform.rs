//! The transforms of one `[tables.NAME]`: one by itself, or several in a chain.

use std::path::Path;
use std::time::Duration;

use crate::component::limits::Limits;

use super::fault::wrong;
use super::paths;
use super::plan::Transform;
use super::section::{Item, Section};

/// WebAssembly's own bound on memory.
const MEMORY_BYTES_MAX: u64 = 4 << 30;
/// What a table needs where it names no transform.
const EXAMPLE: &str = "transform = \"FOLDER\" of a crate, or a .wasm file";

/// Reads a table's transforms, whose paths are seen from `folder`. One is written as `transform`, with `[parameters]` and
/// `[limits]` beside it. Of several, `transforms`, each is a path, or a table of `transform`, `parameters` and `limits`;
/// the table's own limits hold for each where it sets none.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Vec<Transform> {
    let limits = limits(&section.section("limits"), &Limits::default());
    let parameters = section.section("parameters");
    let one = section.text("transform");
    if !section.has("transforms") {
        section.need("transform", EXAMPLE);
        let (component, source) =
            one.and_then(|written| section.judge("transform", paths::transform(folder, &written))).unwrap_or_default();
        let parameters = parameters.json().to_string();
        return vec![Transform { component, source, parameters, limits, place: "transform".to_owned() }];
    }
    if section.has("transform") {
        section.wrong("transform", &wrong("there is \"transforms\" too").hint("keep one of them"));
    }
    if section.has("parameters") {
        let astray = wrong("it does not say of which of the transforms");
        section.wrong("parameters", &astray.hint("write { transform = \"..\", parameters = { .. } } in transforms"));
    }
    let items = section.texts_or_items("transforms");
    if items.is_empty() {
        section.wrong("transforms", &wrong("there is none").hint(format!("write {EXAMPLE}")));
    }
    items.iter().enumerate().map(|(index, item)| link(section, index, item, folder, &limits)).collect()
}

/// One transform of several.
fn link(of: &Section<'_>, index: usize, item: &Item<'_>, folder: &Path, limits_of_all: &Limits) -> Transform {
    let place = format!("transforms[{index}]");
    match item {
        Item::Text { path, text } => {
            let found = paths::transform(folder, text).map_err(|fault| of.wrong_at(path, &fault));
            let (component, source) = found.unwrap_or_default();
            Transform { component, source, parameters: "{}".to_owned(), limits: limits_of_all.clone(), place }
        }
        Item::Section(section) => {
            section.need("transform", EXAMPLE);
            let written = section.text("transform");
            let found = written.and_then(|written| section.judge("transform", paths::transform(folder, &written)));
            let (component, source) = found.unwrap_or_default();
            let parameters = section.section("parameters").json().to_string();
            let limits = limits(&section.section("limits"), limits_of_all);
            section.finish();
            Transform { component, source, parameters, limits, place }
        }
    }
}

/// Reads limits; those that are left out are as in `default`.
fn limits(section: &Section<'_>, default: &Limits) -> Limits {
    let count = |key, max| section.number(key, 1..=max).and_then(|n| usize::try_from(n).ok());
    let bytes = |key, max| section.memory(key, 1..=max);
    let limits = Limits {
        memory_bytes_max: bytes("memory", MEMORY_BYTES_MAX).unwrap_or(default.memory_bytes_max),
        deadline: section.duration("deadline", Duration::from_millis(1)).unwrap_or(default.deadline),
        budget: section.duration("budget", Duration::from_millis(1)).unwrap_or(default.budget),
        output_bytes_max: bytes("output", MEMORY_BYTES_MAX).unwrap_or(default.output_bytes_max),
        rows_out_per_row_max: count("rows_out_per_row", 1_000_000).unwrap_or(default.rows_out_per_row_max),
        table_elements_max: count("table_elements", 10_000_000).unwrap_or(default.table_elements_max),
        instances_max: count("instances", 1_000).unwrap_or(default.instances_max),
        component_bytes_max: bytes("component", 1 << 30).unwrap_or(default.component_bytes_max),
        log_bytes_max: bytes("log", 1 << 30).unwrap_or(default.log_bytes_max),
        compile: section.duration("compile", Duration::from_millis(1)).unwrap_or(default.compile),
        functions_max: count("functions", 1_000_000).unwrap_or(default.functions_max),
        function_bytes_max: bytes("function", 1 << 30).unwrap_or(default.function_bytes_max),
        declarations_bytes_max: bytes("declarations", 1 << 30).unwrap_or(default.declarations_bytes_max),
    };
    section.finish();
    limits
}
