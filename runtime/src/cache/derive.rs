//! Tables of the cache made anew beside it, from rows that are given, and held against what it has.
//!
//! They are temporary tables of the connection: on disk where they are large, gone with it, and never in the cache's file.

mod rolled;

use std::ops::Range;

use arrow_array::RecordBatch;
use rusqlite::Row;

use super::cell::{Cells, shown_time};
use super::commit::put;
use super::fault::{During, internal};
use super::latest::Latest;
use super::layout::{AggregateLayout, TableLayout, list, quote};
use super::query::{Reader, value};
use super::row::{int, run, select, whole};
use crate::error::Result;
use crate::schema::{Field, Type};
use crate::time::Timestamp;
use crate::value::Value;

pub use self::rolled::DerivedRollups;

/// The most strays that are told.
const STRAYS_MAX: usize = 1000;

/// What is known of rows on their way through JSON, which cannot say every value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// As they were.
    Exactly,
    /// Out of lines of JSON: a `json` column is not compared, and a float that is not finite is as good as none.
    AsJson,
}

/// A row in which the cache and what was given differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Stray {
    /// Its key, or its window and group.
    pub key: Vec<Value>,
    /// How it differs.
    pub what: Differs,
    /// The partition and offset of the record that it came from: the cache's, or that of the row which the cache lacks.
    pub place: Option<(u32, u64)>,
}

/// How a row differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differs {
    /// The cache has it, and it was not given.
    Unknown,
    /// It was given, and the cache has none of its key.
    Missing,
    /// The cache has another.
    Altered,
}

/// A group of a window that the cache shows otherwise than it was given.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupStray {
    /// The start of its window, then the columns that it is grouped by.
    pub key: Vec<Value>,
    /// The measures that the cache shows; none where it has no such group.
    pub was: Option<Vec<Value>>,
    /// Those that were given; none where there was no such group.
    pub now: Option<Vec<Value>>,
}

/// The latest rows of a table made anew.
pub struct DerivedTable<'a> {
    reader: &'a Reader,
    layout: TableLayout,
    upsert: String,
}

/// The groups of an aggregate made anew.
pub struct DerivedAggregate<'a> {
    reader: &'a Reader,
    layout: AggregateLayout,
}

impl Reader {
    /// Whether the cache's table or aggregate is of this definition.
    fn is_of(&self, name: &str, definition: &str) -> Result<bool> {
        let sql = "SELECT definition FROM tidemill_layout WHERE name = ?";
        let found: Vec<String> = select(&self.connection, sql, [name], |row| row.get(0))?;
        Ok(found.first().is_some_and(|found| found == definition))
    }

    /// A table beside the cache's, without a row; none where the cache has it otherwise.
    pub fn derive_table(&self, layout: &TableLayout) -> Result<Option<DerivedTable<'_>>> {
        let create = layout.create();
        if !self.is_of(&layout.name, &create)? {
            return Ok(None);
        }
        self.create(&create)?;
        self.create("CREATE TABLE tidemill_absent (of TEXT, partition INTEGER, first INTEGER, next INTEGER)")?;
        // The rows of a record may come apart here, the later one last.
        Ok(Some(DerivedTable { reader: self, layout: layout.clone(), upsert: layout.upsert_where(">=") }))
    }

    /// Whether the cache has the aggregate as it is declared.
    pub fn has_aggregate(&self, layout: &AggregateLayout) -> Result<bool> {
        self.is_of(&layout.name, &format!("{} {}", layout.create(), layout.definition))
    }

    /// An aggregate beside the cache's, without a row; none where the cache has it otherwise.
    pub fn derive_aggregate(&self, layout: &AggregateLayout) -> Result<Option<DerivedAggregate<'_>>> {
        if !self.has_aggregate(layout)? {
            return Ok(None);
        }
        self.create(&layout.create().replace(" NOT NULL", ""))?;
        self.create("CREATE TABLE tidemill_absent_windows (of TEXT, window_start TEXT, after TEXT, upto TEXT)")?;
        Ok(Some(DerivedAggregate { reader: self, layout: layout.clone() }))
    }

    fn create(&self, create: &str) -> Result<()> {
        let create = create.replacen("CREATE TABLE", "CREATE TEMP TABLE IF NOT EXISTS", 1);
        self.connection.execute_batch(&create).during("make a table beside it")
    }

    fn strays(&self, sql: &str, what: Differs, key: usize, of: &str) -> Result<Vec<Stray>> {
        let read = |row: &Row<'_>| -> rusqlite::Result<Stray> {
            let values = (0..key).map(|index| row.get_ref(index).map(value)).collect::<rusqlite::Result<_>>()?;
            let has_place = row.as_ref().column_count() == key + 2;
            let place = if has_place { Some((row.get(key)?, whole(row, key + 1)?)) } else { None };
            Ok(Stray { key: values, what, place })
        };
        let rows = || {
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map([of], read)?.take(STRAYS_MAX);
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        rows().during("compare its rows")
    }
}

