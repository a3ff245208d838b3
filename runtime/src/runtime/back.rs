//! The way back: to the generation before, because a person wants it or because a trial failed after others had passed theirs.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::{Offer, Running, Runtime, lock, spawn};
use crate::cache::query::Reader;
use crate::error::{Error, Kind, Result};
use crate::pipeline::change::changes;
use crate::pipeline::generation::{Generation, digests};
use crate::pipeline::kept::kept_chain;
use crate::pipeline::places::Places;
use crate::pipeline::trial::{Outcome, Verdict};
use crate::pipeline::worker::Command;

impl Runtime {
    /// Puts the component that was in service before back into service, and pins it: the file is not looked at until a person asks for it.
    pub fn rollback(&self, table: &str) -> Result<Offer> {
        let running = self.running(table)?;
        let _one_at_a_time = lock(&running.offers);
        let current = Arc::clone(&lock(&running.generation).generation);
        let before = self.before(running, &current)?;
        let (old, new) = (&current.table.fields, before.chain.outputs());
        let changes = changes(&running.plan, &self.pipeline.queries, old, new, true)?;
        let back = Arc::new(Generation { number: current.number + 1, pinned: true, ..before });
        back.chain.start()?;
        self.put_in_service(running, &back)?;
        for worker in &running.workers {
            worker.tell(Command::Take(Arc::clone(&back), None));
        }
        let digest = back.chain.digest().to_owned();
        tracing::info!(table, digest, "rolled back, and pinned");
        Ok(self.answered(running, digest, Ok((back.number, changes))))
    }

    /// What was in service before `current`, and was another.
    fn before(&self, running: &Running, current: &Generation) -> Result<Generation> {
        if let Some(before) = &lock(&running.generation).before {
            return Ok(Generation::clone(before));
        }
        let plan = &running.plan;
        let none =
            || Error::new(Kind::Missing, format!("table {:?}: no other component was in service before", plan.name));
        let history = Reader::open(&Places::of(&self.pipeline.data).cache)?.history(&plan.name)?;
        let earlier = history.iter().rev().map(|(generation, _)| generation);
        let earlier = earlier.filter(|generation| generation.number < current.number && !generation.withdrawn);
        let digest = earlier
            .map(|g| &g.digest)
            .find(|digest| digests(digest) != digests(current.chain.digest()))
            .ok_or_else(none)?;
        let chain = kept_chain(&self.host, plan, &self.components, digest)?;
        let table = Arc::new(current.table.with_fields(chain.outputs())?);
        Ok(Generation { chain, table, number: 0, pinned: false })
    }

    /// Withdraws generations that failed a worker's trial after others had taken them, for as long as the pipeline lives.
    pub(super) fn listen_to_trials(self: &Arc<Self>, failed: Receiver<Verdict>) -> Result<()> {
        let runtime = Arc::downgrade(self);
        let listen = move || {
            while let Ok(verdict) = failed.recv() {
                let Some(runtime) = runtime.upgrade() else { return };
                if let Err(error) = runtime.withdraw(&verdict) {
                    tracing::error!(table = &*verdict.table, error = error.message(), "generation not withdrawn");
                }
            }
        };
        spawn::thread("trials", listen).map(drop)
    }

    fn withdraw(&self, verdict: &Verdict) -> Result<()> {
        let running = self.running(&verdict.table)?;
        let _one_at_a_time = lock(&running.offers);
        let current = Arc::clone(&lock(&running.generation).generation);
        let Outcome::Failed(why) = &verdict.outcome else { return Ok(()) };
        if current.number != verdict.number {
            return Ok(());
        }
        let before = self.before(running, &current)?;
        let back = Arc::new(Generation { number: current.number + 1, pinned: false, ..before });
        self.note(&current, true)?;
        self.put_in_service(running, &back)?;
        lock(&running.generation).before = None;
        for worker in &running.workers {
            worker.tell(Command::Back(Arc::clone(&back)));
        }
        let (table, partition, digest) = (&*verdict.table, verdict.partition, current.chain.digest());
        tracing::error!(table, partition, digest, reason = why, "generation withdrawn, the one before it goes on");
        self.metrics.reloads.with_label_values(&[table, "withdrawn"]).inc();
        self.answered(running, digest.to_owned(), Err(format!("partition {partition}: on trial {why}; withdrawn")));
        Ok(())
    }
}
