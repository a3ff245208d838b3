//! Retention of the cache proper: what goes, in steps that no commit feels, and the marks that say up to where.

use rusqlite::types::Value as Stored;
use rusqlite::{Connection, params, params_from_iter};

use super::aggregate::{Names, stored};
use super::cell::{bind_value, shown_time};
use super::commit::Commit;
use super::fault::During;
use super::layout::{list, quote};
use super::query::{Reader, value};
use super::row::{int, run, select, time};
use crate::commit::Standing;
use crate::error::Result;
use crate::time::Timestamp;
use crate::value::Value;

/// The time before which a table's rows, or an aggregate's windows, were pruned; none where none were.
pub(super) fn mark(connection: &Connection, name: &str) -> Result<Option<Timestamp>> {
    let sql = "SELECT before FROM tidemill_pruned WHERE name = ?";
    Ok(select(connection, sql, [name], |row| time(row, 0))?.pop())
}

/// Moves the mark of a table or aggregate.
fn move_mark(connection: &Connection, name: &str, before: Timestamp, count: u64) -> Result<()> {
    let sql = "INSERT INTO tidemill_pruned VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET \
         before = max(before, excluded.before), count = count + excluded.count";
    run(connection, "note what is pruned", sql, params![name, before.0, int(count)]).map(drop)
}

/// Prunes what was pruned before, where it was made anew.
pub(super) fn again(connection: &Connection, table: &str, of_windows: bool) -> Result<()> {
    let Some(before) = mark(connection, table)? else { return Ok(()) };
    let name = quote(table);
    let what = "prune what was pruned";
    match of_windows {
        false => run(connection, what, &format!("DELETE FROM {name} WHERE _time < ?"), [before.0]).map(drop),
        true => {
            let sql = format!("DELETE FROM {name} WHERE _closed = 1 AND window_end <= ?");
            run(connection, what, &sql, [shown_time(before)]).map(drop)
        }
    }
}

impl Reader {
    /// The time before which a table's rows, or an aggregate's windows, were pruned; none where none were.
    pub fn pruned(&self, name: &str) -> Result<Option<Timestamp>> {
        mark(&self.connection, name)
    }

    /// The time of the oldest row of a table among its `rows` latest; none where it has no more than those.
    pub fn oldest_of_latest(&self, table: &str, rows: u64) -> Result<Option<Timestamp>> {
        let name = quote(table);
        let sql = format!("SELECT count(*) FROM {name}");
        let count = select(&self.connection, &sql, [], |row| row.get::<_, i64>(0))?.pop().unwrap_or(0);
        let over = count.saturating_sub(int(rows));
        if over <= 0 {
            return Ok(None);
        }
        let sql = format!("SELECT _time FROM {name} ORDER BY _time LIMIT 1 OFFSET ?");
        Ok(select(&self.connection, &sql, [over], |row| time(row, 0))?.pop())
    }

