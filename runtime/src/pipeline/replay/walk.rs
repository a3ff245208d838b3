//! A walk through the epochs of a table: each run again, and held against its rows.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::again::{Again, Came, places};
use super::compare::{Chunk, Compared};
use super::records::Records;
use super::report::{Partition, Report};
use super::windows;
use super::{Changed, Replay};
use crate::cache::Fate;
use crate::cache::query::Reader;
use crate::commit::{DeadLetter, Epoch, Revision, Segment};
use crate::config::plan;
use crate::error::{Error, Kind, Result};
use crate::lake::Profile;
use crate::log::Survey;
use crate::pipeline::generation::Chain;
use crate::pipeline::kept::chain_then;
use crate::pipeline::segments::{Segments, Target};
use crate::pipeline::worker::CHUNK_ROWS;
use crate::pipeline::written::{Files, Row, Rows, of_batch};
use crate::record::{Batch, Record};
use crate::schema::Field;
use crate::time::Timestamp;

/// Chains that are at work at a time.
const CHAINS_MAX: usize = 4;

/// An epoch that differs: its partition, its first offset, the one after the last, its segments.
pub(super) type Differs = (u32, u64, u64, Vec<Segment>);

/// A walk through the epochs of a table.
pub(super) struct Walk<'a> {
    replay: &'a Replay<'a>,
    plan: &'a plan::Table,
    reader: &'a Reader,
    files: &'a Files<'a>,
    revision: u64,
    keep: &'a mut dyn FnMut(Changed) -> Result<()>,
    report: Report,
    agains: Vec<Again>,
    chains: Vec<((String, Vec<String>), Chain)>,
    fields: BTreeMap<String, Vec<Field>>,
    epochs: Vec<Differs>,
    windows: Vec<BTreeSet<i64>>,
    done: u64,
    total: u64,
    profile: Profile,
}

/// An epoch under way.
struct Open {
    line: Epoch,
    chain: Chain,
    letters: Vec<Fate>,
    /// The chain that healed letters, by revision, where it was another.
    redrives: BTreeMap<u64, Chain>,
    /// Letters that those healed, by offset.
    redriven: BTreeMap<u64, u64>,
    compared: Compared,
    dead: Vec<DeadLetter>,
    /// Windows of all rows, by aggregate, where a column has their time.
    windows: Vec<BTreeSet<i64>>,
}

impl<'a> Walk<'a> {
    /// Walks through all that is asked for: what was found, the epochs that differ, the windows of each aggregate that may.
    pub(super) fn run(
        replay: &'a Replay<'a>,
        plan: &'a plan::Table,
        reader: &'a Reader,
        files: &'a Files<'a>,
        revision: u64,
        keep: &'a mut dyn FnMut(Changed) -> Result<()>,
    ) -> Result<(Report, Vec<Differs>, Vec<BTreeSet<i64>>)> {
        let with = replay.asked.with.as_ref().map(|(_, component)| component.digest().to_owned());
        let mut walk = Walk {
            replay,
            plan,
            reader,
            files,
            revision,
            keep,
            report: Report { table: plan.name.clone(), with, ..Report::default() },
            agains: Vec::new(),
            chains: Vec::new(),
            fields: BTreeMap::new(),
            epochs: Vec::new(),
            windows: vec![BTreeSet::new(); plan.aggregates.len()],
            done: 0,
            total: 0,
            profile: Profile::default(),
        };
        let of = replay.asked.partition;
        let wanted = |(name, partition): &(String, u32)| *name == plan.name && of.is_none_or(|of| of == *partition);
        let partitions: Vec<(String, u32)> = reader.partitions()?.into_iter().filter(wanted).collect();
        for (table, partition) in &partitions {
            walk.total += reader.position(table, *partition)?.map_or(0, |position| position.epoch);
        }
        partitions.into_iter().try_for_each(|(_, partition)| walk.partition(partition))?;
        Ok((walk.report, walk.epochs, walk.windows))
    }

    fn partition(&mut self, partition: u32) -> Result<()> {
        let (reader, table) = (self.reader, self.plan.name.as_str());
        let survey = match Survey::open(&self.replay.places.topics, &self.plan.topic, partition) {
            Ok(survey) => Some(survey),
            Err(error) if matches!(error.kind(), Kind::Missing | Kind::Corrupt) => None,
            Err(error) => return Err(error),
        };
        let mut records = survey.map(Records::new);
        let revisions = reader.revisions(table, partition)?;
        let mut rows: Option<Rows<'_>> = None;
        let mut before = Timestamp::MIN;
        let mut account = Partition { partition, ..Partition::default() };
        for line in reader.lines(table, partition) {
            let line = line?;
            self.done += 1;
            (self.replay.progress)(self.done, self.total);
            let wanted = self.replay.asked.takes(&line, before);
            before = line.watermark;
            if !wanted {
                continue;
            }
            if account.epochs == 0 {
                account.from = line.from;
            }
            account.epochs += 1;
            account.to = line.next;
            let there = records.as_mut().filter(|records| records.earliest().is_some_and(|first| first <= line.from));
            let Some(records) = there else {
                let why = "their records are no longer in the topic: retention has removed them";
                self.report.not_provable(partition, line.from, line.next, why);
                continue;
            };
            if rows.is_none() {
                let format = self.replay.pipeline.lake.format;
                rows = Some(Rows::new(reader, self.files, format, (table, partition), line.from)?);
            }
            let Some(rows) = &mut rows else { continue };
            let of: Vec<&Revision> = revisions.iter().filter(|revision| revision.epoch == line.epoch).collect();
            if self.epoch(line, &of, records, rows)? {
                account.epochs_changed += 1;
            }
        }
        if account.epochs > 0 {
            self.report.partitions.push(account);
        }
        Ok(())
    }

