//! The command line: a file a command.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the surface that prints")]

mod audit;
mod cache;
mod check;
mod dead_letters;
mod demo;
mod emulate;
mod explain;
mod generations;
mod import_connector;
mod key;
mod late;
mod log;
mod operator;
mod progress;
mod query;
mod repair;
mod replay;
mod run;
mod schedule;
mod shadow;
mod status;
mod table;
mod tap;
mod test;
mod topic;
mod transform;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::component::Host;
use crate::config;
use crate::config::plan::Pipeline;
use crate::config::{Declared, Fault};
use crate::error::{Error, Kind, OrFail, Result};

/// An embedded stream processor with WebAssembly transforms.
#[derive(Debug, Parser)]
#[command(name = "tidemill", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch the whole pipeline at work on emulated posts, with the ten answers at the end.
    Demo(demo::Demo),
    /// Run a pipeline until ctrl-c.
    Run(run::Run),
    /// Check a pipeline file: every fault at once, or a picture of the plan.
    Check(check::Check),
    /// Prove that every record became what the ledger says: against the topic, the bucket and the cache.
    ///
    /// It changes nothing, and works whether the pipeline runs or not. Each gap, overlap, foreign, missing or altered thing is
    /// named, with its offsets. The exit code is 1 where there is one.
    Audit(audit::Check),
    /// Show where a row of the lake came from: its record, and what each component makes of it.
    Explain(explain::Explain),
    /// Play the test cases of a pipeline's tables through their transforms.
    ///
    /// A case is a folder `cases/TABLE/NAME` beside the pipeline file: `input.jsonl` has the value of a record a line,
    /// `expected.jsonl` the rows, `rejected.jsonl` the lines that become none and why. Each case is played in batches of
    /// one record, of seven and of all. The exit code is 1 where something is not as expected.
    Test(test::Test),
    /// Print the pipeline file that lands what a Kafka Connect S3 sink's configuration says.
    ///
    /// A comment tells of each key that means nothing here; what would make other objects is an error, all of them at once.
    ImportConnector(import_connector::ImportConnector),
    /// Post generated or given rows to a pipeline, as the original emulators did.
    Emulate(emulate::Emulate),
    /// Ask the cache: a query's name or a SELECT.
    Query(query::Query),
    /// See what a pipeline does by the clock, and what came of it; start a run.
    #[command(subcommand)]
    Schedule(schedule::Schedule),
    /// Show the state of a running pipeline.
    Status(status::Show),
    /// Offer a component to a table of a running pipeline.
    Reload(generations::Reload),
    /// Go back to the component that was in service before.
    Rollback(generations::Rollback),
    /// List the components that were in service of a table.
    Generations(generations::Generations),
    /// Run a component beside the live one on the same records, and show how their rows differ.
    Shadow(shadow::Shadow),
    /// Take the component that runs as a shadow.
    Promote(shadow::Promote),
    /// End a shadow.
    Discard(shadow::Discard),
    /// Look after a pipeline's cache.
    #[command(subcommand)]
    Cache(cache::Cache),
    /// See, take out or redrive the records that could not become rows.
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLetters),
    /// List the rows that came too late for the windows of aggregates.
    Late(late::List),
    /// Run a table's history again, and show what would be different, or write it.
    Replay(replay::Replay),
    /// See what stands in a topic.
    #[command(subcommand)]
    Topic(topic::Topic),
    /// See the last records of a table with what its transform makes of them, or keep them as a test case.
    Tap(tap::Tap),
    /// Name what is rotten in the topics of a stopped pipeline, or leave it out.
    Repair(repair::Repair),
    /// Make and list the keys of which a request must carry one.
    #[command(subcommand)]
    Key(key::Key),
    /// Begin, build, inspect, try, measure or sign a transform.
    #[command(subcommand)]
    Transform(transform::Transform),
}

/// What a command ends with, when nothing failed.
enum Ended {
    /// All is well.
    Well,
    /// The command did its work, and what it found is not well; all has been said.
    NotWell,
    /// What could be looked at is well, but that was not all.
    NotProven,
}

/// Reads the command line, does what it says, and shows an error as a sentence and a next step.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match cli.command {
        Command::Demo(demo) => demo.run(),
        Command::Run(run) => run.run(),
        Command::Check(check) => check.run(),
        Command::Audit(audit) => audit.run(),
        Command::Explain(explain) => explain.run(),
        Command::Test(test) => test.run(),
        Command::ImportConnector(import) => import.run(),
        Command::Emulate(emulate) => emulate.run(),
        Command::Query(query) => query.run(),
        Command::Schedule(schedule) => schedule.run(),
        Command::Status(status) => status.run(),
        Command::Reload(reload) => reload.run(),
        Command::Rollback(rollback) => rollback.run(),
        Command::Generations(generations) => generations.run(),
        Command::Shadow(shadow) => shadow.run(),
        Command::Promote(promote) => promote.run(),
        Command::Discard(discard) => discard.run(),
        Command::Cache(cache) => cache.run(),
        Command::DeadLetters(letters) => letters.run(),
        Command::Late(list) => list.run(),
        Command::Replay(replay) => replay.run(),
        Command::Topic(topic) => topic.run(),
        Command::Tap(tap) => tap.run(),
        Command::Repair(repair) => repair.run(),
        Command::Key(key) => key.run(),
        Command::Transform(transform) => transform.run(),
    };
    match ended {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::NotWell) => ExitCode::FAILURE,
        Ok(Ended::NotProven) => ExitCode::from(3),
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.next_step() {
                eprintln!("hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Reads a pipeline file; all its faults become one error.
fn pipeline(file: &Path, data: Option<PathBuf>) -> Result<Pipeline> {
    Ok(declared(file, data)?.pipeline)
}

/// The same, with the place of all that declares it.
fn declared(file: &Path, data: Option<PathBuf>) -> Result<Declared> {
    let mut declared = config::read(file).map_err(|faults| faulty(file, &faults))?;
    if let Some(data) = data {
        declared.pipeline.data = std::path::absolute(&data).or_fail(Kind::Input, || format!("data folder {data:?}"))?;
    }
    Ok(declared)
}

fn faulty(file: &Path, faults: &[Fault]) -> Error {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let count = lines.len();
    let message =
        format!("{} has {count} fault{}\n{}", file.display(), if count == 1 { "" } else { "s" }, lines.join("\n"));
    Error::new(Kind::Input, message)
}

/// A runtime for commands that wait for the network.
fn tokio_runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().or_fail(Kind::Internal, || "tokio")
}

/// A host for a command that ends soon: what it compiles is kept in the person's own cache folder, where there is one.
fn host() -> Result<Host> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let kept = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    let kept = kept.and_then(|folder| Host::new(Some(&folder.join("tidemill/compiled"))).ok());
    kept.map_or_else(|| Host::new(None), Ok)
}

/// Sends the log to standard error: facts as fields, by `RUST_LOG`, else what `default` says.
fn log_to_stderr(default: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let ansi = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let builder = builder.with_writer(move || log::Lines::new(std::io::stderr(), ansi));
    // Where standard error is a file on a full disk, a line is lost: to complain of it there would end the thread.
    let builder = builder.log_internal_errors(false).with_ansi(ansi);
    // A second call, as a test may make, leaves the first in place.
    let _ = builder.try_init();
}
