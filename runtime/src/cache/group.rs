//! Windows in the file: the groups that are open with what they need to go on, and how far each aggregate has come.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::cell::bind_value;
use super::fault::{During, internal};
use super::layout::{AggregateLayout, list, quote};
use super::row::{int, run, select, time, whole};
use crate::commit::{Group, Standing};
use crate::error::{Error, Kind, Result};
use crate::schema::{Field, Type};
use crate::time::Timestamp;
use crate::value::Value;

/// How far an aggregate has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Windows that end here or before have closed.
    pub closed_upto: Timestamp,
    /// Rows that came after their window had closed.
    pub late: u64,
    /// The partitions, by rising number.
    pub partitions: Vec<Mark>,
}

/// How far a partition has come in an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The partition.
    pub partition: u32,
    /// Its watermark.
    pub watermark: Timestamp,
    /// Whether it is idle, and holds nobody back.
    pub idle: bool,
}

/// The statements of one aggregate.
pub(super) struct Statements {
    insert: String,
    update: String,
    stand: String,
    remove: String,
    keep: String,
    next: String,
    measures: usize,
}

impl Statements {
    pub(super) fn of(layout: &AggregateLayout) -> Self {
        let name = quote(&layout.name);
        let fields: Vec<&str> = layout.fields.iter().map(|field| field.name.as_str()).collect();
        let measures = layout.measures();
        let sets: String = measures.iter().map(|measure| format!("{} = ?, ", quote(&measure.name))).collect();
        let (of_group, grouped, shown) = ("WHERE \"_group\" = ?", as_json(layout.grouped()), as_json(measures));
        Self {
            insert: format!(
                "INSERT INTO {name} ({}, \"_closed\", \"_state\", \"_revision\") VALUES ({}?, ?, ?)",
                list(&fields),
                "?, ".repeat(fields.len())
            ),
            update: format!(
                "UPDATE {name} SET {sets}\"_closed\" = ?, \"_state\" = ?, \"_revision\" = \"_revision\" + ? {of_group}"
            ),
            stand: format!("UPDATE {name} SET \"_closed\" = ?, \"_state\" = ? {of_group}"),
            remove: format!("DELETE FROM {name} {of_group}"),
            keep: format!(
                "INSERT OR REPLACE INTO tidemill_changes \
                 SELECT ?, window_start, {grouped}, \"_revision\", window_end, {shown}, ? FROM {name} {of_group}"
            ),
            next: format!(
                "UPDATE {name} SET \"_revision\" = 1 + coalesce((SELECT max(revision) FROM tidemill_changes c \
                 WHERE c.aggregate = ? AND c.window_start = {name}.window_start AND c.grouped = {grouped}), 0) {of_group}"
            ),
            measures: measures.len(),
        }
    }

    /// Shows a group as it stands; an open one keeps its state, a closed one loses it. Of one that is revised, what was shown is kept.
    pub(super) fn write(&self, connection: &Connection, aggregate: &str, group: &Group, at: Timestamp) -> Result<()> {
        let key = encode(&group.key);
        let sql = "SELECT id FROM tidemill_groups WHERE aggregate = ? AND window_start = ? AND key = ?";
        let found = || {
            let mut find = connection.prepare_cached(sql)?;
            find.query_row(params![aggregate, group.window.0, key], |row| row.get::<_, i64>(0)).optional()
        };
        let known = found().during("find a group")?;
        if let (Some(id), true) = (known, group.revised) {
            run(connection, "keep what a group showed", &self.keep, params![aggregate, at.0, id])?;
        }
        let id = self.show(connection, group, known)?;
        if known.is_none() && group.revised {
            run(connection, "number a group's revision", &self.next, params![aggregate, id])?;
        }
        if group.standing != Standing::Closed {
            let sql = "INSERT INTO tidemill_groups VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET state = excluded.state";
            let values = params![aggregate, group.window.0, key, micros(group)?, id, group.state];
            run(connection, "keep a group's state", sql, values)?;
        } else if known.is_some() {
            let sql = "DELETE FROM tidemill_groups WHERE aggregate = ? AND window_start = ? AND key = ?";
            run(connection, "close a group", sql, params![aggregate, group.window.0, key])?;
        }
        Ok(())
    }

