//! Windows in the file: the groups that are open with what they need to go on, and how far each aggregate has come.

use rusqlite::{Connection, Row, params};

use super::aggregate::{Names, stored};
use super::cell::bind_value;
use super::fault::{During, internal};
use super::group_key::{decode, encode};
use super::layout::{AggregateLayout, quote};
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
    name_it: String,
    show: String,
    update: String,
    stand: String,
    remove: [String; 2],
    keep: String,
    next: String,
    state: [String; 3],
    measures: usize,
}

impl Statements {
    pub(super) fn of(layout: &AggregateLayout) -> Self {
        let Names { view, keys, measures, states } = Names::of(&layout.name);
        let shown = layout.measures();
        let sets: String = shown.iter().map(|measure| format!("{} = ?, ", quote(&measure.name))).collect();
        let marks = |count: usize| "?, ".repeat(count);
        let of_group = "WHERE _group = ?";
        Self {
            name_it: format!("INSERT INTO {keys} VALUES ({}?)", marks(2 + layout.by)),
            show: format!("INSERT INTO {measures} VALUES ({}?, ?, ?)", marks(shown.len())),
            update: format!("UPDATE {measures} SET {sets}_standing = ?, _revision = _revision + ? {of_group}"),
            stand: format!("UPDATE {measures} SET _standing = ? {of_group}"),
            remove: [&measures, &keys].map(|table| format!("DELETE FROM {table} {of_group}")),
            keep: format!(
                "INSERT OR REPLACE INTO tidemill_changes \
                 SELECT ?, v.window_start, {}, v._revision, v.window_end, {}, ? FROM {view} v {of_group}",
                as_json("v", layout.grouped()),
                as_json("v", shown),
            ),
            next: format!(
                "UPDATE {measures} SET _revision = 1 + coalesce((SELECT max(revision) FROM {keys} k JOIN tidemill_changes c \
                 ON c.window_start = k.window_start AND c.grouped = {} WHERE c.aggregate = ? AND k._group = {measures}._group), 0) \
                 {of_group}",
                as_json("k", layout.grouped())
            ),
            state: [
                format!("INSERT INTO {states} VALUES (?2, ?1)"),
                format!("UPDATE {states} SET state = ?1 WHERE number = ?2"),
                format!("DELETE FROM {states} WHERE number = ?"),
            ],
            measures: shown.len(),
        }
    }

    /// Shows a group as it stands; an open one keeps its state, a closed one loses it. Of one that is revised, what was shown is kept.
    /// One that comes `again` takes the place of another of the same name, of which something was kept.
    pub(super) fn write(
        &self,
        connection: &Connection,
        aggregate: &str,
        (group, again): (&Group, bool),
        at: Timestamp,
    ) -> Result<()> {
        let (closed, number) = (group.standing == Standing::Closed, group.number);
        if !group.stored {
            let number = self.show(connection, group)?;
            if group.revised || again {
                run(connection, "number a group's revision", &self.next, params![aggregate, number])?;
            }
            if !closed {
                let sql = "INSERT INTO tidemill_groups VALUES (?, ?, ?, ?, ?)";
                let values = params![aggregate, number, group.window.0, micros(group)?, encode(&group.key)];
                run(connection, "keep a group", sql, values)?;
                run(connection, "keep a group's state", &self.state[0], params![group.state, number])?;
            }
            return Ok(());
        }
        if group.revised {
            run(connection, "keep what a group showed", &self.keep, params![aggregate, at.0, number])?;
        }
        self.show_again(connection, group)?;
        if closed {
            return self.forget(connection, aggregate, number);
        }
        one(run(connection, "keep a group's state", &self.state[1], params![group.state, number])?)
    }

    /// Forgets a group that has become a part of another.
    pub(super) fn remove(&self, connection: &Connection, aggregate: &str, group: &Group, at: Timestamp) -> Result<()> {
        let number = group.number;
        if group.revised {
            run(connection, "keep what a group showed", &self.keep, params![aggregate, at.0, number])?;
        }
        for sql in &self.remove {
            one(run(connection, "forget a group", sql, [number])?)?;
        }
        self.forget(connection, aggregate, number)
    }

    /// Forgets what an open group was to go on with.
    fn forget(&self, connection: &Connection, aggregate: &str, number: i64) -> Result<()> {
        let sql = "DELETE FROM tidemill_groups WHERE aggregate = ? AND number = ?";
        one(run(connection, "close a group", sql, params![aggregate, number])?)?;
        one(run(connection, "close a group", &self.state[2], [number])?)
    }

