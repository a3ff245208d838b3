//! The latest rows of tables that are joined on their keys: looked up by key before others take their place, or scanned.

use std::fmt::Write;

use arrow_array::Array;
use rusqlite::{Connection, Row as Found, Statement};

use super::cell::{Cells, bind_value, read};
use super::fault::{During, internal};
use super::group_key::encode;
use super::latest::{Latest, Place};
use super::layout::{TableLayout, quote};
use crate::error::Result;
use crate::rolled::Row;
use crate::schema::Type;
use crate::time::Timestamp;
use crate::value::{Value, ValueRef};

/// The columns that say where a row came from, which come before those that are read.
const PLACE: usize = 3;
/// Keys of one lookup: the tables' cursors stay open for so many.
const KEYS: usize = 4096;

/// Tables that are joined on their keys, and the columns of them that are read.
#[derive(Clone, Debug)]
pub struct Joined {
    tables: Vec<Table>,
    /// How many columns a lookup's answer has before the key.
    width: usize,
    /// Looks up one key.
    lookup: String,
    /// Looks up a list of whole numbers, where they are the keys; each with a row.
    lookup_all: String,
}

#[derive(Clone, Debug)]
struct Table {
    layout: TableLayout,
    /// The columns that are read: their place among the layout's, and their type.
    columns: Vec<(usize, Type)>,
    /// The place of its first column in a lookup's answer.
    from: usize,
}

/// New rows of one table, in the order of their keys.
struct List<'a> {
    table: usize,
    place: &'a Place,
    /// The columns that are read.
    cells: Vec<Cells<'a>>,
    keys: Vec<Cells<'a>>,
}

