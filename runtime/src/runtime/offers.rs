//! Components that are offered to a table: checked, tried by one worker, then taken by all; and the way back.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::{Running, Runtime, Worker, lock};
use crate::cache;
use crate::cache::query::Reader;
use crate::component::{self, Host};
use crate::config::plan;
use crate::error::{Error, Kind, Result};
use crate::pipeline::cases::{self, Case};
use crate::pipeline::change::changes;
use crate::pipeline::committer::Message;
use crate::pipeline::generation::{Chain, Generation, digests, load_component, read_component, with_digests};
use crate::pipeline::kept;
use crate::pipeline::places::Places;
use crate::pipeline::trial::{Outcome, Trial};
use crate::pipeline::worker::Command;
use crate::time::Timestamp;

/// How long an offer waits for the worker that tries it, which may be held up by a commit.
const VERDICT_TIME_MAX: Duration = Duration::from_secs(10);

/// Who offers components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The watched file, which changed.
    File,
    /// A person, who thereby lets go of a pinned generation.
    Hand {
        /// Whether fields may go or become others, where the pipeline file does not name them.
        accept_breaking: bool,
    },
}

/// A component that is offered in one place of a table's chain, counted from 0.
pub struct Offered<'a> {
    /// The place.
    pub place: usize,
    /// The component's bytes.
    pub bytes: Cow<'a, [u8]>,
}

/// What was offered for a table, and the answer.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Offer {
    /// The digest of the chain that it would make.
    pub digest: String,
    /// When it was offered.
    #[serde(serialize_with = "crate::time::as_text")]
    pub at: Timestamp,
    /// The number of its generation, where it was taken.
    pub generation: Option<u64>,
    /// What the table's fields became, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// Why it was refused; none when it was taken.
    pub refused: Option<String>,
}

