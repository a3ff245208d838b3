//! Shows groups of aggregates: a commit's writer, that keeps what revised groups showed before.

use std::collections::HashSet;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, params};

use super::aggregate::{Names, stored};
use super::cell::bind_value;
use super::fault::{During, internal};
use super::group_key::encode;
use super::layout::{AggregateLayout, quote};
use super::states::{Bundle, States, lost};
use crate::commit::{Group, Standing};
use crate::error::Result;
use crate::schema::{Field, Type};
use crate::time::Timestamp;
use crate::value::Value;

const OPEN: &str = "INSERT INTO tidemill_groups VALUES (?, ?, ?, ?, ?)";
const CLOSE: &str = "DELETE FROM tidemill_groups WHERE aggregate = ? AND number = ?";

/// The statements of one aggregate.
pub(super) struct Statements {
    name_it: String,
    show: String,
    update: String,
    stand: String,
    remove: [String; 2],
    keep: String,
    next: String,
    states: States,
    measures: usize,
}

impl Statements {
    pub(super) fn of(layout: &AggregateLayout) -> Self {
        let Names { keys, measures, .. } = Names::of(&layout.name);
        let shown = layout.measures();
        let sets: String = shown.iter().map(|measure| format!("{} = ?, ", quote(&measure.name))).collect();
        let marks = |count: usize| "?, ".repeat(count);
        let of_group = "WHERE _group = ?";
        Self {
            name_it: format!("INSERT INTO {keys} VALUES ({}?)", marks(2 + layout.by)),
            show: format!("INSERT INTO {measures} VALUES ({}?, ?, ?)", marks(shown.len())),
            update: format!("UPDATE {measures} SET {sets}_standing = ?, _revision = _revision + ? {of_group}"),
            stand: format!("UPDATE {measures} SET _standing = ? {of_group}"),
            remove: [
                format!("DELETE FROM {keys} {of_group}"),
                format!("DELETE FROM {measures} {of_group} RETURNING _revision"),
            ],
            keep: format!(
                "INSERT OR REPLACE INTO tidemill_changes \
                 SELECT ?, ?, {}, m._revision, ?, {}, ? FROM {measures} m {of_group}",
                json_object(layout.grouped(), |_| "?".to_owned()),
                as_json("m", shown),
            ),
            next: format!(
                "UPDATE {measures} SET _revision = coalesce((SELECT 1 + max(revision) FROM {keys} k JOIN tidemill_changes c \
                 ON c.window_start = k.window_start AND c.grouped = {} WHERE c.aggregate = ? AND k._group = {measures}._group), 0) \
                 {of_group}",
                as_json("k", layout.grouped())
            ),
            states: States::of(&layout.name),
            measures: shown.len(),
        }
    }

    /// Forgets the groups that are gone and shows the others as they stand, at the time of a commit; open ones keep their state, closed ones
    /// need it no more. Of those that are revised, what was shown is kept; a group that takes the place of one of the same name goes on with
    /// its revisions.
    pub(super) fn write<'g>(
        &self,
        connection: &Connection,
        aggregate: &str,
        (gone, groups): (&'g [Group], impl Iterator<Item = &'g Group>),
        at: Timestamp,
    ) -> Result<()> {
        let mut writer = self.writer(connection, aggregate, at);
        gone.iter().try_for_each(|group| writer.remove(group))?;
        for group in groups {
            writer.write(group)?;
            self.states.add(connection, &mut writer.states, true)?;
        }
        self.states.add(connection, &mut writer.states, false)?;
        self.states.settle(connection)
    }

    /// Shows groups anew, by the numbers that they have.
    pub(super) fn show(&self, connection: &Connection, groups: impl Iterator<Item = Group>) -> Result<()> {
        let mut writer = self.writer(connection, "", Timestamp(0));
        for group in groups {
            writer.show(&group)?;
        }
        Ok(())
    }

    fn writer<'a>(&'a self, connection: &'a Connection, aggregate: &'a str, at: Timestamp) -> Writer<'a> {
        let repeated = |sql: &'a str| Repeated { connection, sql, prepared: None };
        Writer {
            connection,
            aggregate,
            at,
            name_it: repeated(&self.name_it),
            show: repeated(&self.show),
            update: repeated(&self.update),
            stand: repeated(&self.stand),
            remove: self.remove.each_ref().map(|sql| repeated(sql)),
            keep: repeated(&self.keep),
            next: repeated(&self.next),
            open: repeated(OPEN),
            close: repeated(CLOSE),
            states: Bundle::default(),
            revised: HashSet::new(),
            measures: self.measures,
        }
    }
}