impl Joined {
    /// Tables in the order of their bits in a row, with the columns that are read of each. Their keys are of as many columns, of the
    /// same types.
    ///
    /// Errors with [`Kind::Internal`](crate::error::Kind::Internal) where a table has no such column.
    pub fn new<'a>(tables: impl IntoIterator<Item = (&'a TableLayout, Vec<&'a str>)>) -> Result<Self> {
        let (mut all, mut from) = (Vec::new(), 0);
        for (layout, names) in tables {
            let mut columns = Vec::new();
            for name in names {
                let place = layout.columns.iter().position(|field| field.name == name);
                let found = place.and_then(|place| Some((place, layout.columns.get(place)?.kind)));
                let absent = || internal(format!("table {:?}: it keeps no column {name:?}", layout.name));
                columns.push(found.ok_or_else(absent)?);
            }
            let size = PLACE + columns.len();
            all.push(Table { layout: layout.clone(), columns, from });
            from += size;
        }
        let mut joined = Self { tables: all, width: from, lookup: String::new(), lookup_all: String::new() };
        joined.lookup = joined.lookup("(SELECT 1) k", |at| format!("?{at}"));
        joined.lookup_all = joined.lookup("json_each(?1) k", |_| "k.value".to_owned());
        Ok(joined)
    }

    /// The latest rows of each key `from`, of all tables at once; one row, whatever there is.
    fn lookup(&self, from: &str, of_key: impl Fn(usize) -> String) -> String {
        let (mut columns, mut joins) = (Vec::new(), String::new());
        for (nth, table) in self.tables.iter().enumerate() {
            columns.extend(["_time", "_partition", "_offset"].map(|name| format!("t{nth}.{name}")));
            columns.extend(table.names().map(|name| format!("t{nth}.{name}")));
            let key: Vec<String> = (1..)
                .zip(&table.layout.key)
                .map(|(at, key)| format!("t{nth}.{} = {}", quote(key), of_key(at)))
                .collect();
            let name = quote(&table.layout.name);
            joins += &format!(" LEFT JOIN main.{name} t{nth} ON {}", key.join(" AND "));
        }
        columns.push(of_key(1));
        format!("SELECT {} FROM {from}{joins}", columns.join(", "))
    }

    /// All rows of a join of these tables alone.
    fn scan(&self, tables: u64) -> String {
        let joined: Vec<(usize, &Table)> =
            self.tables.iter().enumerate().filter(|(nth, _)| tables & (1 << nth) != 0).collect();
        let columns = joined.iter().flat_map(|(nth, table)| table.names().map(move |name| format!("t{nth}.{name}")));
        // A row has a column even where none is read.
        let columns: Vec<String> = columns.chain(["1".to_owned()]).collect();
        let mut from = String::new();
        for (nth, table) in &joined {
            let name = quote(&table.layout.name);
            let on = match joined.first().filter(|(first, _)| first != nth) {
                Some((first, other)) => {
                    let pairs = table.layout.key.iter().zip(&other.layout.key);
                    let same = |(here, there): (&String, &String)| {
                        format!("t{nth}.{} = t{first}.{}", quote(here), quote(there))
                    };
                    format!(" ON {}", pairs.map(same).collect::<Vec<_>>().join(" AND "))
                }
                None => String::new(),
            };
            from += &format!("{} main.{name} t{nth}{on}", if from.is_empty() { "" } else { " JOIN" });
        }
        format!("SELECT {} FROM{from}", columns.join(", "))
    }

    fn lists<'a>(&self, latest: &[(&str, &'a Latest)]) -> Result<Vec<List<'a>>> {
        let mut lists = Vec::new();
        for (name, latest) in latest {
            let Some(table) = self.tables.iter().position(|table| table.layout.name == *name) else { continue };
            let Some(Table { layout, columns, .. }) = self.tables.get(table) else { continue };
            let other = || internal(format!("table {name:?}: its rows were prepared for another layout"));
            let cells = |place: usize| -> Result<Cells<'a>> {
                let column = latest.columns.get(place).zip(layout.columns.get(place)).ok_or_else(other)?;
                Cells::of(column.0, column.1.kind).ok_or_else(other)
            };
            let place = |key: &String| layout.columns.iter().position(|field| field.name == *key).ok_or_else(other);
            lists.push(List {
                table,
                place: &latest.place,
                cells: columns.iter().map(|(place, _)| cells(*place)).collect::<Result<_>>()?,
                keys: layout.key.iter().map(|key| cells(place(key)?)).collect::<Result<_>>()?,
            });
        }
        Ok(lists)
    }
}

impl Table {
    fn names(&self) -> impl Iterator<Item = String> {
        let name = |(place, _): &(usize, Type)| self.layout.columns.get(*place).map(|field| quote(&field.name));
        self.columns.iter().filter_map(name)
    }
}

/// Says of each key among rows that are to be written what its row was, and what it will be, by rising key; before any is written.
pub(super) fn changes(
    connection: &Connection,
    joined: &Joined,
    latest: &[(&str, &Latest)],
    each: &mut dyn FnMut(&Row<'_>, &Row<'_>) -> Result<()>,
) -> Result<()> {
    let lists = joined.lists(latest)?;
    let mut lookup = Lookup { joined, lists: &lists, tell: each };
    // The usual key lies beside the rows, so that sorting does not reach into the columns. What is sorted is rising already, list
    // by list.
    let numbers: Option<Vec<_>> = lists.iter().map(List::numbers).collect();
    if let Some(numbers) = numbers {
        let rows =
            (0u32..).zip(numbers).flat_map(|(list, keys)| (0u32..).zip(keys).map(move |(row, key)| (*key, list, row)));
        return lookup.all(connection, rows.collect());
    }
    let mut rows = Vec::new();
    for (nth, list) in (0u32..).zip(&lists) {
        for row in 0..list.place.offset.len() {
            let key: Vec<Value> = list.keys.iter().map(|key| key.value(row).owned()).collect();
            rows.push((encode(&key), nth, row as u32));
        }
    }
    lookup.each(connection, rows)
}