    /// Shows a group for the first time, and says its number.
    fn show(&self, connection: &Connection, group: &Group) -> Result<i64> {
        let number = if group.number == 0 { Value::Null } else { Value::Int64(group.number) };
        let bounds = [Value::Timestamp(group.window), Value::Timestamp(group.end)];
        bind(connection, &self.name_it, bounds.iter().chain(&group.key).chain([&number]))?;
        let number = connection.last_insert_rowid();
        let stands = [stored(group.standing), 0, number].map(Value::Int64);
        bind(connection, &self.show, self.measures_of(group)?.iter().chain(&stands))?;
        Ok(number)
    }

    /// Shows a group as it stands now.
    fn show_again(&self, connection: &Connection, group: &Group) -> Result<()> {
        let number = group.number;
        if group.measures.is_empty() {
            // Only restored: it shows its measures already.
            return one(run(connection, "close a group", &self.stand, params![stored(group.standing), number])?);
        }
        let stands = [stored(group.standing), i64::from(group.revised), number].map(Value::Int64);
        one(bind(connection, &self.update, self.measures_of(group)?.iter().chain(&stands))?)
    }

    fn measures_of<'a>(&self, group: &'a Group) -> Result<&'a [Value]> {
        if group.measures.len() == self.measures {
            return Ok(&group.measures);
        }
        Err(internal(format!("a group has {} measures of {}", group.measures.len(), self.measures)))
    }
}

/// Runs a statement with these values; how many rows it changed.
fn bind<'a>(connection: &Connection, sql: &str, values: impl Iterator<Item = &'a Value>) -> Result<usize> {
    let write = || {
        let mut statement = connection.prepare_cached(sql)?;
        for (index, value) in (1..).zip(values) {
            bind_value(value, &mut statement, index)?;
        }
        statement.raw_execute()
    };
    write().during("show a group")
}

/// Whether it was the one row that there had to be.
fn one(changed: usize) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(lost()) }
}

/// Columns of a table or view as a JSON object, in SQL; bytes in hexadecimal.
fn as_json(of: &str, fields: &[Field]) -> String {
    let member = |field: &Field| {
        let (name, column) =
            (serde_json::Value::from(field.name.as_str()).to_string(), format!("{of}.{}", quote(&field.name)));
        let value = if field.kind == Type::Bytes { format!("hex({column})") } else { column };
        format!("'{}:' || json_quote({value})", name.replace('\'', "''"))
    };
    let members: Vec<String> = fields.iter().map(member).collect();
    if members.is_empty() { "'{}'".to_owned() } else { format!("'{{' || {} || '}}'", members.join(" || ',' || ")) }
}

/// Numbers the revisions of the groups that an aggregate shows, of all windows or of one, as they were numbered before these were made
/// anew.
pub(super) fn number_anew(connection: &Connection, layout: &AggregateLayout, window: Option<&str>) -> Result<()> {
    let Names { measures, .. } = Names::of(&layout.name);
    // What was kept is looked up by its key, for each group.
    let sql = format!(
        "{} UPDATE {measures} SET _revision = 1 + l.last FROM (SELECT s.number, max(c.revision) AS last FROM shown s \
         CROSS JOIN tidemill_changes c ON c.aggregate = ?1 AND c.window_start = s.start AND c.grouped = s.grouped GROUP BY 1) l \
         WHERE {measures}._group = l.number",
        shown(layout)
    );
    run(connection, "number revisions", &sql, params![layout.name, window]).map(drop)
}

/// Keeps what all groups of a window show, at a time, before the window is made anew.
pub(super) fn keep_window(
    connection: &Connection,
    layout: &AggregateLayout,
    window: &str,
    at: Timestamp,
) -> Result<()> {
    let sql = format!(
        "{} INSERT OR REPLACE INTO tidemill_changes SELECT ?1, start, grouped, revision, end, measures, ?3 FROM shown",
        shown(layout)
    );
    run(connection, "keep what a window showed", &sql, params![layout.name, window, at.0]).map(drop)
}

/// Once the window was made anew: forgets what was kept at that time of groups which show the same, and numbers the others' revisions.
pub(super) fn number_window(
    connection: &Connection,
    layout: &AggregateLayout,
    window: &str,
    at: Timestamp,
) -> Result<()> {
    let (shown, Names { measures, .. }) = (shown(layout), Names::of(&layout.name));
    let as_before = format!(
        "{shown} UPDATE {measures} SET _revision = c.revision FROM shown s CROSS JOIN tidemill_changes c \
         ON c.aggregate = ?1 AND c.window_start = s.start AND c.grouped = s.grouped AND c.until = ?3 \
         WHERE {measures}._group = s.number"
    );
    let unchanged = format!(
        "{shown} DELETE FROM tidemill_changes WHERE aggregate = ?1 AND window_start = ?2 AND until = ?3 \
         AND (grouped, measures) IN (SELECT grouped, measures FROM shown)"
    );
    for sql in [as_before, unchanged] {
        run(connection, "number revisions", &sql, params![layout.name, window, at.0])?;
    }
    number_anew(connection, layout, Some(window))
}

