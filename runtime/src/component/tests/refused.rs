//! Files that are not taken in.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::StringArray;

use super::guest::{Guest, WIT, batch, field, host, limits};
use crate::component::limits::Limits;
use crate::component::{Failure, instance};
use crate::error::Error;
use crate::schema::{Field, Type};

fn check_fault(fault: &Error, message: &str) {
    assert!(fault.message().contains(message), "{fault:?}, not {message:?}");
}

fn check_bytes(bytes: &[u8], message: &str) {
    let fault = host().load(bytes, &limits()).unwrap_err();
    check_fault(&fault, message);
    assert!(fault.next_step().is_some(), "{fault:?}");
}

fn check(guest: &Guest, message: &str) {
    check_fault(&guest.load(&limits()).unwrap_err(), message);
}

#[test]
fn what_is_no_component() {
    check_bytes(b"", "component: the file is empty");
    check_bytes(b"(module)", "component: it is not WebAssembly");
    check_bytes(b"\x7fELF\x02\x01\x01", "component: it is compiled to machine code, which is never taken in");
    check_bytes(&wat::parse_str("(module)").unwrap(), "component: it is a core module, not a component");
    let good = Guest::honest().bytes();
    for cut in (9..good.len()).step_by(97) {
        check_bytes(&good[..cut], "component: it ");
    }
    let precompiled = wasmtime::Engine::default().precompile_component(&good).unwrap();
    check_bytes(&precompiled, "component: it is compiled to machine code");
    let small = Limits { component_bytes_max: 100, ..limits() };
    check_fault(&host().load(&good, &small).unwrap_err(), "(limit component = 100 bytes)");
}

#[test]
fn noise_never_loads_into_a_panic() {
    let good = Guest::honest().bytes();
    for at in (0..good.len()).step_by(11) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x55;
        let _ = host().load(&bytes, &limits());
    }
}

#[test]
fn what_takes_too_long_to_compile() {
    let function = "(func (param i32) (result i32) (i32.add (local.get 0) (i32.popcnt (local.get 0))))";
    let guest = Guest { more: function.repeat(40_000), ..Guest::honest() };
    let impatient = Limits { compile: Duration::from_millis(5), ..limits() };
    let fault = guest.load(&impatient).unwrap_err();
    assert_eq!(fault.message(), "component: it takes too long to compile (limit compile = 5 ms)");
    assert!(fault.next_step().unwrap().contains("raise compile in [tables.<table>.limits]"));
    // Nothing goes on in the background that would be in the way of another.
    Guest::honest().load(&limits()).unwrap();
}

#[test]
fn another_contract() {
    let world = |from: &str, to: &str| {
        assert!(WIT.contains(from));
        WIT.replace(from, to)
    };
    let import = "import log: func(level: log-level, text: string);";
    let clock = "(import \"$root\" \"clock\" (func $clock (result i64)))";
    check(
        &Guest {
            wit: world(import, &format!("{import} import clock: func() -> u64;")),
            imports: clock.into(),
            ..Guest::honest()
        },
        "component: it imports \"clock\", which is not offered",
    );
    let export = "export configure: func(parameters: string) -> result<_, string>;";
    check(&Guest { wit: world(export, ""), ..Guest::honest() }, "component: it does not export \"configure\"");
    check(
        &Guest {
            wit: world(export, &format!("{export} export extra: func();")),
            more: "(func (export \"extra\"))".into(),
            ..Guest::honest()
        },
        "component: it exports \"extra\", which nobody calls",
    );
    check(
        &Guest {
            wit: world(export, "export configure: func(parameters: list<u8>) -> result<_, string>;"),
            ..Guest::honest()
        },
        "component: it was built for another contract",
    );
    check(
        &Guest { wit: world("int64s(list<s64>)", "int64s(list<u64>)"), ..Guest::honest() },
        "component: it was built for another contract",
    );
}