/// Says of each of these keys what its row is, and what it will be once a table has lost its own, where that is of a record before a
/// time; before any is removed.
pub(super) fn removals(
    connection: &Connection,
    joined: &Joined,
    (table, keys, before): (&str, &[Vec<Value>], Timestamp),
    each: &mut dyn FnMut(&Row<'_>, &Row<'_>) -> Result<()>,
) -> Result<()> {
    let what = "look up a row";
    let Some(loser) = joined.tables.iter().position(|of| of.layout.name == table) else { return Ok(()) };
    let mut statement = connection.prepare_cached(&joined.lookup).during(what)?;
    for key in keys {
        for (at, value) in (1..).zip(key) {
            bind_value(value, &mut statement, at).during(what)?;
        }
        let mut found = statement.raw_query();
        let Some(found) = found.next().during(what)? else { return Err(internal("a lookup has no answer")) };
        let (mut old, mut new, mut goes) = (Row::default(), Row::default(), false);
        for (nth, table) in joined.tables.iter().enumerate() {
            let there = table.place(found).during(what)?;
            goes |= nth == loser && there.is_some_and(|(time, ..)| time < before.0);
            old.tables |= u64::from(there.is_some()) << nth;
            new.tables |= u64::from(there.is_some() && nth != loser) << nth;
            for (at, (_, kind)) in table.columns.iter().enumerate() {
                let value = match there {
                    Some(_) => read(*kind, found.get_ref(table.from + PLACE + at).during(what)?),
                    None => ValueRef::Null,
                };
                old.values.push(value);
                new.values.push(if nth == loser { ValueRef::Null } else { value });
            }
        }
        if goes {
            each(&old, &new)?;
        }
    }
    Ok(())
}

impl<'a> List<'a> {
    /// The keys, where each is a whole number.
    fn numbers(&self) -> Option<&'a [i64]> {
        match self.keys.as_slice() {
            [Cells::Int64(column)] if column.null_count() == 0 => Some(column.values()),
            _ => None,
        }
    }
}

struct Lookup<'a> {
    joined: &'a Joined,
    lists: &'a [List<'a>],
    tell: &'a mut dyn FnMut(&Row<'_>, &Row<'_>) -> Result<()>,
}