    /// Runs an epoch again; whether something differs.
    fn epoch(
        &mut self,
        line: Epoch,
        revisions: &[&Revision],
        records: &mut Records,
        rows: &mut Rows<'_>,
    ) -> Result<bool> {
        let partition = line.partition;
        let mut open = self.open(line, revisions)?;
        let (from, next) = (open.line.from, open.line.next);
        let digest = open.chain.digest().to_owned();
        let (revision, epoch) = (self.revision, open.line.epoch);
        let table = self.again(&open.chain, partition)?.table.clone();
        let mut segments = Segments::new(Segment {
            file: format!("{}+{partition}+{epoch}+v{revision}", self.plan.name),
            table: self.plan.name.clone(),
            partition,
            revision,
            replaces: true,
            digest: digest.clone(),
            ..Segment::default()
        });
        records.seek(from);
        let gone = loop {
            match records.chunk(next, CHUNK_ROWS) {
                Ok(Some(range)) => {
                    let last = records.batch.get(range.end - 1).map_or(next, |record| record.offset + 1);
                    let was = rows.before(last, &mut |digest| self.fields(digest))?;
                    let came = self.came(&mut open, &records.batch, range.clone())?;
                    self.chunk(&mut open, records.batch.range(range).collect(), &was, &came)?;
                    for rows in &came.rows {
                        let (times, offsets) = places(rows)?;
                        let mut target = Target { table: &table, profile: &mut self.profile };
                        segments.write(&mut target, rows, &times, &offsets)?;
                    }
                }
                Ok(None) => break None,
                Err(error) if error.kind() == Kind::Corrupt => break Some(error.message().to_owned()),
                Err(error) => return Err(error),
            }
        };
        let was = rows.before(next, &mut |digest| self.fields(digest))?;
        let found = open.compared.report.records;
        if gone.is_some() || found != open.line.records_in {
            segments.abandon(&table);
            let why = gone.unwrap_or_else(|| "some of their records are no longer in the topic".to_owned());
            self.report.not_provable(partition, from, next, &why);
            return Ok(false);
        }
        self.chunk(&mut open, Vec::new(), &was, &Came::default())?;
        let changed = open.compared.report.records_changed > 0;
        self.report.take(&mut open.compared.report, self.replay.asked.rows_max);
        if !changed {
            segments.abandon(&table);
            return Ok(false);
        }
        let mut target = Target { table: &table, profile: &mut self.profile };
        let segments = segments.cover(&mut target, &open.line)?;
        self.close(open, segments)?;
        Ok(true)
    }

    /// Gives away an epoch of which something differs.
    fn close(&mut self, open: Open, segments: Vec<Segment>) -> Result<()> {
        let Open { line, chain, compared, dead, windows: all, .. } = open;
        for (at, windows) in self.windows.iter_mut().enumerate() {
            windows.extend(compared.windows.get(at).into_iter().flatten());
            if compared.touched.get(at) == Some(&true) {
                windows.extend(all.get(at).into_iter().flatten());
            }
        }
        self.epochs.push((line.partition, line.from, line.next, segments.clone()));
        let [out, dropped, rejected, rows] = compared.more;
        let line = Revision {
            table: line.table,
            partition: line.partition,
            epoch: line.epoch,
            revision: self.revision,
            out,
            dropped,
            rejected,
            rows,
            replaces: true,
            cuts: segments.iter().map(Segment::cut).collect(),
            digest: chain.digest().to_owned(),
            ..Revision::default()
        };
        (self.keep)(Changed { line, segments, healed: compared.healed, letters: dead })
    }

