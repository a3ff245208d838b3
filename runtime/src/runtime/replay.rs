//! A replay beside a pipeline, and what it found written as a revision while the pipeline stands still.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;

use super::{Runtime, lock, sources};
use crate::cache::query::Reader;
use crate::cache::{Layout, Revise, Store};
use crate::commit::Segment;
use crate::component::{self, Component, Host};
use crate::config::plan::{self, Pipeline};
use crate::error::{Error, Kind, OrFail, Result};
use crate::log::lock::DataLock;
use crate::pipeline::committer::Message;
use crate::pipeline::hold::hold;
use crate::pipeline::kept::{self, kept_chain};
use crate::pipeline::places::Places;
use crate::pipeline::replay::{Anew, Asked, Changed, Late, Replay, Report};
use crate::pipeline::rollups::Rollups;
use crate::time::Clock;

/// What a replay is made with.
pub struct Replayed<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// What runs the components.
    pub host: &'a Host,
    /// Where requests to a bucket are made.
    pub tokio: &'a Handle,
    /// Told how many epochs of how many are done.
    pub progress: &'a dyn Fn(u64, u64),
}

/// The place of a transform in the chain that is in service of a table, as [`crate::pipeline::generation::Chain::place`] has it.
pub fn place(pipeline: &Pipeline, host: &Host, plan: &plan::Table, transform: Option<&str>) -> Result<usize> {
    let places = Places::of(&pipeline.data);
    let in_service = Reader::open(&places.cache)?.generations()?;
    let in_service = in_service.into_iter().find(|generation| generation.table == plan.name);
    let digest = in_service.map(|generation| generation.digest).unwrap_or_default();
    kept_chain(host, plan, &places.components, &digest)?.place(&plan.name, transform)
}

/// Runs history again, and changes nothing. Blocks; must not be called on one of tokio's threads.
pub fn replay(of: &Replayed<'_>, asked: Asked) -> Result<Report> {
    let (places, scratch) = (Places::of(&of.pipeline.data), Scratch::make()?);
    let replay = of.replay(&places, &scratch.0, asked);
    let reader = replay.reader()?;
    sources::known(of.pipeline, &reader.sources()?)?;
    let revision = reader.last_revision(&replay.asked.table)? + 1;
    let mut found = replay.run(&reader, revision, true, &mut |_| Ok(()))?;
    replay.windows(&reader, &mut found, revision)?;
    Ok(found.report)
}

/// Runs history again, and writes what is different as a revision, in one transaction; a crash leaves all of it or nothing. The
/// component that was put in the ledger's place is kept. Blocks; must not be called on one of tokio's threads.
///
/// Errors with `Kind::Conflict` where the pipeline runs, with `Kind::Input` where the component writes other fields than the table has.
pub fn apply(of: &Replayed<'_>, asked: Asked, with: Option<&[u8]>) -> Result<Report> {
    let _lock = DataLock::take(&of.pipeline.data)?;
    sources::known(of.pipeline, &Store::sources(&Places::of(&of.pipeline.data).cache)?)?;
    revise(of, asked, with).map(|(report, _)| report)
}

impl Runtime {
    /// The same while the pipeline runs: until it is done nothing else is committed. Topics take records meanwhile.
    ///
    /// Errors with `Kind::Unavailable` where the pipeline ends meanwhile.
    pub fn replay(&self, asked: Asked, with: Option<&[u8]>, tokio: &Handle) -> Result<Report> {
        let running = self.running(&asked.table)?;
        let _one_at_a_time = lock(&running.redrives);
        let table = asked.table.clone();
        let of = Replayed { pipeline: &self.pipeline, host: &self.host, tokio, progress: &|_, _| {} };
        let (hold, held) = hold(&table);
        let ended = || {
            Error::new(Kind::Unavailable, format!("table {table:?}: the pipeline is ending, and nothing was changed"))
                .hint("give the same command again")
        };
        let messages = lock(&self.threads).as_ref().map(|threads| threads.messages.clone());
        messages.ok_or_else(ended)?.send(Message::Hold(hold)).map_err(|_| ended())?;
        held.wait().map_err(|_| ended())?;
        let (report, segments) = revise(&of, asked, with)?;
        held.end(segments);
        if let Some(revision) = report.revision {
            tracing::info!(table, revision, records = report.records_changed, "history revised");
        }
        Ok(report)
    }