impl DerivedTable<'_> {
    /// Adds rows as a commit would: the latest of each key stays. They have the columns that [`Latest::prepare`] asks for.
    pub fn add(&self, rows: &RecordBatch) -> Result<()> {
        let latest = Latest::prepare(&self.layout, std::slice::from_ref(rows))?;
        put(&self.reader.connection, &self.layout, &self.upsert, &latest).map(drop)
    }

    /// Rows of these offsets cannot be given, so a row of the cache that came from one is not compared.
    pub fn absent(&self, partition: u32, first: u64, next: u64) -> Result<()> {
        let sql = "INSERT INTO temp.tidemill_absent VALUES (?, ?, ?, ?)";
        let values = (&self.layout.name, partition, int(first), int(next));
        run(&self.reader.connection, "note what is absent", sql, values).map(drop)
    }

    /// Where the cache has other rows than those that were given.
    pub fn strays(&self, given: Given) -> Result<Vec<Stray>> {
        let name = quote(&self.layout.name);
        let same = |one: &str| {
            comparable(&self.layout.columns, given, one) + &format!("{one}._time, {one}._partition, {one}._offset")
        };
        let keys: Vec<String> = self.layout.key.iter().map(|key| quote(key)).collect();
        let key = |of: &str| keys.iter().map(|key| format!("{of}.{key}")).collect::<Vec<_>>().join(", ");
        let joined: Vec<String> = keys.iter().map(|key| format!("c.{key} = d.{key}")).collect();
        let joined = joined.join(" AND ");
        let known = "NOT EXISTS (SELECT 1 FROM temp.tidemill_absent a WHERE a.of = ?1 AND a.partition = c._partition \
             AND c._offset >= a.first AND c._offset < a.next)";
        let place = |of: &str| format!("{of}._partition, {of}._offset");
        // What is older may have been pruned.
        let pruned = self.reader.pruned(&self.layout.name)?.unwrap_or(Timestamp::MIN).0;
        let altered = format!(
            "SELECT {}, {} FROM main.{name} c JOIN temp.{name} d ON {joined} WHERE ({}) IS NOT ({}) AND {known} \
             AND d._time >= {pruned}",
            key("c"),
            place("c"),
            same("c"),
            same("d"),
        );
        let unknown = format!(
            "SELECT {}, {} FROM main.{name} c WHERE NOT EXISTS (SELECT 1 FROM temp.{name} d WHERE {joined}) AND {known} \
             AND c._time >= {pruned}",
            key("c"),
            place("c"),
        );
        let missing = format!(
            "SELECT {}, {} FROM temp.{name} d WHERE NOT EXISTS (SELECT 1 FROM main.{name} c WHERE {joined}) AND ?1 = ?1 \
             AND d._time >= {pruned}",
            key("d"),
            place("d"),
        );
        let mut strays = Vec::new();
        for (sql, what) in [(altered, Differs::Altered), (unknown, Differs::Unknown), (missing, Differs::Missing)] {
            strays.extend(self.reader.strays(&sql, what, keys.len(), &self.layout.name)?);
        }
        Ok(strays)
    }
}

