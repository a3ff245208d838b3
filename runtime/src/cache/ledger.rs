//! The ledger: a line for each epoch, written only where it balances and follows the one before, read back in order.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fault::{During, internal};
use super::row::{cuts, cuts_text, int, json, run, time, whole};
use crate::commit::{Epoch, Share};
use crate::error::{Kind, OrFail, Result};
use crate::sabotage::{self, Fault};
use crate::time::Timestamp;

/// The columns that [`epoch`] reads, of a ledger called `l`.
pub(super) const EPOCH: &str = "l.table_name, l.partition, l.epoch, l.from_offset, l.next_offset, l.records_in, \
     l.records_out, l.dropped, l.rejected, l.rows, l.watermark, l.committed, l.digest, l.generation, l.spent_ns, \
     l.superseded, l.unkeyed, l.cuts, l.shares";

/// How many columns those are.
pub(super) const EPOCH_COLUMNS: usize = 19;

pub(super) fn epoch(row: &Row<'_>) -> rusqlite::Result<Epoch> {
    let shares: Vec<(String, u64, i64)> = json(row, 18)?;
    let share = |(aggregate, late, watermark)| Share { aggregate, late, watermark: Timestamp(watermark) };
    Ok(Epoch {
        table: row.get(0)?,
        partition: row.get(1)?,
        epoch: whole(row, 2)?,
        from: whole(row, 3)?,
        next: whole(row, 4)?,
        records_in: whole(row, 5)?,
        out: whole(row, 6)?,
        dropped: whole(row, 7)?,
        rejected: whole(row, 8)?,
        rows: whole(row, 9)?,
        superseded: whole(row, 15)?,
        unkeyed: whole(row, 16)?,
        cuts: cuts(row, 17)?,
        shares: shares.into_iter().map(share).collect(),
        watermark: time(row, 10)?,
        committed: time(row, 11)?,
        digest: row.get(12)?,
        generation: whole(row, 13)?,
        spent: Duration::from_nanos(whole(row, 14)?),
    })
}

/// Writes the ledger's line and moves the partition's position, once both are seen to follow what is there.
pub(super) fn write_epoch(connection: &Connection, line: &Epoch) -> Result<()> {
    check(connection, line).map_err(|error| error.within(format!("ledger of {:?}/{}", line.table, line.partition)))?;
    let (records_in, out, dropped) = (int(line.records_in), int(line.out), int(line.dropped));
    let (epoch, next, rejected, rows) = (int(line.epoch), int(line.next), int(line.rejected), int(line.rows));
    let shares: Vec<_> = line.shares.iter().map(|share| (&share.aggregate, share.late, share.watermark.0)).collect();
    let text = |json: serde_json::Result<String>| json.or_fail(Kind::Internal, || "ledger");
    run(
        connection,
        "write the ledger",
        "INSERT INTO tidemill_ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            line.table,
            line.partition,
            epoch,
            int(line.from),
            next,
            records_in,
            out,
            dropped,
            rejected,
            rows,
            line.watermark.0,
            line.committed.0,
            line.digest,
            int(line.generation),
            i64::try_from(line.spent.as_nanos()).unwrap_or(i64::MAX),
            int(line.superseded),
            int(line.unkeyed),
            cuts_text(&line.cuts)?,
            text(serde_json::to_string(&shares))?,
        ],
    )?;
    let moved = "INSERT INTO tidemill_positions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET \
         epoch = excluded.epoch, next_offset = excluded.next_offset, records_in = records_in + excluded.records_in, \
         records_out = records_out + excluded.records_out, dropped = dropped + excluded.dropped, \
         rejected = rejected + excluded.rejected, rows = rows + excluded.rows";
    let values = params![line.table, line.partition, epoch, next, records_in, out, dropped, rejected, rows];
    run(connection, "move a position", moved, values).map(drop)
}

/// A line has to balance in records and in rows, and to begin where the one before it ended.
fn check(connection: &Connection, line: &Epoch) -> Result<()> {
    let Epoch { records_in, out, dropped, rejected, rows, .. } = line;
    if *records_in != out + dropped + rejected {
        let what = format!("{records_in} records in, but {out} out, {dropped} dropped, {rejected} rejected");
        return Err(internal(what));
    }
    let cut: u64 = line.cuts.iter().map(|cut| cut.rows).sum();
    if cut != *rows {
        return Err(internal(format!("{rows} rows, but {cut} in its cuts")));
    }
    let before = position(connection, line)?;
    let (epoch, from) = before.map_or((1, line.from), |(epoch, next)| (epoch + 1, next));
    let follows = (line.epoch, line.from) == (epoch, from) && line.next >= line.from;
    if !follows && !sabotage::is(Fault::GapTaken) {
        return Err(internal(format!(
            "epoch {} from {} to {} does not follow; epoch {epoch} from {from} does",
            line.epoch, line.from, line.next
        )));
    }
    Ok(())
}

fn position(connection: &Connection, line: &Epoch) -> Result<Option<(u64, u64)>> {
    let sql = "SELECT epoch, next_offset FROM tidemill_positions WHERE table_name = ?1 AND partition = ?2";
    let read = |row: &Row<'_>| Ok((whole(row, 0)?, whole(row, 1)?));
    let found = || connection.prepare_cached(sql)?.query_row((&line.table, line.partition), read).optional();
    found().during("read a position")
}