    /// Forgets a group that has become a part of another.
    pub(super) fn remove(&self, connection: &Connection, aggregate: &str, group: &Group, at: Timestamp) -> Result<()> {
        let key = encode(&group.key);
        let sql = "DELETE FROM tidemill_groups WHERE aggregate = ? AND window_start = ? AND key = ? RETURNING id";
        let ids = select(connection, sql, params![aggregate, group.window.0, key], |row| row.get::<_, i64>(0))?;
        let [id] = ids.as_slice() else { return Err(lost()) };
        if group.revised {
            run(connection, "keep what a group showed", &self.keep, params![aggregate, at.0, id])?;
        }
        match run(connection, "forget a group", &self.remove, [id])? {
            1 => Ok(()),
            _ => Err(lost()),
        }
    }

    /// Writes the group's row in the aggregate's own table, and says its number.
    fn show(&self, connection: &Connection, group: &Group, known: Option<i64>) -> Result<i64> {
        let closed = group.standing == Standing::Closed;
        if let (Some(id), true) = (known, group.measures.is_empty()) {
            // Only restored: the row shows its measures already.
            let changed = run(connection, "close a group", &self.stand, params![closed, group.standing.word(), id])?;
            return if changed == 1 { Ok(id) } else { Err(lost()) };
        }
        if group.measures.len() != self.measures {
            return Err(internal(format!("a group has {} measures of {}", group.measures.len(), self.measures)));
        }
        let mut values: Vec<&Value> = Vec::with_capacity(group.key.len() + group.measures.len() + 6);
        let bounds = [Value::Timestamp(group.window), Value::Timestamp(group.end)];
        let more = Value::Int64(i64::from(known.is_some() && group.revised));
        let stands = [Value::Boolean(closed), Value::Text(group.standing.word().to_owned()), more];
        let number = known.map(Value::Int64);
        if number.is_none() {
            values.extend(bounds.iter().chain(&group.key));
        }
        values.extend(group.measures.iter().chain(&stands).chain(&number));
        let sql = if known.is_some() { &self.update } else { &self.insert };
        let write = || {
            let mut statement = connection.prepare_cached(sql)?;
            for (index, value) in values.iter().enumerate() {
                bind_value(value, &mut statement, index + 1)?;
            }
            statement.raw_execute()
        };
        match write().during("show a group")? {
            1 => Ok(known.unwrap_or_else(|| connection.last_insert_rowid())),
            _ => Err(lost()),
        }
    }
}

/// Columns as a JSON object, in SQL; bytes in hexadecimal.
fn as_json(fields: &[Field]) -> String {
    let member = |field: &Field| {
        let (name, column) = (serde_json::Value::from(field.name.as_str()).to_string(), quote(&field.name));
        let value = if field.kind == Type::Bytes { format!("hex({column})") } else { column };
        format!("'{}:' || json_quote({value})", name.replace('\'', "''"))
    };
    let members: Vec<String> = fields.iter().map(member).collect();
    if members.is_empty() { "'{}'".to_owned() } else { format!("'{{' || {} || '}}'", members.join(" || ',' || ")) }
}

/// Numbers the revisions of the groups that an aggregate shows as they were numbered before it was made anew.
pub(super) fn number_anew(connection: &Connection, layout: &AggregateLayout) -> Result<()> {
    let name = quote(&layout.name);
    let sql = format!(
        "UPDATE {name} SET \"_revision\" = 1 + c.last FROM (SELECT window_start, grouped, max(revision) AS last \
         FROM tidemill_changes WHERE aggregate = ? GROUP BY 1, 2) c \
         WHERE {name}.window_start = c.window_start AND c.grouped = {}",
        as_json(layout.grouped())
    );
    run(connection, "number revisions", &sql, [&layout.name]).map(drop)
}

