//! Components that are offered to a table: checked, tried by one worker, then taken by all; and the way back.

use std::fs;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::start::cache_file;
use super::{Running, Runtime, Worker, lock, threads};
use crate::cache;
use crate::cache::query::Reader;
use crate::component::{self, Component};
use crate::config::plan;
use crate::error::{Error, Kind, OrFail, Result};
use crate::pipeline::cases::{self, Case};
use crate::pipeline::committer::Message;
use crate::pipeline::table::Generation;
use crate::pipeline::trial::{Outcome, Trial, Verdict};
use crate::pipeline::worker::Command;
use crate::reload;
use crate::time::Timestamp;

/// How long an offer waits for the worker that tries it, which may be held up by a commit.
const VERDICT_TIME_MAX: Duration = Duration::from_secs(10);

/// Who offers a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The watched file, which changed.
    File,
    /// A person, who thereby lets go of a pinned generation.
    Hand,
}

/// A component that was offered for a table, and the answer.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Offer {
    /// Its sha256.
    pub digest: String,
    /// When it was offered.
    #[serde(serialize_with = "crate::time::as_text")]
    pub at: Timestamp,
    /// The number of its generation, where it was taken.
    pub generation: Option<u64>,
    /// Why it was refused; none when it was taken.
    pub refused: Option<String>,
}

impl Runtime {
    /// Offers a component to a table. Off the loop it is compiled and checked; then one worker tries it on its next records, and only
    /// when these are handed over do the others take it. Errors with `Kind::Missing` where there is no such table; a refusal is an answer.
    pub fn offer(&self, table: &str, bytes: &[u8], by: By) -> Result<Offer> {
        let running = self.running(table)?;
        let _one_at_a_time = lock(&running.offers);
        let digest = component::digest(bytes);
        let current = Arc::clone(&lock(&running.generation).generation);
        if current.component.digest() == digest {
            let generation = self.let_go(running, current, by)?.number;
            return Ok(self.answered(running, digest, Ok(generation)));
        }
        let taken = if current.pinned && by == By::File {
            let pinned = format!("table {table:?}: generation {} is pinned", current.number);
            Err(Error::new(Kind::Conflict, pinned).hint(format!("take the file with `tidemill reload {table}`")))
        } else {
            self.take(running, bytes)
        };
        let result = if taken.is_ok() { "taken" } else { "refused" };
        self.metrics.reloads.with_label_values(&[table, result]).inc();
        match &taken {
            Ok(_) => tracing::info!(table, digest, "generation taken"),
            Err(reason) => tracing::error!(table, digest, %reason, "generation refused, the old one stays"),
        }
        let answer = taken.map(|generation| generation.number).map_err(|error| match error.next_step() {
            Some(hint) => format!("{error}; {hint}"),
            None => error.to_string(),
        });
        Ok(self.answered(running, digest, answer))
    }

    /// Offers what the table's file holds now.
    pub fn offer_file(&self, table: &str) -> Result<Offer> {
        let file = &self.running(table)?.table.plan.component;
        let bytes = fs::read(file).or_fail(Kind::Missing, || format!("component {}", file.display()))?;
        self.offer(table, &bytes, By::Hand)
    }

    /// Puts the component that was in service before back into service, and pins it: the file is not looked at until a person asks for it.
    pub fn rollback(&self, table: &str) -> Result<Offer> {
        let running = self.running(table)?;
        let _one_at_a_time = lock(&running.offers);
        let current = Arc::clone(&lock(&running.generation).generation);
        let before = self.before(running, &current)?;
        let back = Arc::new(Generation { number: current.number + 1, pinned: true, ..before });
        back.component.instantiate(&back.parameters)?;
        self.put_in_service(running, &back)?;
        for worker in &running.workers {
            worker.tell(Command::Take(Arc::clone(&back), None));
        }
        let digest = back.component.digest().to_owned();
        tracing::info!(table, digest, "rolled back, and pinned");
        Ok(self.answered(running, digest, Ok(back.number)))
    }

