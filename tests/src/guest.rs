//! Guests from WebAssembly text: the honest one of `hostile/guest.wat`, with whatever is put into its places.

use std::collections::BTreeMap;

use crate::place::root;

/// What stands in the places of `hostile/guest.wat` where an entry leaves them alone.
const HONEST: [(&str, &str); 8] = [
    ("memory", "16"),
    ("realloc", "(call $bump (local.get $align) (local.get $size))"),
    ("describe", "(global.get $description)"),
    ("configure", "(global.get $fine)"),
    ("apply", "(call $same (local.get $rows) (local.get $columns) (local.get $count))"),
    ("after", "(global.set $heap (i32.const 4096))"),
    ("more", ""),
    ("component", ""),
];

/// What fills the places, by their names.
pub type Places = BTreeMap<String, String>;

/// The component of a guest; `@answer`, `@component` and `@whole` are those of `hostile/README.md`.
///
/// # Errors
///
/// The text is wrong, or cannot be made a component at all.
pub fn component(places: &Places) -> Result<Vec<u8>, String> {
    if let Some(whole) = places.get("whole") {
        return parsed(whole);
    }
    let mut text =
        std::fs::read_to_string(root().join("tests/hostile/guest.wat")).map_err(|cause| cause.to_string())?;
    if let Some(answer) = places.get("answer") {
        text = text.replace("{apply}", &format!("{answer}\n(global.get $answer)"));
    }
    let bytes = wrapped(parsed(&filled(&text, places))?)?;
    match places.get("component") {
        None => Ok(bytes),
        Some(more) => beside(&bytes, more),
    }
}

/// Text with its places filled.
pub fn filled(text: &str, places: &Places) -> String {
    let fill = |text: String, (place, honest): (&str, &str)| {
        text.replace(&format!("{{{place}}}"), places.get(place).map_or(honest, String::as_str))
    };
    HONEST.into_iter().fold(text.to_owned(), fill)
}

/// A core module as a component of the world `transform`.
///
/// # Errors
///
/// It does not have the functions that the world asks for.
pub fn wrapped(mut module: Vec<u8>) -> Result<Vec<u8>, String> {
    let mut contract = wit_parser::Resolve::default();
    let file = root().join("transforms/wit/transform.wit");
    let text = std::fs::read_to_string(file).map_err(|cause| cause.to_string())?;
    let shown = |cause: &dyn std::fmt::Display| format!("{cause:#}");
    let package = contract.push_str("transform.wit", &text).map_err(|cause| shown(&cause))?;
    let world = contract.select_world(&[package], Some("transform")).map_err(|cause| shown(&cause))?;
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &contract, world, encoding, false)
        .map_err(|cause| shown(&cause))?;
    let mut encoder = wit_component::ComponentEncoder::default();
    let encoder = encoder.validate(true).module(&module).map_err(|cause| shown(&cause))?;
    encoder.encode().map_err(|cause| shown(&cause))
}

/// The bytes of WebAssembly text.
///
/// # Errors
///
/// The text is wrong.
pub fn parsed(text: &str) -> Result<Vec<u8>, String> {
    wat::parse_str(text).map_err(|cause| cause.to_string())
}

/// A component with more at its end.
fn beside(component: &[u8], more: &str) -> Result<Vec<u8>, String> {
    let text = wasmprinter::print_bytes(component).map_err(|cause| cause.to_string())?;
    let open = text.trim_end().strip_suffix(')').ok_or("a component ends with a parenthesis")?;
    parsed(&format!("{open}\n{more})"))
}