/// Shows an open group anew, in the row whose number its state has.
pub(super) fn show_anew(connection: &Connection, layout: &AggregateLayout, group: &Group) -> Result<()> {
    let sql = "SELECT id FROM tidemill_groups WHERE aggregate = ? AND window_start = ? AND key = ?";
    let key = encode(&group.key);
    let ids = select(connection, sql, params![layout.name, group.window.0, key], |row| row.get::<_, i64>(0))?;
    let [id] = ids.as_slice() else {
        return Err(internal(format!("aggregate {:?}: a group is not stored", layout.name)));
    };
    let bounds = [Value::Timestamp(group.window), Value::Timestamp(group.end)];
    let stands = Value::Text(group.standing.word().to_owned());
    let tail = [Value::Boolean(false), Value::Int64(*id), stands, Value::Int64(0)];
    let values: Vec<&Value> = bounds.iter().chain(&group.key).chain(&group.measures).chain(&tail).collect();
    if values.len() != layout.fields.len() + 4 {
        return Err(internal(format!("aggregate {:?}: a group has other columns", layout.name)));
    }
    let sql = format!("INSERT INTO {} VALUES ({})", quote(&layout.name), vec!["?"; values.len()].join(", "));
    let write = || {
        let mut statement = connection.prepare_cached(&sql)?;
        for (index, value) in values.iter().enumerate() {
            bind_value(value, &mut statement, index + 1)?;
        }
        statement.raw_execute()
    };
    write().during("show a group").map(drop)
}

/// The open groups of an aggregate, by rising window; without measures, which their state gives again.
pub(super) fn read(connection: &Connection, aggregate: &str) -> Result<Vec<Group>> {
    let sql =
        "SELECT window_start, size, key, state FROM tidemill_groups WHERE aggregate = ? ORDER BY window_start, key";
    let read = |row: &Row<'_>| Ok((time(row, 0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?, row.get(3)?));
    let rows: Vec<(Timestamp, i64, Vec<u8>, Vec<u8>)> = select(connection, sql, [aggregate], read)?;
    let group = |(window, size, key, state): (Timestamp, i64, Vec<u8>, _)| {
        let broken = || Error::new(Kind::Corrupt, format!("cache: a group's key in {aggregate:?} does not decode"));
        let key = decode(&key).ok_or_else(broken)?;
        let end = Timestamp(window.0.saturating_add(size));
        let (standing, revised) = (Standing::Early, false);
        Ok(Group { window, end, key, measures: Vec::new(), standing, revised, state })
    };
    rows.into_iter().map(group).collect()
}

/// Writes how far an aggregate has come.
pub(super) fn write_marks(connection: &Connection, aggregate: &str, marks: &Marks) -> Result<()> {
    let what = "move a watermark";
    let sql = "INSERT INTO tidemill_aggregates VALUES (?, ?, ?) \
         ON CONFLICT DO UPDATE SET closed_upto = excluded.closed_upto, late = excluded.late";
    run(connection, what, sql, params![aggregate, marks.closed_upto.0, int(marks.late)])?;
    for mark in &marks.partitions {
        let sql = "INSERT INTO tidemill_marks VALUES (?, ?, ?, ?) \
             ON CONFLICT DO UPDATE SET watermark = excluded.watermark, idle = excluded.idle";
        run(connection, what, sql, params![aggregate, mark.partition, mark.watermark.0, mark.idle])?;
    }
    Ok(())
}

/// How far an aggregate has come; `None` before its first commit.
pub(super) fn read_marks(connection: &Connection, aggregate: &str) -> Result<Option<Marks>> {
    let sql = "SELECT closed_upto, late FROM tidemill_aggregates WHERE aggregate = ?";
    let found = select(connection, sql, [aggregate], |row| Ok((time(row, 0)?, whole(row, 1)?)))?;
    let sql = "SELECT partition, watermark, idle FROM tidemill_marks WHERE aggregate = ? ORDER BY partition";
    let mark = |row: &Row<'_>| Ok(Mark { partition: row.get(0)?, watermark: time(row, 1)?, idle: row.get(2)? });
    let partitions = select(connection, sql, [aggregate], mark)?;
    Ok(found.first().map(|&(closed_upto, late)| Marks { closed_upto, late, partitions }))
}

