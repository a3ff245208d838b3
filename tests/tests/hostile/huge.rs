//! Hostile files that are too large to be written down.

use tidemill_tests::guest::{self, Places};

use crate::corpus::Entry;

/// What the largest file may have.
const COMPONENT_BYTES_MAX: usize = 8 << 20;

/// All of them.
pub(crate) fn made() -> Vec<Entry> {
    let honest = guest::component(&Places::default()).expect("the honest guest");
    let mut entries = files(&honest);
    entries.extend(shapes());
    entries
}

/// The honest guest, and what is no component at all.
fn files(honest: &[u8]) -> Vec<Entry> {
    let padded = |size: usize| [honest, &custom(size - honest.len())].concat();
    let precompiled = wasmtime::Engine::default().precompile_component(honest).expect("it compiles");
    let mut cut = honest.to_vec();
    cut.truncate(honest.len() / 2);
    vec![
        Entry::new("huge/honest", "fine", honest.to_vec()),
        Entry::new("huge/custom-section-to-the-limit", "fine", padded(COMPONENT_BYTES_MAX)),
        Entry::new(
            "huge/a-byte-above-the-limit",
            "load: component: it has 8388609 bytes (limit component = 8 MiB)",
            padded(COMPONENT_BYTES_MAX + 1),
        ),
        Entry::new("huge/truncated", "load: component: it is not valid", cut),
        Entry::new("huge/garbage-after-the-end", "load: component: it is not valid", [honest, &[0xff; 1000]].concat()),
        Entry::new("huge/twice-in-a-row", "load: component: it is not valid", [honest, honest].concat()),
        Entry::new("huge/empty", "load: component: the file is empty", Vec::new()),
        Entry::new("huge/zeroes", "load: component: it is not WebAssembly", vec![0; 1 << 20]),
        Entry::new("huge/text", "load: component: it is not WebAssembly", b"(component)".to_vec()),
        Entry::new("huge/compiled-code", "load: component: it is compiled to machine code", precompiled),
        Entry::new(
            "huge/a-program",
            "load: component: it is compiled to machine code",
            b"\x7fELF\x02\x01\x01".to_vec(),
        ),
    ]
}

/// Modules that ask much of a compiler.
fn shapes() -> Vec<Entry> {
    let function = "load: component: a function weighs as much as";
    let body = |locals: &str, body: String| format!("(func (param i32) {locals} {body})");
    let wide = |name: &str| format!("(type ${name} (func {}))", "(param i64)".repeat(1_000));
    let calls = format!(
        "{} (func $wide (type $w) unreachable) {}",
        wide("w"),
        body("", format!("{}{}", "i64.const 0 ".repeat(1_000), "unreachable call $wide ".repeat(5_000)))
    );
    let loops = "(loop (br_if 0 (local.get 0)))".repeat(20_000);
    let locals = "i64 ".repeat(1_000);
    let targets = format!("block local.get 0 br_table {} end", "0 ".repeat(60_000));
    let nested = format!("{}{}", "block ".repeat(100_000), "end ".repeat(100_000));
    // No two alike: sixteen parameters of one type or another.
    let parameters = |at: u32| (0..16).map(move |bit| ["i32 ", "i64 "][at as usize >> bit & 1]).collect::<String>();
    let types: String = (0..10_000).map(|at| format!("(type (func (param {})))", parameters(at))).collect();
    let exports: String = (0..100_000).map(|at| format!("(export \"{at:010}\" (func 0))")).collect();
    let inside = [
        (
            "huge/a-hundred-thousand-functions",
            "load: component: it has 100008 functions (limit functions = 50000)",
            "(func)".repeat(100_000),
        ),
        ("huge/a-function-of-two-megabytes", function, body("", "i32.const 1000 drop ".repeat(500_000))),
        ("huge/loops-times-locals", function, body(&format!("(local {locals})"), loops)),
        ("huge/empty-loops", function, body("", "loop end ".repeat(16_000))),
        (
            "huge/table-grows",
            function,
            format!("(table 1 funcref) {}", body("", "ref.null func local.get 0 table.grow drop ".repeat(5_000))),
        ),
        ("huge/ifs", function, body("", "(if (local.get 0) (then (local.set 0 (i32.const 1))))".repeat(20_000))),
        (
            "huge/fills",
            function,
            format!("(memory 1) {}", body("", "local.get 0 local.get 0 local.get 0 memory.fill ".repeat(10_000))),
        ),
        ("huge/targets-of-br-tables", function, body(&format!("(local {})", "i64 ".repeat(100)), targets)),
        ("huge/calls-with-a-thousand-arguments", function, calls),
        (
            "huge/blocks-nested-a-hundred-thousand-deep",
            "load: component: the blocks of a function are nested too deeply: more than 1000",
            body("", nested),
        ),
        (
            "huge/fifty-thousand-locals",
            "load: component: it is not valid",
            body(&format!("(local {})", "i64 ".repeat(50_001)), String::new()),
        ),
        ("huge/types", "fine", types),
        ("huge/exports-of-megabytes", "load: component: its declarations have", format!("(func){exports}")),
        ("huge/segments", "load: component: it is not valid", format!("(memory 1){}", "(data \"\")".repeat(100_001))),
        (
            "huge/a-name-without-end",
            "load: component: it is not valid",
            format!("(func (export \"{}\"))", "n".repeat(200_000)),
        ),
    ];
    let mut entries: Vec<Entry> =
        inside.into_iter().map(|(name, expected, module)| Entry::new(name, expected, with_module(&module))).collect();
    let imports: String = (0..5_000).map(|at| format!("(import \"a{at}\" (func))")).collect();
    entries.push(Entry::new("huge/imports", "load: component: it", parsed(&format!("(component {imports})"))));
    entries
}

/// The honest guest with one more module in it.
fn with_module(module: &str) -> Vec<u8> {
    let places = Places::from([("component".to_owned(), format!("(core module {module})"))]);
    guest::component(&places).expect("a component")
}

fn parsed(text: &str) -> Vec<u8> {
    guest::parsed(text).expect("a component")
}

/// A custom section of `size` bytes in all.
fn custom(size: usize) -> Vec<u8> {
    // The section's length in five bytes, whatever it is; then a name of no letters.
    let length = u32::try_from(size - 6).expect("a size");
    let digits = (0..5).map(|at| (length >> (7 * at)) as u8 & 0x7f | if at < 4 { 0x80 } else { 0 });
    let mut section: Vec<u8> = std::iter::once(0).chain(digits).collect();
    section.resize(size, 0);
    section
}