    /// An epoch, with the chain that made what is in force of it.
    fn open(&mut self, line: Epoch, revisions: &[&Revision]) -> Result<Open> {
        let table = self.plan.name.as_str();
        let letters = self.reader.fates(table, line.partition, line.from, line.next)?;
        let replaced = revisions.iter().rfind(|revision| revision.replaces);
        let digest = replaced.map_or(line.digest.as_str(), |revision| revision.digest.as_str());
        let parameters = self.reader.parameters(table, line.generation)?.unwrap_or_default();
        let mut chain = self.chain(digest, &parameters)?;
        let (mut redrives, mut redriven) = (BTreeMap::new(), BTreeMap::new());
        if let Some((place, component)) = &self.replay.asked.with {
            chain = chain.replaced(vec![(*place, component.clone())])?;
        } else {
            let since = replaced.map_or(0, |revision| revision.revision);
            for letter in &letters {
                let Some((_, revision)) = letter.healed.filter(|(_, revision)| *revision > since) else { continue };
                redriven.insert(letter.offset, revision);
                if let (false, Some(of)) =
                    (redrives.contains_key(&revision), revisions.iter().find(|of| of.revision == revision))
                {
                    let parameters = self.reader.parameters_at(table, of.committed)?.unwrap_or_default();
                    redrives.insert(revision, self.chain(&of.digest, &parameters)?);
                }
            }
        }
        let windows = vec![BTreeSet::new(); self.plan.aggregates.len()];
        let compared = Compared::new(self.plan);
        Ok(Open { line, chain, letters, redrives, redriven, compared, dead: Vec::new(), windows })
    }

    /// What comes of a chunk of records.
    fn came(&mut self, open: &mut Open, batch: &Batch, range: Range<usize>) -> Result<Came> {
        let partition = open.line.partition;
        let of = |record: &Record<'_>| open.redriven.get(&record.offset).copied();
        if batch.range(range.clone()).all(|record| of(&record).is_none()) {
            return self.again(&open.chain, partition)?.run(batch, range);
        }
        let mut parts: BTreeMap<Option<u64>, Batch> = BTreeMap::new();
        batch.range(range).for_each(|record| parts.entry(of(&record)).or_default().push(record));
        let mut came = Came::default();
        let fields = self.again(&open.chain, partition)?.table.fields.clone();
        for (revision, part) in parts {
            let chain = revision.and_then(|revision| open.redrives.get(&revision)).unwrap_or(&open.chain).clone();
            let more = self.again(&chain, partition)?.run(&part, 0..part.len())?;
            came = came.join(more, &fields)?;
        }
        Ok(came)
    }

    /// Compares a chunk with what was written.
    fn chunk(&mut self, open: &mut Open, records: Vec<Record<'_>>, was: &[Row], came: &Came) -> Result<()> {
        let mut now = Vec::new();
        for rows in &came.rows {
            now.extend(of_batch(rows)?);
            windows::note(self.plan, rows, &mut open.windows);
        }
        let rejected: BTreeMap<u64, String> = came.rejected.iter().cloned().collect();
        let offsets: Vec<u64> = records.iter().map(|record| record.offset).collect();
        let before = open.compared.rejected.len();
        let chunk = Chunk {
            partition: open.line.partition,
            records: &offsets,
            letters: &open.letters,
            rejected: &rejected,
            was,
            now: &now,
        };
        open.compared.take(&chunk, self.plan, self.replay.asked.rows_max)?;
        for offset in open.compared.rejected.iter().skip(before) {
            let record = offsets.binary_search(offset).ok().and_then(|at| records.get(at));
            open.dead.extend(record.map(|record| DeadLetter {
                table: self.plan.name.clone(),
                partition: open.line.partition,
                offset: *offset,
                epoch: open.line.epoch,
                time: record.time,
                reason: rejected.get(offset).cloned().unwrap_or_default(),
                digest: open.chain.digest().to_owned(),
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record.headers.to_vec(),
            }));
        }
        Ok(())
    }

    /// A chain at work; it goes on where it was, as a worker's does.
    fn again(&mut self, chain: &Chain, partition: u32) -> Result<&mut Again> {
        let at = match self.agains.iter().position(|again| again.is(chain, partition)) {
            Some(at) => at,
            None => {
                let format = self.replay.pipeline.lake.format;
                let again = Again::start(chain, self.plan, format, self.replay.spool, partition)
                    .map_err(|error| error.within(format!("chain {}", chain.digest())))?;
                self.agains.truncate(CHAINS_MAX - 1);
                self.agains.insert(0, again);
                0
            }
        };
        self.agains.get_mut(at).ok_or_else(|| Error::new(Kind::Internal, "replay: a chain is lost"))
    }

    fn chain(&mut self, digest: &str, parameters: &[String]) -> Result<Chain> {
        let known = |((of, with), _): &&((String, Vec<String>), Chain)| of == digest && with == parameters;
        if let Some((_, chain)) = self.chains.iter().find(known) {
            return Ok(chain.clone());
        }
        let replay = self.replay;
        let chain = chain_then(replay.host, self.plan, &replay.places.components, digest, parameters)?;
        self.chains.push(((digest.to_owned(), parameters.to_vec()), chain.clone()));
        Ok(chain)
    }

    /// The fields that a chain writes.
    fn fields(&mut self, digest: &str) -> Result<Vec<Field>> {
        if let Some(fields) = self.fields.get(digest) {
            return Ok(fields.clone());
        }
        let fields = self.chain(digest, &[])?.outputs().to_vec();
        self.fields.insert(digest.to_owned(), fields.clone());
        Ok(fields)
    }
}