    /// The generations of a table, oldest first, each with what it did in each partition.
    pub fn generations(&self, table: &str) -> Result<Vec<(cache::Generation, Vec<cache::Work>)>> {
        self.running(table)?;
        Reader::open(&cache_file(&self.pipeline.data))?.history(table)
    }

    /// Keeps the answer to the last offer: the number of its generation, or why it was refused.
    fn answered(&self, running: &Running, digest: String, answer: Result<u64, String>) -> Offer {
        let (generation, refused) = match answer {
            Ok(number) => (Some(number), None),
            Err(refused) => (None, Some(refused)),
        };
        let offer = Offer { digest, at: self.clock.now(), generation, refused };
        lock(&running.generation).last_offer = Some(offer.clone());
        offer
    }

    fn running(&self, table: &str) -> Result<&Running> {
        let found = self.tables.iter().find(|running| running.table.plan.name == table);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.tables.iter().map(|running| running.table.plan.name.as_str()).collect();
            Error::new(Kind::Missing, format!("table {table:?}: there is none"))
                .hint(format!("the tables are {}", names.join(", ")))
        })
    }

    /// The component in service was offered again: a person's offer lets go of its pin.
    fn let_go(&self, running: &Running, current: Arc<Generation>, by: By) -> Result<Arc<Generation>> {
        if !current.pinned || by == By::File {
            return Ok(current);
        }
        let free = Arc::new(Generation { pinned: false, ..Generation::clone(&current) });
        self.remember(&running.table.plan.name, &free)?;
        lock(&running.generation).generation = Arc::clone(&free);
        Ok(free)
    }

    fn take(&self, running: &Running, bytes: &[u8]) -> Result<Arc<Generation>> {
        let table = &running.table;
        let component = self.host.load(bytes, &table.plan.limits)?;
        table.accepts(component.description())?;
        let back = Arc::clone(&lock(&running.generation).generation);
        let (number, parameters) = (back.number + 1, table.plan.parameters.clone());
        let generation = Arc::new(Generation { component, parameters, number, pinned: false });
        generation.component.instantiate(&generation.parameters)?;
        play_cases(&table.plan, &generation.component)?;
        reload::keep(&self.components, generation.component.digest(), bytes)?;
        let scout = self.try_out(running, &generation, &back)?;
        self.put_in_service(running, &generation)?;
        for worker in running.workers.iter().filter(|worker| worker.partition != scout) {
            let trial = Trial { back: Arc::clone(&back), answer: None, failures: self.failures.clone() };
            worker.tell(Command::Take(Arc::clone(&generation), Some(trial)));
        }
        Ok(generation)
    }

    /// Has the worker that is furthest behind try a generation; gives its partition once it has passed, or has nothing to try it on.
    fn try_out(&self, running: &Running, generation: &Arc<Generation>, back: &Arc<Generation>) -> Result<u32> {
        let behind = |worker: &&Worker| {
            let shown = lock(&worker.shown);
            let topic = self.topics.get(&running.table.plan.topic);
            let end = topic.map(|topic| topic.end(worker.partition)).or(shown.end).unwrap_or(0);
            end.saturating_sub(shown.next)
        };
        let none = || Error::new(Kind::Internal, format!("table {:?}: it has no worker", running.table.plan.name));
        let scout = running.workers.iter().max_by_key(behind).ok_or_else(none)?;
        let (answer, answered) = channel();
        let trial = Trial { back: Arc::clone(back), answer: Some(answer), failures: self.failures.clone() };
        scout.tell(Command::Take(Arc::clone(generation), Some(trial)));
        let held_up = |why: &str| {
            let what = format!("partition {}: it was not tried: {why}", scout.partition);
            Err(Error::new(Kind::Unavailable, what).hint("`tidemill status` shows what holds the worker up"))
        };
        match answered.recv_timeout(VERDICT_TIME_MAX).map(|verdict| verdict.outcome) {
            Ok(Outcome::Passed | Outcome::Untried) => Ok(scout.partition),
            Ok(Outcome::Failed(why)) => {
                let what =
                    format!("partition {}: on trial {why}; its records are cleaned by the old one", scout.partition);
                Err(Error::new(Kind::Transform, what))
            }
            Err(RecvTimeoutError::Timeout) => {
                scout.tell(Command::Back(Arc::clone(back)));
                held_up(&format!("the worker took more than {} s", VERDICT_TIME_MAX.as_secs()))
            }
            Err(RecvTimeoutError::Disconnected) => held_up("the worker has ended"),
        }
    }

    /// The component that was in service before `current`, and was another.
    fn before(&self, running: &Running, current: &Generation) -> Result<Generation> {
        if let Some(before) = &lock(&running.generation).before {
            return Ok(Generation::clone(before));
        }
        let plan = &running.table.plan;
        let none =
            || Error::new(Kind::Missing, format!("table {:?}: no other component was in service before", plan.name));
        let history = Reader::open(&cache_file(&self.pipeline.data))?.history(&plan.name)?;
        let earlier = history.iter().rev().map(|(generation, _)| generation);
        let earlier = earlier.filter(|generation| generation.number < current.number && !generation.withdrawn);
        let digest =
            earlier.map(|g| &g.digest).find(|digest| *digest != current.component.digest()).ok_or_else(none)?;
        let kept = reload::kept(&self.components, digest);
        let bytes = fs::read(&kept).or_fail(Kind::Missing, || format!("component {}", kept.display()))?;
        let component = self.host.load(&bytes, &plan.limits)?;
        running.table.accepts(component.description())?;
        Ok(Generation { component, parameters: plan.parameters.clone(), number: 0, pinned: false })
    }

    fn put_in_service(&self, running: &Running, generation: &Arc<Generation>) -> Result<()> {
        self.remember(&running.table.plan.name, generation)?;
        let mut in_service = lock(&running.generation);
        let old = std::mem::replace(&mut in_service.generation, Arc::clone(generation));
        in_service.before = Some(old);
        in_service.since = self.clock.now();
        Ok(())
    }

    /// Has the commit remember which generation a restart begins with.
    pub(super) fn remember(&self, table: &str, generation: &Generation) -> Result<()> {
        self.note(table, generation, false)
    }

    fn note(&self, table: &str, generation: &Generation, withdrawn: bool) -> Result<()> {
        let description = generation.component.description();
        let message = Message::Generation(cache::Generation {
            table: table.to_owned(),
            number: generation.number,
            digest: generation.component.digest().to_owned(),
            version: format!("{} {}", description.name, description.version),
            since: self.clock.now(),
            pinned: generation.pinned,
            withdrawn,
        });
        let messages = lock(&self.threads).as_ref().map(|threads| threads.messages.clone());
        let ended = || Error::new(Kind::Unavailable, format!("table {table:?}: the pipeline is ending"));
        messages.ok_or_else(ended)?.send(message).map_err(|_| ended())
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
        threads::spawn("trials", listen).map(drop)
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
        self.note(&verdict.table, &current, true)?;
        self.put_in_service(running, &back)?;
        lock(&running.generation).before = None;
        for worker in &running.workers {
            worker.tell(Command::Back(Arc::clone(&back)));
        }
        let (table, partition, digest) = (&*verdict.table, verdict.partition, current.component.digest());
        tracing::error!(table, partition, digest, reason = why, "generation withdrawn, the one before it goes on");
        self.metrics.reloads.with_label_values(&[table, "withdrawn"]).inc();
        self.answered(running, digest.to_owned(), Err(format!("partition {partition}: on trial {why}; withdrawn")));
        Ok(())
    }
}

/// Plays the table's test cases with a component that is offered; the first that does not pass refuses it.
fn play_cases(plan: &plan::Table, component: &Component) -> Result<()> {
    for folder in cases::list(&plan.cases)? {
        let case = Case::read(&folder)?;
        let played = cases::play(plan, component, &case)?;
        let differs = played.differences(&case)?;
        if let Some(difference) = played.unsteady.iter().chain(&differs).next() {
            let what = format!("case {}: {difference}", folder.display());
            return Err(Error::new(Kind::Transform, what).hint("`tidemill test` shows all that differs"));
        }
    }
    Ok(())
}

impl Worker {
    /// Tells it something. One that has ended is not missed: what is in service is remembered for the next start.
    fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
        self.thread.unpark();
    }
}
