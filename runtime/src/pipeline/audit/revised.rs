//! What revisions have written held against their lines: the rows that came beside those of epochs, and those in their place.

use std::collections::{BTreeMap, VecDeque};

use super::cached::Cached;
use super::cuts::{Outs, Walk, agree, name, nowhere, of_line};
use super::origins::Piece;
use super::report::{Fault, Report, What};
use crate::cache::query::Reader;
use crate::cache::{Holding, Replaced};
use crate::commit::{Cut, Epoch, Object, Revision};
use crate::error::Result;
use crate::time::Timestamp;

impl Walk<'_> {
    /// What revisions have added: together the rows that their lines say, each object those of its letters.
    pub(super) fn revised(
        &mut self,
        table: &str,
        partition: u32,
        replaced: &Replaced,
        cached: &mut Cached<'_>,
        report: &mut Report,
    ) -> Result<()> {
        let size = self.audit.pipeline.tables.iter().find(|plan| plan.name == table).map(|plan| plan.window);
        let mut missing: BTreeMap<u64, i64> = BTreeMap::new();
        let lines = self.reader.revisions(table, partition)?;
        for line in lines.iter().filter(|line| !line.replaces) {
            *missing.entry(line.revision).or_default() += line.rows;
        }
        let mut replays = replays(self.reader, &lines)?;
        let reader = self.reader;
        reader.each_holding(table, partition, true, |holding| {
            self.tick();
            let object = &holding.object;
            if let Some((pieces, outs)) = replays.get_mut(&object.revision) {
                return self.replayed(&holding, pieces, outs, replaced, cached, report);
            }
            *missing.entry(object.revision).or_default() -= object.rows.cast_signed();
            let records =
                reader.healed_in(object, size.map_or(Timestamp(i64::MAX), |size| object.window.plus(size)))?;
            let Object { window, first_offset, next_offset, rows, .. } = *object;
            let cut = Cut { window, first_offset, next_offset, rows };
            let digest = object.digests.first().cloned().unwrap_or_default();
            let piece = [Piece { epoch: 0, digest, out: records, cut, is_last: true }];
            if let Some(of) = report.of(table, partition) {
                of.objects += u64::from(!object.key.is_empty());
                of.rows_waiting += if holding.delivered.is_none() { rows } else { 0 };
            }
            let Some(fetched) = self.read(&holding, report)? else { return cached.absent(object) };
            // What became of its letters in a later revision is that one's to say.
            let is_last = !replaced.touches(first_offset, next_offset, object.revision);
            if let Some(found) = self.contents(fetched, object, (&piece, replaced), cached, report)?
                && is_last
                && found.first() != Some(&records)
            {
                let said = format!("{records} letters of its revision became rows, and it has {found:?}");
                let fault = Fault::new(What::Sum, said).of(table, partition).key(name(&holding));
                report.fault(fault.offsets(first_offset, next_offset));
            }
            Ok(())
        })?;
        for piece in replays.values().flat_map(|(pieces, _)| pieces) {
            report.fault(nowhere(table, partition, piece));
        }
        for (revision, rows) in missing.into_iter().filter(|(_, rows)| *rows != 0) {
            let said = format!("revision {revision} says {rows} rows more than its objects have");
            report.fault(Fault::new(What::Gap, said).of(table, partition));
        }
        Ok(())
    }

    /// What a replay has written: each object has the rows of its cuts, as those of epochs do.
    fn replayed(
        &mut self,
        holding: &Holding,
        pieces: &mut VecDeque<Piece>,
        outs: &mut Outs,
        replaced: &Replaced,
        cached: &mut Cached<'_>,
        report: &mut Report,
    ) -> Result<()> {
        let object = &holding.object;
        let (table, partition) = (object.table.as_str(), object.partition);
        let mut mine = Vec::new();
        while let Some(piece) = pieces.pop_front_if(|piece| piece.cut.first_offset < object.next_offset) {
            match piece.cut.next_offset <= object.first_offset {
                true => report.fault(nowhere(table, partition, &piece)),
                false => mine.push(piece),
            }
        }
        agree(holding, &mine, report);
        if let Some(of) = report.of(table, partition) {
            of.objects += u64::from(!object.key.is_empty());
            of.rows_waiting += if holding.delivered.is_none() { object.rows } else { 0 };
        }
        let records = match self.read(holding, report)? {
            Some(fetched) => self.contents(fetched, object, (&mine, replaced), cached, report)?,
            None => {
                cached.absent(object)?;
                None
            }
        };
        outs.count(table, partition, &mine, records.as_deref(), report);
        Ok(())
    }
}

/// The cuts of each replay, by its revision and by rising offset.
fn replays(reader: &Reader, lines: &[Revision]) -> Result<BTreeMap<u64, (VecDeque<Piece>, Outs)>> {
    let mut replays: BTreeMap<u64, (VecDeque<Piece>, Outs)> = BTreeMap::new();
    for of_epoch in lines.chunk_by(|one, next| one.epoch == next.epoch) {
        let Some((line, cut)) = of_epoch.iter().find_map(|line| Some((line, line.cuts.first()?))) else { continue };
        let mut out = reader.line_at(&line.table, line.partition, cut.first_offset)?.map_or(0, |epoch| epoch.out);
        for line in of_epoch {
            out = out.saturating_add_signed(line.out);
            if line.replaces {
                let Revision { epoch, digest, cuts, .. } = line.clone();
                let pieces = of_line(&Epoch { epoch, digest, cuts, out, ..Epoch::default() });
                replays.entry(line.revision).or_default().0.extend(pieces);
            }
        }
    }
    Ok(replays)
}
