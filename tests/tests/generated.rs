//! Generated guests: random code that is called as a transform, and writes where its results are read.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use arrow_array::{RecordBatch, StringArray};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tidemill::component::limits::Limits;
use tidemill::component::{Failure, Host};
use tidemill::schema;
use tidemill_tests::guest::{self, Places};
use tidemill_tests::place::root;
use wasm_smith::{Config, InstructionKind, InstructionKinds, Module};

/// So many are generated, from the seeds below this number.
const SEEDS: u64 = 2_000;
/// Of which at least so many have to load and be called.
const CALLED_MIN: u64 = SEEDS * 70 / 100;
/// Bytes of chance that a module is made of.
const CHANCE_BYTES: usize = 4 << 10;
/// Calls of each.
const CALLS: usize = 4;
const DEADLINE: Duration = Duration::from_millis(20);

/// What each generated module has to export, beside whatever else is in it.
const EXPORTS: &str = r#"(module
  (memory (export "memory") 16)
  (func (export "one") (param i32 i32) (result i32) unreachable)
  (func (export "two") (param i64 f64 i32) unreachable)
  (func (export "three") (result i32 i64) unreachable))"#;

#[test]
fn none_takes_the_host_down_and_most_are_called() {
    let host = Host::new(None).expect("a host");
    let (next, outcomes) = (AtomicU64::new(0), Mutex::new(BTreeMap::<&str, u64>::new()));
    let (panics, worst) = (Mutex::new(Vec::new()), Mutex::new(Duration::ZERO));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| tried(&host, seed))) {
                Ok((outcome, overrun)) => {
                    *outcomes.lock().expect("outcomes").entry(outcome).or_default() += 1;
                    let mut worst = worst.lock().expect("the worst");
                    *worst = overrun.max(*worst);
                }
                Err(_) => panics.lock().expect("panics").push(seed),
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| _ = scope.spawn(work));
    });
    let outcomes = outcomes.into_inner().expect("outcomes");
    let called: u64 = outcomes.iter().filter(|(name, _)| name.starts_with("called")).map(|(_, count)| count).sum();
    let overrun = worst.into_inner().expect("the worst").as_millis();
    println!("{called} of {SEEDS} were called, worst overrun of a deadline {overrun} ms: {outcomes:?}");
    let panics = panics.into_inner().expect("panics");
    assert!(panics.is_empty(), "seeds that panicked: {panics:?}");
    assert_eq!(outcomes.get("quarantined"), None);
    assert!(called >= CALLED_MIN, "{called} were called: {outcomes:?}");
}

/// What came of the guest of a seed, with how long the longest call went on after its deadline.
fn tried(host: &Host, seed: u64) -> (&'static str, Duration) {
    let component = match component(seed) {
        Ok(component) => component,
        Err(cause) => panic!("seed {seed}: {cause}"),
    };
    let limits = Limits { deadline: DEADLINE, ..Limits::default() };
    let Ok(component) = host.load(&component, &limits) else { return ("refused at load", Duration::ZERO) };
    let Ok(mut instance) = component.instantiate("{}") else { return ("did not start", Duration::ZERO) };
    let fields = &component.description().inputs;
    let texts = Arc::new(StringArray::from(vec!["seven", "", "→", "0", "a longer text than the others"])) as _;
    let batch = RecordBatch::try_new(schema::arrow_schema(fields), vec![texts]).expect("a batch");
    let (mut outcome, mut worst) = ("called: rows", Duration::ZERO);
    for _ in 0..CALLS {
        let begun = Instant::now();
        let answer = instance.apply(&batch);
        worst = worst.max(begun.elapsed().saturating_sub(DEADLINE));
        match answer {
            Ok(output) => assert!(output.rows.num_rows() <= batch.num_rows() * limits.rows_out_per_row_max),
            Err(Failure::Trap(_)) => outcome = "called: trap",
            Err(Failure::Deadline(_)) => outcome = "called: deadline",
            Err(Failure::Invalid(_)) => outcome = "called: invalid",
            Err(Failure::Refused(_)) => outcome = "called: refused",
            Err(Failure::Input(fault)) => panic!("seed {seed}: {fault}"),
            Err(Failure::Quarantined(_)) => return ("quarantined", worst),
        }
    }
    (outcome, worst)
}