/// What the groups of an aggregate show, of all windows or of the one that the second parameter says, as the start of a statement.
fn shown(layout: &AggregateLayout) -> String {
    format!(
        "WITH shown AS MATERIALIZED (SELECT v._group AS number, v.window_start AS start, v.window_end AS end, v._revision AS revision, \
         {} AS grouped, {} AS measures FROM {} v WHERE ?2 IS NULL OR v.window_start = ?2)",
        as_json("v", layout.grouped()),
        as_json("v", layout.measures()),
        Names::of(&layout.name).view
    )
}

/// Shows open groups anew, by the numbers that they have.
pub(super) fn show_anew(
    connection: &Connection,
    layout: &AggregateLayout,
    mut groups: impl Iterator<Item = Group>,
) -> Result<()> {
    let statements = Statements::of(layout);
    groups.try_for_each(|group| statements.show(connection, &group).map(drop))
}

/// The open groups of an aggregate, by rising window; without measures, which their state gives again.
pub(super) fn read(connection: &Connection, aggregate: &str) -> Result<Vec<Group>> {
    let states = Names::of(aggregate).states;
    let sql = format!(
        "SELECT g.window_start, g.size, g.key, g.number, s.state FROM tidemill_groups g LEFT JOIN {states} s \
         ON s.number = g.number WHERE g.aggregate = ? ORDER BY g.window_start, g.key"
    );
    type Stored = (Timestamp, i64, Vec<u8>, i64, Option<Vec<u8>>);
    let read = |row: &Row<'_>| Ok((time(row, 0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let rows: Vec<Stored> = select(connection, &sql, [aggregate], read)?;
    let group = |(window, size, key, number, state): Stored| {
        let broken =
            |what: &str| Error::new(Kind::Corrupt, format!("cache: a group of aggregate {aggregate:?} {what}"));
        let key = decode(&key).ok_or_else(|| broken("has a key that does not decode"))?;
        let state = state.ok_or_else(|| broken("has lost its state"))?;
        let end = Timestamp(window.0.saturating_add(size));
        let (standing, revised, stored) = (Standing::Early, false, true);
        Ok(Group { window, end, key, measures: Vec::new(), standing, revised, number, stored, state })
    };
    rows.into_iter().map(group).collect()
}

/// The greatest number that a group of an aggregate has.
pub(super) fn last_number(connection: &Connection, aggregate: &str) -> Result<i64> {
    let sql = format!("SELECT coalesce(max(_group), 0) FROM {}", Names::of(aggregate).keys);
    Ok(select(connection, &sql, [], |row| row.get(0))?.pop().unwrap_or(0))
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

/// Makes the table of the states of an aggregate's open groups, unless it is there.
pub(super) fn make_states(connection: &Connection, aggregate: &str) -> Result<()> {
    let states = Names::of(aggregate).states;
    let sql = format!("CREATE TABLE IF NOT EXISTS {states} (number INTEGER PRIMARY KEY, state BLOB NOT NULL)");
    connection.execute(&sql, []).during("create its tables").map(drop)
}

/// Forgets all that an aggregate keeps beside its own table.
pub(super) fn forget(connection: &Connection, aggregate: &str) -> Result<()> {
    for sql in [
        "DELETE FROM tidemill_changes WHERE aggregate = ?",
        "DELETE FROM tidemill_late WHERE aggregate = ?",
        "DELETE FROM tidemill_missed WHERE aggregate = ?",
        "DELETE FROM tidemill_groups WHERE aggregate = ?",
        "DELETE FROM tidemill_marks WHERE aggregate = ?",
        "DELETE FROM tidemill_aggregates WHERE aggregate = ?",
    ] {
        run(connection, "forget an aggregate", sql, [aggregate])?;
    }
    let sql = format!("DROP TABLE IF EXISTS {}", Names::of(aggregate).states);
    connection.execute(&sql, []).during("forget an aggregate").map(drop)
}

fn lost() -> Error {
    Error::new(Kind::Corrupt, "cache: an open group's row is gone from its aggregate's table")
        .hint("another program changed the file; replay the table, or restore a copy")
}

fn micros(group: &Group) -> Result<i64> {
    group.end.0.checked_sub(group.window.0).ok_or_else(|| internal("a window is longer than time"))
}