/// Writes groups of one aggregate in one commit.
struct Writer<'a> {
    connection: &'a Connection,
    aggregate: &'a str,
    at: Timestamp,
    name_it: Repeated<'a>,
    show: Repeated<'a>,
    update: Repeated<'a>,
    stand: Repeated<'a>,
    remove: [Repeated<'a>; 2],
    keep: Repeated<'a>,
    next: Repeated<'a>,
    open: Repeated<'a>,
    close: Repeated<'a>,
    /// The states of those that stay open.
    states: Bundle,
    /// The names of groups that are gone and were revised.
    revised: HashSet<(Timestamp, &'a [Value])>,
    measures: usize,
}

impl<'a> Writer<'a> {
    fn write(&mut self, group: &Group) -> Result<()> {
        let (closed, number) = (group.standing == Standing::Closed, group.number);
        if !group.stored {
            let number = self.show(group)?;
            if group.revised || self.revised.contains(&(group.window, group.key.as_slice())) {
                self.next.run("number a group's revision", params![self.aggregate, number])?;
            }
            if !closed {
                let values = params![self.aggregate, number, group.window.0, micros(group)?, encode(&group.key)];
                self.open.run("keep a group", values)?;
                self.states.put(number, &group.state);
            }
            return Ok(());
        }
        self.keep(group)?;
        self.show_again(group)?;
        if closed {
            return self.forget(number);
        }
        self.states.put(number, &group.state);
        Ok(())
    }

    /// Forgets a group that has become a part of another; one that has closed goes on with nothing.
    fn remove(&mut self, group: &'a Group) -> Result<()> {
        self.keep(group)?;
        let [name, shown] = &mut self.remove;
        one(name.run("forget a group", [group.number])?)?;
        let revision = shown.take("forget a group", [group.number])?.ok_or_else(lost)?;
        if group.revised || revision > 0 {
            self.revised.insert((group.window, &group.key));
        }
        if group.standing == Standing::Closed { Ok(()) } else { self.forget(group.number) }
    }

    /// Shows a group for the first time, and says its number.
    fn show(&mut self, group: &Group) -> Result<i64> {
        let number = if group.number == 0 { Value::Null } else { Value::Int64(group.number) };
        let bounds = [Value::Timestamp(group.window), Value::Timestamp(group.end)];
        self.name_it.bind(bounds.iter().chain(&group.key).chain([&number]))?;
        let number = self.connection.last_insert_rowid();
        let stands = [stored(group.standing), 0, number].map(Value::Int64);
        self.show.bind(self.measures_of(group)?.iter().chain(&stands))?;
        Ok(number)
    }

    /// Shows a group as it stands now.
    fn show_again(&mut self, group: &Group) -> Result<()> {
        let number = group.number;
        if group.measures.is_empty() {
            // Only restored: it shows its measures already.
            return one(self.stand.run("close a group", params![stored(group.standing), number])?);
        }
        let stands = [stored(group.standing), i64::from(group.revised), number].map(Value::Int64);
        one(self.update.bind(self.measures_of(group)?.iter().chain(&stands))?)
    }

    /// Keeps what a group showed that is revised.
    fn keep(&mut self, group: &Group) -> Result<()> {
        if !group.revised {
            return Ok(());
        }
        let [window, end] = [group.window, group.end].map(Value::Timestamp);
        let [at, number] = [self.at.0, group.number].map(Value::Int64);
        let aggregate = Value::Text(self.aggregate.to_owned());
        let values = [&aggregate, &window].into_iter().chain(&group.key).chain([&end, &at, &number]);
        self.keep.bind(values).map(drop)
    }

    /// Forgets what an open group was to go on with.
    fn forget(&mut self, number: i64) -> Result<()> {
        one(self.close.run("close a group", params![self.aggregate, number])?)
    }

    fn measures_of<'g>(&self, group: &'g Group) -> Result<&'g [Value]> {
        if group.measures.len() == self.measures {
            return Ok(&group.measures);
        }
        Err(internal(format!("a group has {} measures of {}", group.measures.len(), self.measures)))
    }
}

/// A statement that a commit runs for many groups: looked up when it first is, and not cleared in between, after which SQLite would
/// parse some of them anew.
struct Repeated<'a> {
    connection: &'a Connection,
    sql: &'a str,
    prepared: Option<CachedStatement<'a>>,
}

impl<'a> Repeated<'a> {
    /// Runs it; how many rows it changed.
    fn run(&mut self, what: &str, params: impl Params) -> Result<usize> {
        self.prepared().and_then(|statement| statement.execute(params)).during(what)
    }

    /// Runs it; the number that it answers with, where it has found a row.
    fn take(&mut self, what: &str, params: impl Params) -> Result<Option<i64>> {
        let statement = self.prepared().during(what)?;
        statement.query_row(params, |row| row.get(0)).optional().during(what)
    }

    /// Runs it with these values; how many rows it changed.
    fn bind<'v>(&mut self, values: impl Iterator<Item = &'v Value>) -> Result<usize> {
        let write = || {
            let statement = self.prepared()?;
            for (index, value) in (1..).zip(values) {
                bind_value(value, statement, index)?;
            }
            statement.raw_execute()
        };
        write().during("show a group")
    }

    fn prepared(&mut self) -> rusqlite::Result<&mut CachedStatement<'a>> {
        match &mut self.prepared {
            Some(prepared) => Ok(prepared),
            none => Ok(none.insert(self.connection.prepare_cached(self.sql)?)),
        }
    }
}

/// Whether it was the one row that there had to be.
fn one(changed: usize) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(lost()) }
}

/// Columns of a table or view as a JSON object, in SQL; bytes in hexadecimal.
pub(super) fn as_json(of: &str, fields: &[Field]) -> String {
    json_object(fields, |field| format!("{of}.{}", quote(&field.name)))
}

/// Fields as a JSON object, in SQL, with these expressions for their values.
fn json_object(fields: &[Field], value: impl Fn(&Field) -> String) -> String {
    let member = |field: &Field| {
        let (name, value) = (serde_json::Value::from(field.name.as_str()).to_string(), value(field));
        let value = if field.kind == Type::Bytes { format!("hex({value})") } else { value };
        format!("'{}:' || json_quote({value})", name.replace('\'', "''"))
    };
    let members: Vec<String> = fields.iter().map(member).collect();
    if members.is_empty() { "'{}'".to_owned() } else { format!("'{{' || {} || '}}'", members.join(" || ',' || ")) }
}

fn micros(group: &Group) -> Result<i64> {
    group.end.0.checked_sub(group.window.0).ok_or_else(|| internal("a window is longer than time"))
}
