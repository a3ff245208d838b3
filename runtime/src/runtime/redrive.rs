//! Redrive: a running pipeline's dead letters through the chain in service, or through one that is offered for them alone.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use super::offers::prepared;
use super::{Offered, Runtime, lock};
use crate::cache::letters::{Letter, Which};
use crate::cache::query::Reader;
use crate::component;
use crate::error::{Error, Kind, Result};
use crate::pipeline::change::changes;
use crate::pipeline::committer::Message;
use crate::pipeline::generation::Generation;
use crate::pipeline::kept;
use crate::pipeline::places::Places;
use crate::pipeline::redrive::{self, Kept, Redrive, Report};

/// The most letters of one redrive, which is one transaction where it is applied.
const LETTERS_MAX: usize = 4096;

/// Which letters are redriven.
#[derive(Clone, Debug)]
pub enum Letters {
    /// Those that are meant, by rising partition and offset; at most 4096 in one turn.
    Meant(Which),
    /// Those of these partitions and offsets.
    These(Vec<(u32, u64)>),
}

impl Runtime {
    /// Runs letters of a table that wait through the chain in service, with what is offered in its place. The report says what
    /// comes of them; its `next` is where the next turn goes on. Where it is to `apply`, one transaction puts the rows where they
    /// belong and notes what became of the letters; it is done when this returns.
    ///
    /// Errors with `Kind::Missing` where there is no such table or letter, with `Kind::Input` where what is offered writes other
    /// fields than the table has, with `Kind::Unavailable` where the pipeline ends meanwhile.
    pub fn redrive(&self, table: &str, letters: Letters, with: Option<Offered<'_>>, apply: bool) -> Result<Report> {
        let running = self.running(table)?;
        let _one_at_a_time = lock(&running.redrives);
        let live = Arc::clone(&lock(&running.generation).generation);
        let generation = match with {
            Some(offered) => {
                if apply {
                    kept::keep(&self.components, &component::digest(&offered.bytes), &offered.bytes)?;
                }
                Arc::new(self.instead(&live, offered)?)
            }
            None => live,
        };
        let reader = Reader::open(&Places::of(&self.pipeline.data).cache)?;
        let (letters, next) = found(&reader, table, letters)?;
        let revision = if apply { Some(reader.last_revision(table)? + 1) } else { None };
        drop(reader);
        let letters: Vec<_> = letters.into_iter().map(|letter| letter.letter).collect();
        let (mut report, kept) = redrive::run(&generation, &letters, revision, self.clock.now())?;
        report.next = next;
        if let Some(revision) = revision.filter(|_| !kept.healed.is_empty()) {
            report.late = self.commit_redrive(table, revision, kept)?.into_iter().collect();
            report.revisions.push(revision);
            let (out, dropped, rejected) = (report.out, report.dropped, report.rejected);
            tracing::info!(table, revision, digest = report.digest, out, dropped, rejected, "dead letters redriven");
        }
        Ok(report)
    }

    /// The generation in service with another component in one place, for letters alone.
    fn instead(&self, live: &Generation, offered: Offered<'_>) -> Result<Generation> {
        let plan = &live.table.plan;
        let chain = prepared(&self.host, plan, &live.chain, &[offered])?;
        let (old, new) = (&live.table.fields, chain.outputs());
        changes(plan, &self.pipeline.queries, old, new, false).map_err(|error| {
            Error::new(error.kind(), error.message())
                .hint("give a component that writes the table's fields as they are")
        })?;
        let table = if old == new { Arc::clone(&live.table) } else { Arc::new(live.table.with_fields(new)?) };
        Ok(Generation { chain, table, number: live.number, pinned: false })
    }

    fn commit_redrive(&self, table: &str, revision: u64, kept: Kept) -> Result<Vec<(String, u64)>> {
        let (done, answered) = sync_channel(1);
        let redrive = Redrive { table: table.to_owned(), revision, kept, done };
        let messages = lock(&self.threads).as_ref().map(|threads| threads.messages.clone());
        let ended = || {
            Error::new(Kind::Unavailable, format!("table {table:?}: the pipeline is ending, and its letters stay"))
                .hint("start it, and give the same command again")
        };
        // The sender is let go at once: the committer ends when nobody holds one.
        messages.ok_or_else(ended)?.send(Message::Redrive(Box::new(redrive))).map_err(|_| ended())?;
        answered.recv().map_err(|_| ended())?
    }
}

/// The partition and the offset of a letter.
type Id = (u32, u64);

/// The letters, and the last of them where there may be more.
fn found(reader: &Reader, table: &str, letters: Letters) -> Result<(Vec<Letter>, Option<Id>)> {
    match letters {
        Letters::Meant(which) => {
            let found = reader.letters(table, &Which { healed: false, ..which }, LETTERS_MAX)?;
            let last = found.last().map(|last| (last.letter.partition, last.letter.offset));
            Ok((found, last))
        }
        Letters::These(mut ids) => {
            ids.sort_unstable();
            ids.dedup();
            let mut found = Vec::new();
            for (partition, offset) in ids {
                let letter = reader.letter(table, partition, offset)?.ok_or_else(|| {
                    Error::new(Kind::Missing, format!("dead letter {table}/{partition}/{offset}: there is none"))
                        .hint("`tidemill dead-letters list --each` names them")
                })?;
                // What was healed before has nothing more to gain.
                found.extend(Some(letter).filter(|letter| letter.healed.is_none()));
            }
            Ok((found, None))
        }
    }
}
