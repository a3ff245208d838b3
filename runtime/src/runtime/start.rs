//! The start of a pipeline: everything opened, restored and checked before the first record moves.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hashbrown::HashSet;
use tokio::sync::{mpsc, watch};

use super::ahead;
use super::answers::Answers;
use super::claim::Claim;
use super::feeds::Feeds;
use super::first::First;
use super::schedules::Scheduling;
use super::sources;
use super::spawn::Vital;
use super::topics::Topics;
use super::{By, Offered, Runtime, Threads, threads};
use crate::cache::{self, Store};
use crate::commit::Epoch;
use crate::component::Host;
use crate::config::plan::{self, Backend, Pipeline};
use crate::disk;
use crate::error::{Error, Kind, OrFail, Result};
use crate::lake::options::Endpoint;
use crate::lake::{self, Bucket, Server};
use crate::log::groups::Groups;
use crate::log::lock::DataLock;
use crate::log::{Topic, created};
use crate::metrics::Metrics;
use crate::pipeline::aggregates::{Aggregates, Stored};
use crate::pipeline::committer::{self, HANDOVERS_MAX, Health};
use crate::pipeline::generation::{Generation, digests};
use crate::pipeline::layout::layout;
use crate::pipeline::places::Places;
use crate::pipeline::rollups::Rollups;
use crate::pipeline::shelf::Shelf;
use crate::pipeline::table::Table;
use crate::reload;
use crate::sabotage::{self, Fault};
use crate::schedule;
use crate::time::{Clock, Timestamp};

/// A start that is not the first waits so long for the lake.
const REACH_TIME: Duration = Duration::from_secs(5);

/// The generation that each table begins with.
pub(super) type Tables = Vec<Arc<Generation>>;

/// How a pipeline is to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether a component's file takes the place of what was in service although fields go or become others.
    pub accept_breaking: bool,
}

impl Runtime {
    /// Starts a pipeline: locks its data folder, recovers its topics, goes on where the last commit left it.
    pub async fn start(pipeline: Pipeline, options: Options, clock: Arc<Clock>) -> Result<Arc<Self>> {
        let data_lock = DataLock::take(&pipeline.data)?;
        let places = Places::make(&pipeline.data)?;
        let metrics = Arc::new(Metrics::new()?);
        let is_first = !places.cache.exists();
        let host = Host::new(Some(&places.compiled))?.trusting(&pipeline.trust);
        let sources = sources::known(&pipeline, &Store::sources(&places.cache)?)?;
        let created = created::found(&places.topics)?;
        let topics = open_topics(&pipeline, &places, &clock)?;
        let tables = first_generations(&pipeline, options, &places, &host)?;
        let server = start_server(&pipeline, &places).await?;
        let lake = server.as_ref().map(Server::addr);
        let bucket = Arc::new(Bucket::open(&pipeline.lake, server.as_ref()).await?);
        let reached = reach(&bucket, is_first).await?;
        let claim = Claim { bucket: &bucket, pipeline: &pipeline, spool: &places.spool };
        if is_first {
            claim.is_free(&places.cache).await?;
        }
        let layout = layout(&pipeline, tables.iter().map(|generation| &*generation.table))?;
        let mut store = Store::open(&places.cache, &layout)?;
        sources.iter().try_for_each(|(table, source)| store.note_source(table, source))?;
        let mut rollups = Rollups::new(&pipeline.rollups, &layout.tables)?;
        rollups.restore(&mut store)?;
        // Who does not answer is not waited for twice.
        if reached {
            claim.make(store.instance_id()).await?;
        }
        remember(&mut store, &tables, clock.now())?;
        let aggregates = restore_aggregates(&pipeline, &topics, &tables, &store)?;
        let positions = store.positions()?;
        let shelf = restore_shelf(&pipeline, &store, &positions, &tables, &places.spool, &clock)?;
        aggregates.weigh(&shelf);
        if reached {
            let newest = ahead::newest(&store, &pipeline)?;
            ahead::compare(&store, ahead::listed(&bucket, newest).await, &shelf)?;
        }
        let runs = store.runs()?;
        let health = Arc::new(Health::default());
        health.advance(&positions);
        let (messages, received) = sync_channel(HANDOVERS_MAX);
        let onward = threads::Onward { shelf: &shelf, messages: &messages };
        let beginning = threads::Beginning {
            pipeline: &pipeline,
            topics: &topics,
            store: &store,
            aggregates: &aggregates,
            spool: &places.spool,
            onward,
            clock: &clock,
        };
        let (running, mut workers) = beginning.workers(&tables)?;
        let (landings, landing_workers) = beginning.landings()?;
        workers.extend(landing_workers);
        let committer = committer::Setup {
            store,
            tables: tables.iter().map(|generation| Arc::clone(&generation.table)).collect(),
            aggregates,
            rollups,
            shelf: Arc::clone(&shelf),
            spool: places.spool.clone(),
            format: pipeline.lake.format,
            pipeline: pipeline.name.clone(),
            metrics: Arc::clone(&metrics),
            health: Arc::clone(&health),
            clock: Arc::clone(&clock),
        };
        let vital = Vital { health: Arc::clone(&health), clock: Arc::clone(&clock) };
        let committer = vital.thread("committer", move || committer::run(committer, &received))?;
        let lander = threads::lander(&pipeline, &places.spool, &shelf, &messages, &vital)?;
        let (uploaders, uploads_end) = threads::uploaders(&pipeline, &places.spool, onward, &bucket, &metrics, &vital);
        let (end, stop) = watch::channel(false);
        let scheduled = schedule::Setup {
            pipeline: Arc::new(pipeline.clone()),
            places: places.clone(),
            host: host.clone(),
            bucket: Arc::clone(&bucket),
            committer: messages.clone(),
            clock: Arc::clone(&clock),
            stop,
        };
        let (asks, asked) = mpsc::channel(schedule::ASKS_MAX);
        let task = tokio::spawn(vital.clone().task(schedule::run(scheduled, runs, asked)));
        let scheduling = Scheduling { asks, end, task };
        let threads = Threads {
            workers,
            lander,
            uploaders,
            uploads_end,
            scheduling,
            committer,
            messages,
            server,
            _lock: data_lock,
        };
        let started = clock.now();
        let (failures, failed) = channel();
        let runtime = Self {
            pipeline,
            topics: Topics::new(topics, created, places.topics, &clock)?,
            groups: Groups::new(places.groups),
            clock,
            metrics,
            health,
            host,
            tables: running,
            landings,
            answers: Arc::new(Answers::new(&places.cache)),
            feeds: Feeds::default(),
            shelf,
            components: places.components,
            lake,
            started,
            failures,
            threads: Mutex::new(Some(threads)),
            retaining: tokio::sync::Mutex::new(()),
        };
        let runtime = Arc::new(runtime);
        runtime.listen_to_trials(failed)?;
        Ok(runtime)
    }