impl Lookup<'_> {
    /// Looks up keys that are whole numbers, many at a time.
    fn all(&mut self, connection: &Connection, mut rows: Vec<(i64, u32, u32)>) -> Result<()> {
        rows.sort_by_key(|(key, ..)| *key);
        let what = "look up rows";
        let mut statement = connection.prepare_cached(&self.joined.lookup_all).during(what)?;
        let (mut runs, mut keys) = (rows.chunk_by(|(one, ..), (other, ..)| one == other), String::new());
        loop {
            let together: Vec<&[(i64, u32, u32)]> = runs.by_ref().take(KEYS).collect();
            if together.is_empty() {
                return Ok(());
            }
            keys.clear();
            for (key, ..) in together.iter().filter_map(|run| run.first()) {
                // Writing to a string cannot fail.
                let _ = write!(keys, "{}{key}", if keys.is_empty() { '[' } else { ',' });
            }
            keys.push(']');
            statement.raw_bind_parameter(1, keys.as_str()).during(what)?;
            let mut found = statement.raw_query();
            for run in together {
                let Some(found) = found.next().during(what)? else { return Err(internal("a lookup has no answer")) };
                let of: i64 = found.get(self.joined.width).during(what)?;
                if run.first().is_none_or(|(key, ..)| *key != of) {
                    return Err(internal("a lookup has answers of other keys"));
                }
                self.take(found, run.iter().map(|(_, list, row)| (*list as usize, *row as usize)))?;
            }
        }
    }

    /// Looks up keys one by one.
    fn each(&mut self, connection: &Connection, mut rows: Vec<(Vec<u8>, u32, u32)>) -> Result<()> {
        rows.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let mut statement = connection.prepare_cached(&self.joined.lookup).during("look up rows")?;
        for run in rows.chunk_by(|(one, ..), (other, ..)| one == other) {
            self.one(&mut statement, run.iter().map(|(_, list, row)| (*list as usize, *row as usize)))?;
        }
        Ok(())
    }

    /// Looks a key up, of which these rows are to be written.
    fn one(&mut self, statement: &mut Statement<'_>, run: impl Iterator<Item = (usize, usize)> + Clone) -> Result<()> {
        let what = "look up a row";
        let Some((list, row)) = run.clone().next().and_then(|(list, row)| Some((self.lists.get(list)?, row))) else {
            return Ok(());
        };
        for (at, key) in (1..).zip(&list.keys) {
            key.bind(row, statement, at).during(what)?;
        }
        let mut found = statement.raw_query();
        let Some(found) = found.next().during(what)? else { return Err(internal("a lookup has no answer")) };
        self.take(found, run)
    }

    /// Tells what becomes of a key, of which this was found and these rows are to be written.
    fn take(&mut self, found: &Found<'_>, run: impl Iterator<Item = (usize, usize)> + Clone) -> Result<()> {
        let what = "look up a row";
        let (mut old, mut new) = (Row::default(), Row::default());
        for (nth, table) in self.joined.tables.iter().enumerate() {
            let of_table = run.clone().filter_map(|(list, row)| Some((self.lists.get(list)?, row)));
            let winner = last(of_table.filter(|(list, _)| list.table == nth));
            let there = table.place(found).during(what)?;
            let winner = winner.filter(|(list, row)| there.is_none_or(|there| list.place.at(*row) > there));
            old.tables |= u64::from(there.is_some()) << nth;
            new.tables |= u64::from(there.is_some() || winner.is_some()) << nth;
            for (at, (_, kind)) in table.columns.iter().enumerate() {
                let before = match there {
                    Some(_) => read(*kind, found.get_ref(table.from + PLACE + at).during(what)?),
                    None => ValueRef::Null,
                };
                old.values.push(before);
                new.values.push(match &winner {
                    Some((list, row)) => list.cells.get(at).map_or(ValueRef::Null, |cells| cells.value(*row)),
                    None => before,
                });
            }
        }
        (self.tell)(&old, &new)
    }
}

impl Table {
    /// Where the row that was found comes from; none where there is none.
    fn place(&self, found: &Found<'_>) -> rusqlite::Result<Option<(i64, i64, i64)>> {
        let Some(time) = found.get::<_, Option<i64>>(self.from)? else { return Ok(None) };
        Ok(Some((time, found.get(self.from + 1)?, found.get(self.from + 2)?)))
    }
}

/// The row that is written last where all are, each over those before it: of the greatest place, the first of these.
fn last<'a, 'b>(rows: impl Iterator<Item = (&'b List<'a>, usize)>) -> Option<(&'b List<'a>, usize)>
where
    'a: 'b,
{
    rows.reduce(|one, other| if other.0.place.at(other.1) > one.0.place.at(one.1) { other } else { one })
}

/// Gives all rows of a join of these tables, in whatever order.
pub(super) fn rows(
    connection: &Connection,
    joined: &Joined,
    tables: u64,
    each: &mut dyn FnMut(&Row<'_>) -> Result<()>,
) -> Result<()> {
    let what = "scan rows";
    let mut statement = connection.prepare(&joined.scan(tables)).during(what)?;
    let mut found = statement.raw_query();
    while let Some(found) = found.next().during(what)? {
        let mut row = Row { tables, values: Vec::new() };
        let mut place = 0;
        for (nth, table) in joined.tables.iter().enumerate() {
            for (_, kind) in &table.columns {
                if tables & (1 << nth) == 0 {
                    row.values.push(ValueRef::Null);
                    continue;
                }
                row.values.push(read(*kind, found.get_ref(place).during(what)?));
                place += 1;
            }
        }
        each(&row)?;
    }
    Ok(())
}
