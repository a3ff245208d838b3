//! Hostile components through the real host: each ends as its entry says, on time, and leaves nothing behind.

mod corpus;
mod huge;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{RecordBatch, StringArray};
use corpus::Entry;
use tidemill::component::limits::Limits;
use tidemill::component::{Component, Failure, Host, Instance};
use tidemill::error::Error;
use tidemill::schema::{self, Field, Type};
use tidemill_tests::guest::{self, Places};
use tidemill_tests::place::Folder;

/// The product's allocator: what it gives back to the system is what the product would.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The deadline of entries that are to miss it.
const DEADLINE: Duration = Duration::from_millis(50);
/// That of all others, which even a machine under load keeps.
const PATIENT: Duration = Duration::from_secs(60);
/// A call may overrun its deadline by so much before it counts as not contained. The aim is 50 ms, and what was
/// measured is printed; this bound is one that a machine under load keeps too.
const OVERRUN_MAX: Duration = Duration::from_secs(1);
/// Calls of `apply` in which an entry has to show itself.
const CALLS: usize = 3;
/// What the process may have grown by in the end.
const GROWTH_BYTES_MAX: usize = 16 << 20;

/// Names the folder where this process is to make the entries.
const MAKE: &str = "TIDEMILL_HOSTILE_MAKE";

/// What came of an entry.
struct Met {
    ends: String,
    message: String,
    /// How long the call that failed went on after its deadline.
    overrun: Option<Duration>,
}

#[test]
fn each_ends_as_its_entry_says_and_leaves_nothing_behind() {
    if let Some(folder) = std::env::var_os(MAKE) {
        return make(Path::new(&folder));
    }
    let folder = Folder::new("hostile");
    let host = Host::new(None).expect("a host");
    // What is made once and kept, such as threads, is part of the baseline.
    let honest = Entry::new("honest", "fine", guest::component(&Places::default()).expect("the honest guest"));
    assert_eq!(met(&host, &honest).ends, "fine");
    let before = resident_bytes();
    let (mut wrong, mut worst, mut slowest) = (Vec::new(), Duration::ZERO, (Duration::ZERO, String::new()));
    for entry in made(folder.path()) {
        let entry = entry.read();
        let begun = Instant::now();
        let met = met(&host, &entry);
        slowest = slowest.max((begun.elapsed(), entry.name.clone()));
        if met.ends != entry.ends || !met.message.contains(&entry.words) {
            wrong.push(format!("{}: {}: {}, not {}: {}", entry.name, met.ends, met.message, entry.ends, entry.words));
        }
        worst = worst.max(met.overrun.unwrap_or_default());
    }
    // The allocator hands pages back a while after they were freed, when there is something to do again.
    let (begun, mut grown) = (Instant::now(), usize::MAX);
    while grown > GROWTH_BYTES_MAX && begun.elapsed() < PATIENT {
        assert_eq!(met(&host, &honest).ends, "fine");
        grown = resident_bytes().saturating_sub(before);
    }
    println!(
        "worst overrun of a deadline {} ms, slowest {} in {} ms, memory grown by {} KiB from {} KiB, {} ms later",
        worst.as_millis(),
        slowest.1,
        slowest.0.as_millis(),
        grown >> 10,
        before >> 10,
        begun.elapsed().as_millis()
    );
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(worst < OVERRUN_MAX, "a call went on for {} ms after its deadline", worst.as_millis());
    assert!(grown <= GROWTH_BYTES_MAX, "memory has grown by {grown} bytes");
}

/// Makes the entries in another process, so that what making them takes is not in the way of what is measured here.
fn made(folder: &Path) -> Vec<corpus::Kept> {
    let test = std::env::current_exe().expect("this test");
    let made = Command::new(test).arg("each_ends_as").env(MAKE, folder).status().expect("it runs");
    assert!(made.success(), "the corpus is made");
    let kept = corpus::kept(folder);
    assert!(kept.len() >= 60, "the corpus was found");
    kept
}

fn make(folder: &Path) {
    let mut entries = corpus::read();
    entries.extend(huge::made());
    corpus::keep(folder, &entries);
}

fn met(host: &Host, entry: &Entry) -> Met {
    let late = entry.words.contains("out of time");
    let deadline = if late { DEADLINE } else { PATIENT };
    let limits = Limits { deadline, compile: PATIENT, ..Limits::default() };
    let failed = |ends: &str, error: &Error, overrun| Met {
        ends: ends.to_owned(),
        message: format!("{}; {}", error.message(), error.next_step().unwrap_or_default()),
        overrun,
    };
    let component = match host.load(&entry.bytes, &limits) {
        Ok(component) => component,
        Err(error) => return failed("load", &error, None),
    };
    let begun = Instant::now();
    let mut instance = match component.instantiate("{}") {
        Ok(instance) => instance,
        Err(error) => return failed("start", &error, Some(begun.elapsed().saturating_sub(deadline))),
    };
    let input = input(&component);
    for _ in 0..CALLS {
        let begun = Instant::now();
        if let Err(failure) = instance.apply(&input) {
            let overrun = begun.elapsed().saturating_sub(deadline);
            goes_on(&mut instance, &input);
            return failed(&format!("apply {}", kind(&failure)), failure.error(), Some(overrun));
        }
    }
    Met { ends: "fine".to_owned(), message: String::new(), overrun: None }
}

/// A failure leaves an instance that can be called again, whatever comes of it.
fn goes_on(instance: &mut Instance, input: &RecordBatch) {
    if let Err(failure) = instance.apply(input) {
        assert!(!matches!(failure, Failure::Quarantined(_) | Failure::Input(_)), "{failure:?}");
    }
}

fn input(component: &Component) -> RecordBatch {
    let fields: &[Field] = &component.description().inputs;
    assert!(fields.iter().all(|field| field.kind == Type::Text), "the guests read texts");
    let text = || Arc::new(StringArray::from(vec!["first", "second"])) as _;
    RecordBatch::try_new(schema::arrow_schema(fields), fields.iter().map(|_| text()).collect()).expect("a batch")
}

fn kind(failure: &Failure) -> &'static str {
    match failure {
        Failure::Trap(_) => "trap",
        Failure::Deadline(_) => "deadline",
        Failure::Refused(_) => "refused",
        Failure::Invalid(_) => "invalid",
        Failure::Input(_) => "input",
        Failure::Quarantined(_) => "quarantined",
    }
}

/// What the process has in memory, by the kernel's own count.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("the kernel's count");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("resident pages");
    pages * 4096
}