    /// Begins to watch the components' files; a file that differs from what is in service counts as changed.
    pub fn watch(self: &Arc<Self>) -> Result<reload::Watch> {
        let transforms = |table: &plan::Table| table.transforms.clone();
        let files = self.pipeline.tables.iter().flat_map(transforms).map(|transform| transform.component).collect();
        let runtime = Arc::downgrade(self);
        let offer = move |changed: &[reload::Changed]| {
            let Some(runtime) = runtime.upgrade() else { return };
            for table in &runtime.pipeline.tables {
                let mut offered = Vec::new();
                for (place, transform) in table.transforms.iter().enumerate() {
                    let mine = changed.iter().filter(|(path, _)| **path == *transform.component);
                    offered.extend(mine.map(|(_, bytes)| Offered { place, bytes: bytes.into() }));
                }
                if !offered.is_empty() {
                    // What was refused has been said by `offer`; the old generation goes on.
                    let _ = runtime.offer(&table.name, &offered, By::File);
                }
            }
        };
        reload::watch(files, offer)
    }
}

/// Has the cache remember the generations that begin here, before any record is theirs.
fn remember(store: &mut Store, tables: &Tables, now: Timestamp) -> Result<()> {
    let before = store.generations()?;
    let is_known = |one: &cache::Generation| {
        before.iter().any(|before| *before == cache::Generation { since: before.since, ..one.clone() })
    };
    let begin: Vec<_> =
        tables.iter().map(|generation| generation.noted(now, false)).filter(|one| !is_known(one)).collect();
    if begin.is_empty() {
        return Ok(());
    }
    let mut commit = store.begin()?;
    begin.iter().try_for_each(|generation| commit.generation(generation))?;
    commit.finish()
}

fn open_topics(pipeline: &Pipeline, places: &Places, clock: &Arc<Clock>) -> Result<BTreeMap<String, Arc<Topic>>> {
    let mut topics = BTreeMap::new();
    for topic in &pipeline.topics {
        if let Backend::Embedded(options) = &topic.backend {
            let opened = Topic::open(&places.topics, &topic.name, options, Arc::clone(clock))?;
            topics.insert(topic.name.clone(), Arc::new(opened));
        }
    }
    Ok(topics)
}

/// The partitions of a topic, wherever it lives.
pub(super) fn partitions(pipeline: &Pipeline, topics: &BTreeMap<String, Arc<Topic>>, name: &str) -> u32 {
    let planned = pipeline.topics.iter().find(|topic| topic.name == name).map_or(0, |topic| topic.backend.partitions());
    topics.get(name).map_or(planned, |topic| topic.partitions())
}