/// A random module with the functions of a transform added to it, which call the random ones.
fn component(seed: u64) -> Result<Vec<u8>, String> {
    let mut chance = vec![0; CHANCE_BYTES];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut chance);
    let module = Module::new(config(seed), &mut Unstructured::new(&chance)).map_err(|cause| cause.to_string())?;
    let printed = wasmprinter::print_bytes(module.to_bytes()).map_err(|cause| cause.to_string())?;
    let random = printed.trim_end().strip_suffix(')').ok_or("a module ends with a parenthesis")?;
    let honest = std::fs::read_to_string(root().join("tests/hostile/guest.wat")).map_err(|cause| cause.to_string())?;
    let (_, honest) = honest.split_once("{memory})").ok_or("the guest has a memory")?;
    let text = guest::filled(&format!("{random}{honest}"), &calls(&printed, seed)?);
    guest::wrapped(guest::parsed(&text)?)
}

/// Where the random functions are called: always in `apply`, where the answer is laid out before; now and then earlier too.
fn calls(printed: &str, seed: u64) -> Result<Places, String> {
    let function = |name: &str| {
        let rest = printed.split(&format!("(export \"{name}\" (func ")).nth(1);
        rest.and_then(|rest| rest.split(')').next()).ok_or(format!("{name} is exported"))
    };
    let (one, two, three) = (function("one")?, function("two")?, function("three")?);
    let early = format!("(drop (call {one} (i32.const 1024) (i32.const 2048)))");
    // A word of the answer, or of the column in it, takes the random value.
    let spoilt = [2048, 2112][seed as usize / 2 % 2] + 4 * (seed / 4 % 10);
    let mut places = Places::new();
    places.insert(
        "apply".to_owned(),
        format!(
            "(call $same (local.get $rows) (local.get $columns) (local.get $count))
            (i32.store (i32.const {spoilt}) (call {one} (local.get $rows) (local.get $columns)))
            (call {two} (i64.load (local.get $columns)) (f64.load offset=16 (local.get $columns)) (global.get $answer))
            (call {three}) drop drop"
        ),
    );
    match seed % 16 {
        0 => _ = places.insert("describe".to_owned(), format!("{early} (global.get $description)")),
        1 => _ = places.insert("configure".to_owned(), format!("{early} (global.get $fine)")),
        2 => _ = places.insert("after".to_owned(), early),
        _ => {}
    }
    Ok(places)
}

/// All but what branches and calls: code that comes to its end, so that there is a result.
fn straight() -> InstructionKinds {
    use InstructionKind::{Memory, Numeric, Parametric, Reference, Table, Variable, Vector};
    InstructionKinds::new(&[Memory, Numeric, Parametric, Reference, Table, Variable, Vector])
}

/// What the host has switched on; in one of sixteen also what it has not, which it should refuse.
fn config(seed: u64) -> Config {
    let foreign = seed % 16 == 3;
    Config {
        exports: Some(guest::parsed(EXPORTS).expect("a module")),
        max_imports: 0,
        max_table_elements: 1_000,
        // One is asked for above.
        max_memories: 0,
        reference_types_enabled: foreign,
        allow_start_export: seed.is_multiple_of(8),
        // Else most would trap at once, and write nothing.
        disallow_traps: !seed.is_multiple_of(4),
        max_instructions: 300,
        allowed_instructions: if seed.is_multiple_of(2) { straight() } else { InstructionKinds::all() },
        exceptions_enabled: foreign,
        gc_enabled: foreign,
        tail_call_enabled: foreign,
        relaxed_simd_enabled: foreign,
        wide_arithmetic_enabled: foreign,
        threads_enabled: false,
        memory64_enabled: false,
        compact_imports_enabled: false,
        ..Config::default()
    }
}
