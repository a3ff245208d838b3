//! What runs of schedules do: an export, an audit, a call.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Setup;
use super::timetable::Changes;
use crate::access::Secret;
use crate::cache::query::Reader;
use crate::commit::{Exported, Object, Run};
use crate::config::plan::{Call, Export, Held, Job, Schedule};
use crate::emulate::client::{Client, Outside};
use crate::error::{Error, Kind, OrFail, Result};
use crate::lake::{self, Backoff, retry};
use crate::pipeline::answer;
use crate::pipeline::audit::Audit;
use crate::pipeline::prune::Pruner;
use crate::time::Timestamp;

/// The most rows of an export.
const ROWS_MAX: usize = 1_000_000;
/// The longest that its query may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// Faults of an audit that a run's log names.
const FAULTS_SHOWN: usize = 5;

/// Does the job of a run once; what is to be said of it. What it puts into the lake is noted in the run as soon as it is fixed.
pub(super) async fn work(setup: &Setup, plan: &Schedule, run: &mut Run) -> Result<String> {
    match &plan.job {
        Job::Export(export) => put(setup, export, run).await,
        Job::Audit { quick } => audit(setup, *quick).await,
        Job::Prune => prune(setup).await,
        Job::Call(call) => outside(call, run).await,
    }
}

/// Brings an answer into the lake: the bytes are fixed and recorded before they are sent, and the same are sent until they are there.
async fn put(setup: &Setup, export: &Export, run: &mut Run) -> Result<String> {
    let file = setup.exports().join(run.id.to_string());
    if let Some(exported) = run.object.as_ref().filter(|_| !file.exists()) {
        // It had failed, and its file is gone: unless the lake has the answer all the same, it gets another one.
        if let Some(there) = deliver(setup, run, exported, None).await? {
            return Ok(there);
        }
        run.object = None;
    }
    let exported = match &run.object {
        Some(exported) => exported.clone(),
        None => {
            let exported = answered(setup, export, run).await?;
            run.object = Some(exported.clone());
            // First recorded, then sent: a crash between must not make other bytes for the same key.
            if !setup.record(Changes { runs: vec![run.clone()], ..Changes::default() }).await {
                return Err(ending());
            }
            exported
        }
    };
    let sent = deliver(setup, run, &exported, Some(&file)).await?;
    sent.ok_or_else(|| Error::new(Kind::Internal, format!("object {:?} was not sent", exported.key)))
}

/// Sends an answer until it is there; without a file, only looks whether it is.
async fn deliver(setup: &Setup, run: &Run, exported: &Exported, file: Option<&Path>) -> Result<Option<String>> {
    let Exported { key, rows, bytes, sha256 } = exported.clone();
    let said = format!("{rows} rows, {bytes} bytes: {key}");
    let object = Object {
        key,
        file: String::new(),
        start: 0,
        table: run.schedule.clone(),
        partition: 0,
        revision: 0,
        window: run.time,
        first_offset: 0,
        next_offset: 0,
        rows,
        bytes,
        sha256,
        digests: Vec::new(),
    };
    let delivered = || async {
        match file {
            Some(file) => setup.bucket.put(&object, file).await.map(Some),
            None => setup.bucket.find(&object).await,
        }
    };
    let (backoff, mut stop) = (Backoff::upto(setup.pipeline.lake.patience.pause), setup.stop.clone());
    let delivered = retry(&object.key, backoff, &mut stop, delivered).await.ok_or_else(ending)?;
    Ok(delivered?.map(|_| said))
}

fn ending() -> Error {
    Error::new(Kind::Unavailable, "the pipeline is ending")
}

/// Asks the query and writes its answer to a file of the run's own.
async fn answered(setup: &Setup, export: &Export, run: &Run) -> Result<Exported> {
    let (cache, folder, export) = (setup.places.cache.clone(), setup.exports(), export.clone());
    let file = folder.join(run.id.to_string());
    let key = lake::prefix(&setup.pipeline.lake) + &key(&export, &run.schedule, run.time);
    let write = move || {
        let table = Reader::open(&cache)?.run_within(&export.query, ROWS_MAX, ANSWER_TIME_MAX)?;
        if table.more {
            let error = Error::new(Kind::Input, format!("query {:?}: it has more than {ROWS_MAX} rows", export.query));
            return Err(error.hint("export a query with fewer rows: a WHERE or a LIMIT"));
        }
        crate::disk::create_dir_all(&folder).or_fail(Kind::Storage, || format!("folder {folder:?}"))?;
        let written = answer::write(&table, export.form, &file)?;
        Ok(Exported { key, rows: written.rows, bytes: written.bytes, sha256: written.sha256 })
    };
    tokio::task::spawn_blocking(write).await.or_fail(Kind::Internal, || "export")?
}