/// Forgets all that an aggregate keeps beside its own table.
pub(super) fn forget(connection: &Connection, aggregate: &str) -> Result<()> {
    for sql in [
        "DELETE FROM tidemill_changes WHERE aggregate = ?",
        "DELETE FROM tidemill_late WHERE aggregate = ?",
        "DELETE FROM tidemill_groups WHERE aggregate = ?",
        "DELETE FROM tidemill_marks WHERE aggregate = ?",
        "DELETE FROM tidemill_aggregates WHERE aggregate = ?",
    ] {
        run(connection, "forget an aggregate", sql, [aggregate])?;
    }
    Ok(())
}

fn lost() -> Error {
    Error::new(Kind::Corrupt, "cache: an open group's row is gone from its aggregate's table")
        .hint("another program changed the file; replay the table, or restore a copy")
}

fn micros(group: &Group) -> Result<i64> {
    group.end.0.checked_sub(group.window.0).ok_or_else(|| internal("a window is longer than time"))
}

/// A key as bytes that differ where keys differ, down to the bits of floats, which SQLite's columns do not keep apart.
pub(super) fn encode(key: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in key {
        match value {
            Value::Null => bytes.push(0),
            Value::Boolean(value) => bytes.extend([1, u8::from(*value)]),
            Value::Int64(value) => push(&mut bytes, 2, &value.to_be_bytes()),
            Value::Float64(value) => push(&mut bytes, 3, &value.to_bits().to_be_bytes()),
            Value::Timestamp(at) => push(&mut bytes, 4, &at.0.to_be_bytes()),
            Value::Text(text) => {
                push(&mut bytes, 5, &(text.len() as u64).to_be_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            Value::Bytes(value) => {
                push(&mut bytes, 6, &(value.len() as u64).to_be_bytes());
                bytes.extend_from_slice(value);
            }
        }
    }
    bytes
}

fn push(bytes: &mut Vec<u8>, tag: u8, value: &[u8]) {
    bytes.push(tag);
    bytes.extend_from_slice(value);
}

/// Reads what [`encode`] made; none for all else.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Vec<Value>> {
    let mut key = Vec::new();
    while let Some((tag, rest)) = bytes.split_first() {
        let eight = rest.split_first_chunk::<8>();
        let (value, rest) = match (tag, eight) {
            (0, _) => (Value::Null, rest),
            (1, _) => rest.split_first().map(|(value, rest)| (Value::Boolean(*value == 1), rest))?,
            (2, Some((value, rest))) => (Value::Int64(i64::from_be_bytes(*value)), rest),
            (3, Some((value, rest))) => (Value::Float64(f64::from_bits(u64::from_be_bytes(*value))), rest),
            (4, Some((value, rest))) => (Value::Timestamp(Timestamp(i64::from_be_bytes(*value))), rest),
            (5 | 6, Some((len, rest))) => {
                let (value, rest) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*len)).ok()?)?;
                let text = if *tag == 5 { Some(std::str::from_utf8(value).ok()?.to_owned()) } else { None };
                (text.map_or_else(|| Value::Bytes(value.to_vec()), Value::Text), rest)
            }
            _ => return None,
        };
        key.push(value);
        bytes = rest;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_as_they_were() {
        let key = vec![
            Value::Null,
            Value::Boolean(true),
            Value::Int64(-7),
            Value::Float64(-0.0),
            Value::Float64(f64::NAN),
            Value::Text("é\0".into()),
            Value::Bytes(vec![0, 255]),
            Value::Timestamp(Timestamp::MIN),
            Value::Text(String::new()),
        ];
        let bytes = encode(&key);
        assert_eq!(decode(&bytes), Some(key));
        for cut in [1, 3, 12, 20, bytes.len() - 1] {
            assert_ne!(decode(&bytes[..cut]).map(|key| key.len()), Some(9), "cut at {cut}");
        }
        assert_eq!(decode(&[9]), None);
    }
}