/// The generation that each table begins with.
pub(super) fn first_generations(pipeline: &Pipeline, options: Options, places: &Places, host: &Host) -> Result<Tables> {
    let before = Store::in_service(&places.cache)?;
    let mut tables = Vec::new();
    for plan in &pipeline.tables {
        let in_service = before.iter().find(|generation| generation.table == plan.name);
        let first = First { host, plan, queries: &pipeline.queries, components: &places.components };
        let subject = |error: Error| error.within(format!("table {:?}", plan.name));
        // What a person pinned stays.
        let pinned = in_service.is_some_and(|generation| generation.pinned);
        let options = Options { accept_breaking: options.accept_breaking && !pinned };
        let chain = first.chain(in_service.map(|generation| generation.digest.as_str()), options).map_err(subject)?;
        let table = Arc::new(Table::new(plan, chain.outputs(), pipeline.lake.format, &places.spool)?);
        let (number, pinned) = match in_service {
            Some(before) if before.digest == chain.digest() && before.parameters == chain.parameters() => {
                (before.number, before.pinned)
            }
            // The same components, with other parameters or another unwrapping.
            Some(before) if digests(&before.digest) == digests(chain.digest()) => (before.number + 1, before.pinned),
            Some(before) => (before.number + 1, false),
            None => (1, false),
        };
        chain.start().map_err(subject)?;
        tables.push(Arc::new(Generation { chain, table, number, pinned }));
    }
    Ok(tables)
}

/// The aggregates as the last commit left them.
pub(super) fn restore_aggregates(
    pipeline: &Pipeline,
    topics: &BTreeMap<String, Arc<Topic>>,
    tables: &Tables,
    store: &Store,
) -> Result<Aggregates> {
    let mut aggregates = Aggregates::default();
    for table in tables.iter().map(|generation| &generation.table) {
        let partitions = partitions(pipeline, topics, &table.plan.topic);
        aggregates.add(table, partitions, |name| {
            let groups = if sabotage::is(Fault::WindowsForgotten) { Vec::new() } else { store.groups(name)? };
            let (renewals, last, marks) = (store.renewals(name)?, store.last_group(name)?, store.marks(name)?);
            Ok(Stored { renewals, groups, last, marks })
        })?;
    }
    Ok(aggregates)
}

/// The shelf as the last commit left it; files that no commit names are removed.
pub(super) fn restore_shelf(
    pipeline: &Pipeline,
    store: &Store,
    positions: &[Epoch],
    tables: &[Arc<Generation>],
    spool: &Path,
    clock: &Arc<Clock>,
) -> Result<Arc<Shelf>> {
    let (segments, outbox) = (store.segments()?, store.outbox()?);
    let known = segments.iter().map(|segment| &segment.file).chain(outbox.iter().map(|object| &object.file));
    let mut missing: HashSet<String> = known.cloned().collect();
    for file in disk::list(spool).or_fail(Kind::Storage, || format!("spool {spool:?}"))? {
        let name = file.file_name().unwrap_or_default();
        if !missing.remove(name.to_string_lossy().as_ref()) {
            disk::remove_file(&file).or_fail(Kind::Storage, || format!("spool file {file:?}"))?;
        }
    }
    if let Some(lost) = missing.iter().next() {
        let error = Error::new(Kind::Corrupt, format!("spool: file {lost:?} is committed but not there"));
        return Err(error.hint("put the data folder back as it was; its files belong together"));
    }
    let of = |table: &plan::Table| table.aggregates.iter().map(|one| (one.name.clone(), table.name.clone())).collect();
    let owners = pipeline.tables.iter().flat_map(|table| -> Vec<_> { of(table) }).collect();
    let share = pipeline.lake.spool_bytes_max / (pipeline.lanes().count() as u64).max(1);
    let shelf = Shelf::new(share, owners, Arc::clone(clock));
    let plans = || tables.iter().map(|generation| &generation.table.plan);
    let is_table = |name: &str| plans().any(|plan| plan.name == name);
    for closed in segments.iter().filter(|segment| !is_table(&segment.table)) {
        shelf.close(&closed.table, closed.partition, Timestamp(closed.window.0.saturating_add(1)));
    }
    shelf.add(segments);
    shelf.add_objects(outbox);
    for line in positions {
        if let Some(plan) = plans().find(|plan| plan.name == line.table) {
            shelf.close(&line.table, line.partition, line.watermark.floor(plan.window));
        }
    }
    Ok(Arc::new(shelf))
}

/// Asks for the bucket. A first start wants an answer, so that what is wrong in the file is said at once; later ones take records
/// also while the lake is away, and what has to get there waits.
/// Whether it answered.
async fn reach(bucket: &Bucket, is_first: bool) -> Result<bool> {
    let reached = match is_first {
        true => Ok(bucket.reach().await),
        false => tokio::time::timeout(REACH_TIME, bucket.reach()).await,
    };
    match reached {
        Ok(Err(error)) if is_first || error.kind() != Kind::Unavailable => Err(error),
        Ok(Ok(())) => Ok(true),
        Ok(Err(error)) => {
            tracing::warn!(error = error.line(), "lake not reached, going on without it");
            Ok(false)
        }
        Err(_) => {
            tracing::warn!(patience = ?REACH_TIME, "lake did not answer, going on without it");
            Ok(false)
        }
    }
}

async fn start_server(pipeline: &Pipeline, places: &Places) -> Result<Option<Server>> {
    match pipeline.lake.endpoint {
        Endpoint::Embedded { port } => Server::start(&places.lake, port, lake::Credentials::default()).await.map(Some),
        Endpoint::Aws | Endpoint::Url(_) => Ok(None),
    }
}