    /// The keys of a table's rows of records before a time, by rising key from after this one on; at most so many.
    pub fn older(
        &self,
        table: &str,
        key: &[String],
        before: Timestamp,
        after: Option<&[Value]>,
        limit: usize,
    ) -> Result<Vec<Vec<Value>>> {
        let (name, keys) = (quote(table), list(key));
        let marks = vec!["?"; key.len()].join(", ");
        let behind = if after.is_some() { format!(" AND ({keys}) > ({marks})") } else { String::new() };
        let sql = format!("SELECT {keys} FROM {name} WHERE _time < ?{behind} ORDER BY {keys} LIMIT {limit}");
        let found = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            bind_value(&Value::Int64(before.0), &mut statement, 1)?;
            for (index, value) in (2..).zip(after.unwrap_or_default()) {
                bind_value(value, &mut statement, index)?;
            }
            let (mut rows, mut found) = (statement.raw_query(), Vec::new());
            while let Some(row) = rows.next()? {
                let values = (0..key.len()).map(|index| row.get_ref(index).map(value));
                found.push(values.collect::<rusqlite::Result<Vec<Value>>>()?);
            }
            Ok(found)
        };
        found().during("look for old rows")
    }

    /// The numbers of an aggregate's groups whose windows have closed and ended by a time, from after this one on; at most so many.
    pub fn older_groups(&self, aggregate: &str, before: Timestamp, after: i64, limit: usize) -> Result<Vec<i64>> {
        let sql = format!(
            "SELECT \"_group\" FROM {} WHERE \"_group\" > ? AND _closed = 1 AND window_end <= ? ORDER BY 1 LIMIT {limit}",
            quote(aggregate)
        );
        select(&self.connection, &sql, params![after, shown_time(before)], |row| row.get(0))
    }

    /// The start of the oldest lake window of a table or aggregate that is not yet in the bucket; none where all are.
    pub fn waits_from(&self, name: &str) -> Result<Option<Timestamp>> {
        let sql = "SELECT min(at) FROM (SELECT window_start AS at FROM tidemill_segments WHERE table_name = ?1 \
             UNION ALL SELECT window_start FROM tidemill_objects WHERE table_name = ?1 AND delivered IS NULL)";
        let found = select(&self.connection, sql, [name], |row| row.get::<_, Option<i64>>(0))?;
        Ok(found.first().copied().flatten().map(Timestamp))
    }

    /// Up to when an aggregate's windows have closed; none before its first commit.
    pub fn closed_upto(&self, aggregate: &str) -> Result<Option<Timestamp>> {
        let sql = "SELECT closed_upto FROM tidemill_aggregates WHERE aggregate = ?";
        Ok(select(&self.connection, sql, [aggregate], |row| time(row, 0))?.pop())
    }
}

impl Commit<'_> {
    /// Removes rows of a table by their keys, unless they are of records at or after `before` by now; how many there were. From now
    /// on the table is known to lack what is older.
    pub fn prune_rows(&mut self, table: &str, key: &[String], before: Timestamp, keys: &[Vec<Value>]) -> Result<u64> {
        let connection = self.connection();
        let same: Vec<String> = key.iter().map(|key| format!("{} = ?", quote(key))).collect();
        let sql = format!("DELETE FROM {} WHERE {} AND _time < ?", quote(table), same.join(" AND "));
        let prune = || {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut count = 0;
            for values in keys {
                for (index, value) in (1..).zip(values) {
                    bind_value(value, &mut statement, index)?;
                }
                bind_value(&Value::Int64(before.0), &mut statement, values.len() + 1)?;
                count += statement.raw_execute()? as u64;
            }
            Ok(count)
        };
        let count = prune().during("prune rows")?;
        move_mark(connection, table, before, count)?;
        Ok(count)
    }

    /// Removes groups of closed windows of an aggregate by their numbers; how many there were.
    pub fn prune_groups(&mut self, aggregate: &str, before: Timestamp, groups: &[i64]) -> Result<u64> {
        let connection = self.connection();
        let (marks, Names { keys, measures, .. }) = (vec!["?"; groups.len()].join(", "), Names::of(aggregate));
        let some = |sql: String| {
            let numbers = params_from_iter(groups.iter().map(|group| Stored::Integer(*group)));
            connection.execute(&sql, numbers).during("prune windows")
        };
        let closed = stored(Standing::Closed);
        // Numbers may have come again since they were listed.
        let old = format!(
            "_group IN (SELECT _group FROM {keys} WHERE _group IN ({marks}) AND window_end <= '{}')",
            shown_time(before)
        );
        let count = some(format!("DELETE FROM {measures} WHERE {old} AND _standing = {closed}"))? as u64;
        let left = format!("NOT EXISTS (SELECT 1 FROM {measures} m WHERE m._group = {keys}._group)");
        some(format!("DELETE FROM {keys} WHERE _group IN ({marks}) AND {left}"))?;
        move_mark(connection, aggregate, before, count)?;
        Ok(count)
    }
}