#[test]
fn features_that_are_switched_off() {
    let more = "(memory $second 1)".into();
    let module = Guest { more, ..Guest::honest() };
    check(&module, "component: it is not valid");
    let more = "(func (param v128 v128 v128) (result v128)
        (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2)))";
    check(&Guest { more: more.into(), ..Guest::honest() }, "component: it is not valid");
}

#[test]
fn instances_that_do_not_start() {
    let start = |body: &str| Guest { more: format!("(func $start {body}) (start $start)"), ..Guest::honest() };
    check(&start("unreachable"), "unreachable");
    let soon = Limits { deadline: Duration::from_millis(30), ..limits() };
    check_fault(&start("(loop $l (br $l))").load(&soon).unwrap_err(), "out of time (limit deadline = 30 ms)");
    let small = Limits { memory_bytes_max: 64 << 10, ..limits() };
    check_fault(&Guest::honest().load(&small).unwrap_err(), "out of memory");
    let few = Limits { instances_max: 1, ..limits() };
    check_fault(&Guest::honest().load(&few).unwrap_err(), "(limit instances = 1)");
}

#[test]
fn descriptions_that_make_no_sense() {
    let text = |name: &str| field(name, Type::Text, true);
    let alias = |name: &str, alias: &str| Field { aliases: vec![alias.into()], ..text(name) };
    let inputs = |inputs: Vec<Field>, message: &str| check(&Guest { inputs, ..Guest::honest() }, message);
    inputs(vec![], "description: inputs: there are none");
    inputs(vec![text("")], "inputs: it is empty");
    inputs(vec![text("a"), text("a")], "inputs: field \"a\" is there twice");
    inputs(vec![text("a"), alias("b", "a")], "inputs: field \"a\" is there twice");
    inputs(vec![text("@nonsense")], "inputs: field \"@nonsense\" stands for nothing");
    inputs(vec![text("@value")], "inputs: field \"@value\" is bytes, not text");
    inputs(vec![alias("a", "@key")], "inputs: field \"a\" has an alias that begins with @");
    inputs(vec![text("a\u{7}")], "inputs: \"a\\u{7}\" has a control character");
    let outputs = |outputs: Vec<Field>, message: &str| check(&Guest { outputs, ..Guest::honest() }, message);
    outputs(vec![], "description: outputs: there are none");
    outputs(vec![text("a"), text("A")], "outputs: field \"A\" is there twice");
    outputs(vec![text("_time")], "outputs: field \"_time\" is not a name for a column");
    outputs(vec![text("1st")], "outputs: field \"1st\" is not a name for a column");
    outputs(vec![text("a b")], "outputs: field \"a b\" is not a name for a column");
    outputs(vec![alias("a", "b")], "outputs: field \"a\" has aliases, which only inputs have");
    check(&Guest { parameters: "[]".into(), ..Guest::honest() }, "parameters: their schema is not a JSON object");
    check(&Guest { parameters: "{".into(), ..Guest::honest() }, "parameters: their schema is not JSON");
    for schema in [r#"{"a": ["\u001b[2J"]}"#, r#"{"\u009b": {}}"#] {
        let odd = Guest { parameters: schema.into(), ..Guest::honest() };
        check(&odd, "parameters: their schema has a control character");
    }
}

#[test]
fn a_panic_of_the_runtime_stops_one_component_only() {
    let failure = instance::guarded("guest", || panic!("assertion failed: fits")).unwrap_err();
    let message = "transform \"guest\": quarantined, because the WebAssembly runtime panicked: assertion failed: fits";
    assert!(matches!(&failure, Failure::Quarantined(fault) if fault.message() == message), "{failure:?}");
    let component = Guest::honest().load(&limits()).unwrap();
    let mut instance = component.instantiate("{}").unwrap();
    component.inner.quarantine.get_or_init(|| failure);
    let input = batch(&[field("title", Type::Text, true)], vec![Arc::new(StringArray::from(vec!["a"]))]);
    assert_eq!(component.instantiate("{}").unwrap_err().message(), message);
    assert!(matches!(instance.apply(&input), Err(Failure::Quarantined(_))));
}