impl DerivedAggregate<'_> {
    /// Adds groups of windows that have closed, or of such as are open, with the aggregate's columns in their order.
    pub fn add(&self, groups: &RecordBatch, closed: bool) -> Result<()> {
        let AggregateLayout { name, fields, .. } = &self.layout;
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let marks = vec!["?"; names.len()].join(", ");
        let (table, columns, closed) = (quote(name), list(&names), i32::from(closed));
        let sql = format!("INSERT INTO temp.{table} ({columns}, \"_closed\") VALUES ({marks}, {closed})");
        let cells: Option<Vec<_>> =
            fields.iter().zip(groups.columns()).map(|(field, column)| Cells::of(column, field.kind)).collect();
        let cells = cells.filter(|cells| cells.len() == fields.len());
        let cells = cells.ok_or_else(|| internal(format!("aggregate {name:?}: its groups have other columns")))?;
        let write = || {
            let mut statement = self.reader.connection.prepare_cached(&sql)?;
            for row in 0..groups.num_rows() {
                for (index, column) in (1..).zip(&cells) {
                    column.bind(row, &mut statement, index)?;
                }
                statement.raw_execute()?;
            }
            Ok(())
        };
        write().during("add a group beside it")
    }

    /// Gives each group of these windows that the cache shows otherwise than it was given, by window; how many they are.
    pub fn differences(&self, windows: &[Timestamp], mut each: impl FnMut(GroupStray)) -> Result<u64> {
        let connection = &self.reader.connection;
        let create = "CREATE TEMP TABLE IF NOT EXISTS tidemill_windows (start TEXT PRIMARY KEY); DELETE FROM temp.tidemill_windows";
        connection.execute_batch(create).during("note the windows")?;
        for window in windows {
            let sql = "INSERT INTO temp.tidemill_windows VALUES (?)";
            run(connection, "note the windows", sql, [shown_time(*window)])?;
        }
        let AggregateLayout { name, fields, by, .. } = &self.layout;
        // Windows that were pruned do not come back.
        let kept_still = match self.reader.pruned(name)?.map(shown_time) {
            Some(before) => format!("d.window_end > '{before}'"),
            None => "1".to_owned(),
        };
        let name = quote(name);
        let columns = |of: &str, fields: &[Field]| -> String {
            fields.iter().map(|field| format!("{of}.{}, ", quote(&field.name))).collect()
        };
        let key: Vec<Field> = fields.iter().take(1).chain(fields.iter().skip(2).take(*by)).cloned().collect();
        let measures = fields.get(2 + by..).unwrap_or_default();
        let joined = format!("({}1) IS ({}1)", columns("c", &key), columns("d", &key));
        let kept = "c.window_start IN (SELECT start FROM temp.tidemill_windows)";
        let sql = format!(
            "SELECT {}{}{}c.window_start IS NOT NULL, 1 FROM temp.{name} d LEFT JOIN main.{name} c \
             ON c.window_start = d.window_start AND {joined} WHERE (c.window_start IS NULL OR ({}1) IS NOT ({}1)) \
             AND {kept_still} UNION ALL \
             SELECT {}{}{}1, 0 FROM main.{name} c LEFT JOIN temp.{name} d ON c.window_start = d.window_start AND {joined} \
             WHERE d.window_start IS NULL AND {kept} ORDER BY 1",
            columns("d", &key),
            columns("c", measures),
            columns("d", measures),
            columns("c", measures),
            columns("d", measures),
            columns("c", &key),
            columns("c", measures),
            columns("d", measures),
        );
        let mut read = || {
            let mut statement = connection.prepare(&sql)?;
            let mut rows = statement.query([])?;
            let mut count = 0;
            while let Some(row) = rows.next()? {
                let values = |from: usize, count: usize| -> rusqlite::Result<Vec<Value>> {
                    (from..from + count).map(|index| row.get_ref(index).map(value)).collect()
                };
                let (was, now) = (key.len(), key.len() + measures.len());
                let end = now + measures.len();
                let some = |there: bool, from| there.then(|| values(from, measures.len())).transpose();
                let (was, now) = (some(row.get(end)?, was)?, some(row.get(end + 1)?, now)?);
                each(GroupStray { key: values(0, key.len())?, was, now });
                count += 1;
            }
            Ok(count)
        };
        read().during("compare its groups")
    }

    /// The groups of this window cannot be given, or, where `ends` are, those that end after the first of these and not after the last; so those
    /// of the cache are not compared.
    pub fn absent(&self, window: Timestamp, ends: Option<Range<Timestamp>>) -> Result<()> {
        let (after, upto) = ends.map(|ends| (shown_time(ends.start), shown_time(ends.end))).unzip();
        let sql = "INSERT INTO temp.tidemill_absent_windows VALUES (?, ?, ?, ?)";
        let values = (&self.layout.name, shown_time(window), after, upto);
        run(&self.reader.connection, "note what is absent", sql, values).map(drop)
    }

    /// Where the cache has other groups than those that were given.
    pub fn strays(&self, given: Given) -> Result<Vec<Stray>> {
        let AggregateLayout { name, fields, by, .. } = &self.layout;
        let name = quote(name);
        let key: Vec<String> = [0]
            .into_iter()
            .chain(2..2 + by)
            .filter_map(|index| fields.get(index))
            .map(|field| quote(&field.name))
            .collect();
        let keyed = |of: &str| key.iter().map(|key| format!("{of}.{key}")).collect::<Vec<_>>().join(", ");
        let all = |of: &str| {
            let mut all = comparable(fields, given, of);
            all.truncate(all.len().saturating_sub(2));
            all
        };
        let joined = format!("({}, c._closed) IS ({}, d._closed)", keyed("c"), keyed("d"));
        let pruned = self.reader.pruned(&self.layout.name)?.map(shown_time);
        let kept_still = |of: &str| match &pruned {
            Some(before) => format!("({of}._closed = 0 OR {of}.window_end > '{before}')"),
            None => "1".to_owned(),
        };
        let known = "NOT EXISTS (SELECT 1 FROM temp.tidemill_absent_windows a WHERE a.of = ?1 \
             AND c._closed = 1 AND iif(a.upto IS NULL, a.window_start = c.window_start, c.window_end > a.after AND c.window_end <= a.upto))";
        let altered = format!(
            "SELECT {} FROM main.{name} c JOIN temp.{name} d ON c.window_start = d.window_start AND {joined} \
             WHERE ({}) IS NOT ({}) AND {known} AND {}",
            keyed("c"),
            all("c"),
            all("d"),
            kept_still("c"),
        );
        let unknown = format!(
            "SELECT {} FROM main.{name} c LEFT JOIN temp.{name} d ON c.window_start = d.window_start AND {joined} \
             WHERE d.window_start IS NULL AND {known} AND {}",
            keyed("c"),
            kept_still("c"),
        );
        let missing = format!(
            "SELECT {} FROM temp.{name} d LEFT JOIN main.{name} c ON c.window_start = d.window_start AND {joined} \
             WHERE c.window_start IS NULL AND {} AND ?1 = ?1",
            keyed("d"),
            kept_still("d"),
        );
        let mut strays = Vec::new();
        for (sql, what) in [(altered, Differs::Altered), (unknown, Differs::Unknown), (missing, Differs::Missing)] {
            strays.extend(self.reader.strays(&sql, what, key.len(), &self.layout.name)?);
        }
        Ok(strays)
    }
}

/// The columns as they can be compared, each with a comma and a blank behind it.
fn comparable(fields: &[Field], given: Given, of: &str) -> String {
    let column = |field: &Field| {
        let column = format!("{of}.{}", quote(&field.name));
        match (given, field.kind) {
            (Given::AsJson, Type::Json) => None,
            (Given::AsJson, Type::Float64) => Some(format!("iif(abs({column}) < 9e999, {column}, NULL), ")),
            _ => Some(format!("{column}, ")),
        }
    };
    fields.iter().filter_map(column).collect()
}