    /// A component in the place of a table's transform, for history alone.
    pub fn for_history(&self, table: &str, transform: Option<&str>, bytes: &[u8]) -> Result<(usize, Component)> {
        let (plan, place) = (&self.running(table)?.plan, self.place(table, transform)?);
        let limits = plan.transforms.get(place).map(|transform| transform.limits.clone()).unwrap_or_default();
        Ok((place, self.host.load(bytes, &limits)?))
    }
}

/// Writes a revision, by the only one who writes the file; the segments that are in it.
fn revise(of: &Replayed<'_>, asked: Asked, with: Option<&[u8]>) -> Result<(Report, Vec<Segment>)> {
    let places = Places::make(&of.pipeline.data)?;
    let replay = of.replay(&places, &places.spool, asked);
    let reader = replay.reader()?;
    let (table, now) = (replay.asked.table.clone(), Clock::System.now());
    let revision = reader.last_revision(&table)? + 1;
    if let Some(bytes) = with {
        kept::keep(&places.components, &component::digest(bytes), bytes)?;
    }
    let (mut revise, mut written): (Option<Revise>, Vec<Segment>) = (None, Vec::new());
    let layout = replay.layout(&reader)?;
    let begin = || Revise::begin(&places.cache, &table, &layout);
    let mut found = replay.run(&reader, revision, false, &mut |changed| {
        let revise = match &mut revise {
            Some(revise) => revise,
            none => none.insert(begin()?),
        };
        let Changed { mut line, segments, healed, letters } = changed;
        line.committed = now;
        revise.epoch(&line, &segments, &healed, &letters)?;
        written.extend(segments);
        Ok(())
    })?;
    let anew = replay.windows(&reader, &mut found, revision)?;
    anew.iter().try_for_each(Anew::fits)?;
    let late = replay.late_revision(&reader, revision, now)?;
    if let Some(Late { line, .. }) = &late {
        let revise = revise.insert(begin()?);
        revise.note(line)?;
    }
    let Some(revise) = revise else { return Ok((found.report, written)) };
    revise.take_out()?;
    replay.cached(&reader, &found, revision, false, &mut |rows| revise.rows(rows))?;
    if revise.lost()? > 0 {
        // Older rows of their keys are the latest now, wherever they lie.
        replay.cached(&reader, &found, revision, true, &mut |rows| revise.rows(rows))?;
    }
    for anew in &anew {
        written.extend(anew.revise(&reader, &revise, &found.table, (revision, now))?);
    }
    if let Some(Late { aggregate, windows, .. }) = late {
        windows.iter().try_for_each(|window| revise.make_whole(&aggregate, *window))?;
    }
    if found.changes_rows() {
        roll(of.pipeline, &revise, &layout, &table)?;
    }
    drop(reader);
    revise.finish()?;
    found.report.revision = Some(revision);
    Ok((found.report, written))
}

/// Computes the rollups over a table anew; what of it cannot be had now is computed when the pipeline goes on.
fn roll(pipeline: &Pipeline, revise: &Revise, layout: &Layout, table: &str) -> Result<()> {
    let rolled = revise.rolled();
    let mut current = Vec::new();
    for rollup in pipeline.rollups.iter().filter(|rollup| rollup.tables().any(|of| of == table)) {
        match rolled.is_current(&rollup.name)? {
            true => current.push(rollup.name.clone()),
            false => rolled.put_off(&rollup.name)?,
        }
    }
    Rollups::new(&pipeline.rollups, &layout.tables)?.anew(&rolled, &current)
}

impl Replayed<'_> {
    fn replay<'a>(&'a self, places: &'a Places, spool: &'a Path, asked: Asked) -> Replay<'a> {
        let Self { pipeline, host, tokio, progress } = self;
        Replay { pipeline, places, host, tokio, asked, spool, progress }
    }
}

/// A folder for rows that are only looked at, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("tidemill-replay-{}", std::process::id()));
        fs::create_dir_all(&folder).or_fail(Kind::Storage, || format!("folder {folder:?}"))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}
