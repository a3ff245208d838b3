//! The ledger: epochs adjoin from offset 0 on, each balances, and their sums are what lies in the lake and among the dead letters.

use std::collections::BTreeMap;

use super::records::{At, Stored};
use super::{Cache, Table};

struct Epoch {
    partition: u32,
    epoch: i64,
    from: i64,
    next: i64,
    records_in: i64,
    out: i64,
    dropped: i64,
    rejected: i64,
    rows: i64,
}

pub(super) fn faults(cache: &Cache, table: Table, stored: &BTreeMap<At, Stored>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut sums: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    for line in lines(cache, table) {
        let Epoch { partition, epoch, from, next, records_in, out, dropped, rejected, rows } = line;
        let sum = sums.entry(partition).or_insert_with(|| vec![0; 7]);
        if epoch != sum[0] + 1 || from != sum[1] {
            faults.push(format!("partition {partition}: epoch {epoch} from {from} does not follow {sum:?}"));
        }
        if records_in != out + dropped + rejected || records_in != next - from {
            faults.push(format!("partition {partition}: epoch {epoch} does not balance"));
        }
        let so_far = [records_in, out, dropped, rejected, rows];
        so_far.iter().zip(&mut sum[2..]).for_each(|(more, sum)| *sum += more);
        (sum[0], sum[1]) = (epoch, next);
    }
    let sql = "SELECT partition, epoch, next_offset, records_in, records_out, dropped, rejected, rows \
               FROM tidemill_positions WHERE table_name = ?";
    let read = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, (1..8).map(|at| row.get(at)).collect::<rusqlite::Result<Vec<i64>>>()?))
    };
    let positions: BTreeMap<u32, Vec<i64>> = cache.rows(sql, [table.name], read).into_iter().collect();
    if positions != sums {
        faults.push(format!("the positions {positions:?} are not the ledger's sums {sums:?}"));
    }
    for (partition, sum) in sums {
        let of = || stored.range((partition, 0)..=(partition, u64::MAX)).map(|(_, what)| what);
        let rows = of().filter(|what| matches!(what, Stored::Row { .. })).count() as i64;
        let letters = of().count() as i64 - rows;
        if (rows, letters) != (sum[6], sum[5]) {
            faults
                .push(format!("partition {partition}: {rows} rows and {letters} dead letters, the ledger has {sum:?}"));
        }
    }
    faults
}

fn lines(cache: &Cache, table: Table) -> Vec<Epoch> {
    let sql = "SELECT partition, epoch, from_offset, next_offset, records_in, records_out, dropped, rejected, rows \
               FROM tidemill_ledger WHERE table_name = ? ORDER BY partition, epoch";
    cache.rows(sql, [table.name], |row| {
        Ok(Epoch {
            partition: row.get(0)?,
            epoch: row.get(1)?,
            from: row.get(2)?,
            next: row.get(3)?,
            records_in: row.get(4)?,
            out: row.get(5)?,
            dropped: row.get(6)?,
            rejected: row.get(7)?,
            rows: row.get(8)?,
        })
    })
}