fn key(export: &Export, schedule: &str, time: Timestamp) -> String {
    let key = export.key.replace("{query}", &export.query).replace("{schedule}", schedule);
    key.replace("{time}", &time.for_key())
}

/// Proves the ledger, on a thread that nobody has to wait for when the process ends: an audit changes nothing.
async fn audit(setup: &Setup, quick: bool) -> Result<String> {
    // Not the rest of the setup: who has a way to the committer keeps it from its end.
    let Setup { pipeline, places, host, .. } = setup.clone();
    let (tokio, (told, tells)) = (Handle::current(), oneshot::channel());
    let prove = move || {
        let (pipeline, places, host) = (&pipeline, &places, &host);
        let audit = Audit { pipeline, places, host, quick, tokio: &tokio, progress: &|_, _, _| {} };
        let _ = told.send(audit.run());
    };
    std::thread::Builder::new().name("audit".to_owned()).spawn(prove).or_fail(Kind::Internal, || "audit")?;
    let report = tells.await.or_fail(Kind::Internal, || "audit")??;
    if report.proven {
        let rows: u64 = report.partitions.iter().map(|partition| partition.rows).sum();
        return Ok(format!("proven: {} partitions, {rows} rows", report.partitions.len()));
    }
    let count = report.faults.len() as u64 + report.faults_more;
    let shown: Vec<String> = report.faults.iter().take(FAULTS_SHOWN).map(ToString::to_string).collect();
    Err(Error::new(Kind::Corrupt, format!("audit: {count} faults: {}", shown.join("; "))))
}

/// Prunes what the cache keeps no longer.
async fn prune(setup: &Setup) -> Result<String> {
    let setup = setup.clone();
    let prune = move || {
        let Setup { pipeline, places, committer, clock, stop, .. } = &setup;
        let ends = || *stop.borrow();
        let pruner = Pruner { cache: &places.cache, committer, now: clock.aged(), ends: &ends };
        let mut said = Vec::new();
        for plan in pipeline.tables.iter().filter(|plan| plan.retention.is_bounded()) {
            said.extend(pruner.prune(plan)?.into_iter().map(|(name, count)| format!("{name}: {count}")));
        }
        Ok(if said.is_empty() { "nothing was too old".to_owned() } else { format!("pruned {}", said.join(", ")) })
    };
    tokio::task::spawn_blocking(prune).await.or_fail(Kind::Internal, || "retention")?
}

/// Calls somebody outside, who can tell a run that comes again by its key.
async fn outside(call: &Call, run: &Run) -> Result<String> {
    let mut headers = Vec::new();
    for (name, held) in &call.headers {
        headers.push((name.clone(), value(name, held)?));
    }
    let id = format!("{}/{}", run.schedule, run.time.for_key());
    let body = call.body.replace("{schedule}", &run.schedule).replace("{run}", &run.id.to_string());
    let body = body.replace("{time}", &run.time.to_string());
    headers.push(("idempotency-key".to_owned(), Secret::new(id)));
    let asked = Outside { method: call.method.word(), url: &call.url, headers: &headers, body, time_max: call.timeout };
    let (status, said) = Client::new(None, None)?.outside(asked).await?;
    match (200..300).contains(&status) {
        true => Ok(format!("{status}: {said}")),
        false => Err(Error::new(Kind::Unavailable, format!("server {:?}: it answered {status}: {said}", call.url))),
    }
}

/// A header's value, read anew for each call: a secret may have been changed.
fn value(name: &str, held: &Held) -> Result<Secret> {
    match held {
        Held::Here(value) => Ok(Secret::new(value.clone())),
        Held::Variable(variable) => {
            let missing = |_| Error::new(Kind::Missing, format!("header {name:?}: the environment has no {variable}"));
            std::env::var(variable).map(Secret::new).map_err(missing)
        }
        Held::File(file) => {
            let text = fs::read_to_string(file).or_fail(Kind::Missing, || format!("header {name:?}: file {file:?}"))?;
            Ok(Secret::new(text.trim().to_owned()))
        }
    }
}