impl Runtime {
    /// Offers components to a table. Off the loop they are compiled and checked; then one worker tries them on its next records, and only
    /// when these are handed over do the others take them. Errors with `Kind::Missing` where there is no such table; a refusal is an answer.
    pub fn offer(&self, table: &str, offered: &[Offered<'_>], by: By) -> Result<Offer> {
        let running = self.running(table)?;
        let _one_at_a_time = lock(&running.offers);
        let current = Arc::clone(&lock(&running.generation).generation);
        let digest = would_be(current.chain.digest(), offered);
        if current.chain.digest() == digest {
            let generation = self.let_go(running, current, by)?;
            return Ok(self.answered(running, digest, Ok((generation.number, Vec::new()))));
        }
        let taken = if current.pinned && by == By::File {
            let pinned = format!("table {table:?}: generation {} is pinned", current.number);
            Err(Error::new(Kind::Conflict, pinned).hint(format!("take the file with `tidemill reload {table}`")))
        } else {
            self.take(running, offered, by)
        };
        let result = if taken.is_ok() { "taken" } else { "refused" };
        self.metrics.reloads.with_label_values(&[table, result]).inc();
        match &taken {
            Ok((_, changes)) => tracing::info!(table, digest, changes = changes.join("; "), "generation taken"),
            Err(reason) => tracing::error!(table, digest, %reason, "generation refused, the old one stays"),
        }
        let taken = taken.map(|(generation, changes)| (generation.number, changes));
        Ok(self.answered(running, digest, taken.map_err(|error| error.line())))
    }

    /// Offers what the files of a table's transforms hold now.
    pub fn offer_files(&self, table: &str, by: By) -> Result<Offer> {
        let plan = &self.running(table)?.plan;
        let read = |(place, transform)| Ok(Offered { place, bytes: read_component(transform)?.into() });
        let offered: Vec<Offered<'_>> = plan.transforms.iter().enumerate().map(read).collect::<Result<_>>()?;
        self.offer(table, &offered, by)
    }

    /// The place of a transform in a table's chain: by its number from 1, or by its name; where there is but one, it need not be said.
    pub fn place(&self, table: &str, transform: Option<&str>) -> Result<usize> {
        let running = self.running(table)?;
        let chain = lock(&running.generation).generation.chain.clone();
        chain.place(table, transform)
    }

    /// The generations of a table, oldest first, each with what it did in each partition.
    pub fn generations(&self, table: &str) -> Result<Vec<(cache::Generation, Vec<cache::Work>)>> {
        self.running(table)?;
        Reader::open(&Places::of(&self.pipeline.data).cache)?.history(table)
    }

    /// Keeps the answer to the last offer: the number of its generation with what the fields became, or why it was refused.
    pub(super) fn answered(
        &self,
        running: &Running,
        digest: String,
        answer: Result<(u64, Vec<String>), String>,
    ) -> Offer {
        let (generation, changes, refused) = match answer {
            Ok((number, changes)) => (Some(number), changes, None),
            Err(refused) => (None, Vec::new(), Some(refused)),
        };
        let offer = Offer { digest, at: self.clock.now(), generation, changes, refused };
        lock(&running.generation).last_offer = Some(offer.clone());
        offer
    }

    pub(super) fn running(&self, table: &str) -> Result<&Running> {
        let found = self.tables.iter().find(|running| running.plan.name == table);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.tables.iter().map(|running| running.plan.name.as_str()).collect();
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
        self.remember(&free)?;
        lock(&running.generation).generation = Arc::clone(&free);
        Ok(free)
    }

    fn take(&self, running: &Running, offered: &[Offered<'_>], by: By) -> Result<(Arc<Generation>, Vec<String>)> {
        let back = Arc::clone(&lock(&running.generation).generation);
        let (generation, changes) = self.prepare(running, &back, offered, by)?;
        for part in offered {
            kept::keep(&self.components, &component::digest(&part.bytes), &part.bytes)?;
        }
        let scout = self.try_out(running, &generation, &back)?;
        self.put_in_service(running, &generation)?;
        for worker in running.workers.iter().filter(|worker| worker.partition != scout) {
            let trial = Trial { back: Arc::clone(&back), answer: None, failures: self.failures.clone() };
            worker.tell(Command::Take(Arc::clone(&generation), Some(trial)));
        }
        Ok((generation, changes))
    }

    /// What is offered as the generation after `back`: compiled, checked, played through the table's cases; with what the fields become.
    fn prepare(
        &self,
        running: &Running,
        back: &Generation,
        offered: &[Offered<'_>],
        by: By,
    ) -> Result<(Arc<Generation>, Vec<String>)> {
        let plan = &running.plan;
        let chain = prepared(&self.host, plan, &back.chain, offered)?;
        let accept_breaking = by == By::Hand { accept_breaking: true };
        let (old, new) = (&back.table.fields, chain.outputs());
        let changes = changes(plan, &self.pipeline.queries, old, new, accept_breaking)?;
        let table = if old == new { Arc::clone(&back.table) } else { Arc::new(back.table.with_fields(new)?) };
        play_cases(plan, &chain)?;
        Ok((Arc::new(Generation { chain, table, number: back.number + 1, pinned: false }), changes))
    }

    /// Has the worker that is furthest behind try a generation; gives its partition once it has passed, or has nothing to try it on.
    fn try_out(&self, running: &Running, generation: &Arc<Generation>, back: &Arc<Generation>) -> Result<u32> {
        let behind = |worker: &&Worker| {
            let shown = lock(&worker.shown);
            let topic = self.topics.get(&running.plan.topic);
            let end = topic.map(|topic| topic.end(worker.partition)).or(shown.end).unwrap_or(0);
            end.saturating_sub(shown.next)
        };
        let none = || Error::new(Kind::Internal, format!("table {:?}: it has no worker", running.plan.name));
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

    pub(super) fn put_in_service(&self, running: &Running, generation: &Arc<Generation>) -> Result<()> {
        self.remember(generation)?;
        let mut in_service = lock(&running.generation);
        let old = std::mem::replace(&mut in_service.generation, Arc::clone(generation));
        in_service.before = Some(old);
        in_service.since = self.clock.now();
        Ok(())
    }

    /// Has the commit remember which generation a restart begins with.
    fn remember(&self, generation: &Generation) -> Result<()> {
        self.note(generation, false)
    }

    pub(super) fn note(&self, generation: &Generation, withdrawn: bool) -> Result<()> {
        let message = Message::Generation(generation.noted(self.clock.now(), withdrawn));
        let messages = lock(&self.threads).as_ref().map(|threads| threads.messages.clone());
        let name = &generation.table.plan.name;
        let ended = || Error::new(Kind::Unavailable, format!("table {name:?}: the pipeline is ending"));
        messages.ok_or_else(ended)?.send(message).map_err(|_| ended())
    }
}

/// A chain with what is offered in it: compiled, and found to start.
pub(super) fn prepared(host: &Host, plan: &plan::Table, live: &Chain, offered: &[Offered<'_>]) -> Result<Chain> {
    let mut others = Vec::new();
    for Offered { place, bytes } in offered {
        let Some(transform) = plan.transforms.get(*place) else { continue };
        others.push((*place, load_component(host, transform, bytes)?));
    }
    let chain = live.replaced(others)?;
    chain.start()?;
    Ok(chain)
}

/// The digest of a chain with what is offered in it.
pub(super) fn would_be(current: &str, offered: &[Offered<'_>]) -> String {
    let mut digests: Vec<String> = digests(current).into_iter().map(str::to_owned).collect();
    for Offered { place, bytes } in offered {
        digests.get_mut(*place).into_iter().for_each(|digest| *digest = component::digest(bytes));
    }
    with_digests(current, &digests.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Plays the table's test cases with a chain that is offered; the first that does not pass refuses it.
fn play_cases(plan: &plan::Table, chain: &Chain) -> Result<()> {
    for folder in cases::list(&plan.cases)? {
        let case = Case::read(&folder)?;
        let played = cases::play(plan, chain, &case)?;
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
    pub(super) fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
        self.thread.unpark();
    }
}
