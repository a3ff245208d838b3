//! How a file's tables, aggregates and views are brought to a layout.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::fault::{During, kind, message};
use super::file;
use super::group;
use super::layout::{ADDED, Layout, create_view, quote};
use super::rolled;
use super::row::{run, select};
use super::store;
use crate::error::{Error, Kind, Result};

/// Compiles a layout over an empty database; every query that does not is named.
pub(super) fn compile(connection: &Connection, layout: &Layout) -> Result<(), Vec<Error>> {
    let ready = file::prepare(connection).and_then(|()| store::create(connection, &layout.pipeline));
    ready.map_err(|error| vec![error])?;
    adopt(connection, layout).map(drop)
}

/// Brings the cache proper to the layout; answers with what that took away, as sentences.
pub(super) fn adopt(connection: &Connection, layout: &Layout) -> Result<Vec<String>, Vec<Error>> {
    add_columns(connection, layout).map_err(|error| vec![error])?;
    let wanted = wanted(layout);
    let notes = reshape(connection, &wanted).map_err(|error| vec![error])?;
    make_views(connection, &wanted)?;
    Ok(notes)
}

/// Gives the tables of aggregates the columns that they did not have once; their groups stay.
fn add_columns(connection: &Connection, layout: &Layout) -> Result<()> {
    let (present, schema) = (present(connection)?, schema(connection)?);
    for aggregate in &layout.aggregates {
        let before = aggregate.create_before();
        let definition = format!("{before} {}", aggregate.definition);
        let noted = present.iter().any(|present| present.name == aggregate.name && present.definition == definition);
        if !noted || schema.get(&aggregate.name) != Some(&before) {
            continue;
        }
        let name = quote(&aggregate.name);
        for (column, of_before) in ADDED {
            let sql = format!("ALTER TABLE {name} ADD COLUMN {column}; UPDATE {name} SET {of_before}");
            connection.execute_batch(&sql).during("add a column")?;
        }
        let definition = format!("{} {}", aggregate.create(), aggregate.definition);
        let sql = "UPDATE tidemill_layout SET definition = ? WHERE name = ?";
        run(connection, "note its layout", sql, params![definition, aggregate.name])?;
    }
    Ok(())
}

/// Drops all that the file has on behalf of a layout, whatever has become of it, and makes the tables anew, empty. Aggregates
/// that are defined as they were keep their open groups.
pub(super) fn anew(connection: &Connection, layout: &Layout) -> Result<()> {
    let wanted = wanted(layout);
    let kinds = "SELECT name, upper(type) FROM sqlite_schema WHERE type IN ('table', 'view')";
    let kinds: HashMap<String, String> =
        select(connection, kinds, [], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect();
    for Present { name, kind, definition } in present(connection)? {
        if let Some(kind) = kinds.get(&name) {
            connection.execute(&format!("DROP {kind} {}", quote(&name)), []).during("drop what is made anew")?;
        }
        let same = wanted.iter().any(|object| object.name == name && object.definition == definition);
        if kind == "aggregate" && !same {
            group::forget(connection, &name)?;
        }
        if kind == "rollup" {
            rolled::forget(connection, &name)?;
        }
        // A table then has all that the lake has; an aggregate has the count of late rows that it had.
        if kind == "table" || !same {
            run(connection, "note where it begins", "DELETE FROM tidemill_begun WHERE name = ?", [&name])?;
        }
    }
    run(connection, "note its layout", "DELETE FROM tidemill_layout", [])?;
    wanted.iter().filter(|object| object.kind != "query").try_for_each(|object| object.make_whole(connection))
}

/// Makes the views of a layout whose tables are there.
pub(super) fn views(connection: &Connection, layout: &Layout) -> Result<(), Vec<Error>> {
    make_views(connection, &wanted(layout))
}

fn make_views(connection: &Connection, wanted: &[Wanted<'_>]) -> Result<(), Vec<Error>> {
    let queries = || wanted.iter().filter(|object| object.kind == "query");
    let mut faults: Vec<Error> = queries().filter_map(|query| query.make(connection).err()).collect();
    if faults.is_empty() {
        // A view is compiled when it is read; by now all are there, for they may read one another.
        let prepare = |query: &Wanted<'_>| {
            let select = format!("SELECT * FROM {}", quote(query.name));
            connection.prepare(&select).err().map(|cause| query.fault(&cause))
        };
        faults = queries().filter_map(prepare).collect();
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// One object of the cache proper as it should be.
struct Wanted<'a> {
    name: &'a str,
    kind: &'static str,
    /// The table that its rows come of; none for a query.
    of: Option<&'a str>,
    /// The statement that makes it.
    create: String,
    /// All that it depends on; when it differs from what the file says, the object begins anew.
    definition: String,
}

/// An object that the file has on behalf of a layout.
struct Present {
    name: String,
    kind: String,
    definition: String,
}

fn wanted(layout: &Layout) -> Vec<Wanted<'_>> {
    let mut wanted = Vec::new();
    for table in &layout.tables {
        let create = table.create();
        let (name, definition) = (&table.name, create.clone());
        wanted.push(Wanted { name, kind: "table", of: Some(name), definition, create });
    }
    for aggregate in &layout.aggregates {
        let create = aggregate.create();
        let definition = format!("{create} {}", aggregate.definition);
        let (name, of) = (&aggregate.name, Some(aggregate.table.as_str()));
        wanted.push(Wanted { name, kind: "aggregate", of, definition, create });
    }
    for rollup in &layout.rollups {
        let (name, create, definition) = (&rollup.name, rollup.create(), rolled::definition(rollup, &layout.tables));
        wanted.push(Wanted { name, kind: "rollup", of: None, definition, create });
    }
    for (name, sql) in &layout.queries {
        let create = create_view(name, sql);
        wanted.push(Wanted { name, kind: "query", of: None, definition: create.clone(), create });
    }
    wanted
}

/// Drops what is no longer wanted as it is, and makes the tables that are missing; the views are left for later.
fn reshape(connection: &Connection, wanted: &[Wanted<'_>]) -> Result<Vec<String>> {
    let schema = schema(connection)?;
    let mut notes = Vec::new();
    for present in present(connection)? {
        let same = wanted.iter().find(|object| object.name == present.name && object.kind == present.kind);
        let actual = schema.get(&present.name);
        let same_definition = same.is_some_and(|object| object.definition == present.definition);
        // A table's own SQL tells too: another program may have altered it.
        let as_made =
            same.is_some_and(|object| actual.is_some_and(|sql| object.kind == "query" || *sql == object.create));
        if same_definition && !as_made && present.kind != "query" {
            return Err(present.altered(actual.is_some()));
        }
        let kept = same_definition && as_made;
        if !kept {
            present.drop(connection, actual.is_some())?;
            notes.extend(present.note(same.is_some()));
        }
    }
    for object in wanted.iter().filter(|object| object.kind != "query") {
        object.make(connection)?;
    }
    Ok(notes)
}

fn present(connection: &Connection) -> Result<Vec<Present>> {
    let sql = "SELECT name, kind, definition FROM tidemill_layout";
    let read = |row: &rusqlite::Row<'_>| Ok(Present { name: row.get(0)?, kind: row.get(1)?, definition: row.get(2)? });
    select(connection, sql, [], read)
}

/// The SQL of every table and view in the file, by name.
fn schema(connection: &Connection) -> Result<HashMap<String, String>> {
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type IN ('table', 'view') AND sql IS NOT NULL";
    Ok(select(connection, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect())
}

impl Wanted<'_> {
    /// Makes the object and notes it in the file, unless both are done.
    fn make(&self, connection: &Connection) -> Result<()> {
        let noted = select(connection, "SELECT 1 FROM tidemill_layout WHERE name = ?", [self.name], |_| Ok(()))?;
        if !noted.is_empty() {
            return Ok(());
        }
        self.make_whole(connection)?;
        let sql =
            "INSERT INTO tidemill_begun SELECT ?, partition, next_offset FROM tidemill_positions WHERE table_name = ?";
        run(connection, "note where it begins", sql, params![self.name, self.of]).map(drop)
    }

    /// Makes the object for rows from the beginning on.
    fn make_whole(&self, connection: &Connection) -> Result<()> {
        connection.execute(&self.create, []).map_err(|cause| self.fault(&cause))?;
        // A rollup is not what its definition says before it has been computed.
        let definition = if self.kind == "rollup" { rolled::PENDING } else { &self.definition };
        let sql = "INSERT INTO tidemill_layout VALUES (?, ?, ?)";
        run(connection, "note its layout", sql, params![self.name, self.kind, definition]).map(drop)
    }

    fn fault(&self, cause: &rusqlite::Error) -> Error {
        // What SQLite does not understand was written by a person; a disk that is full was not.
        let kind = Some(kind(cause)).filter(|kind| *kind != Kind::Internal).unwrap_or(Kind::Input);
        Error::new(kind, format!("{} {:?}: {}", self.kind, self.name, message(cause)))
    }
}

impl Present {
    fn drop(&self, connection: &Connection, exists: bool) -> Result<()> {
        let word = if self.kind == "query" { "VIEW" } else { "TABLE" };
        if exists {
            connection.execute(&format!("DROP {word} {}", quote(&self.name)), []).during("drop what changed")?;
        }
        if self.kind == "aggregate" {
            group::forget(connection, &self.name)?;
        }
        if self.kind == "rollup" {
            rolled::forget(connection, &self.name)?;
        }
        run(connection, "note where it begins", "DELETE FROM tidemill_begun WHERE name = ?", [&self.name])?;
        run(connection, "note its layout", "DELETE FROM tidemill_layout WHERE name = ?", [&self.name]).map(drop)
    }

    fn altered(&self, exists: bool) -> Error {
        let what = if exists { "has altered it" } else { "has removed it" };
        let error = Error::new(Kind::Conflict, format!("{} {:?}: another program {what}", self.kind, self.name));
        error.hint("make it anew from the lake: tidemill cache rebuild")
    }

    /// What a person should know; a view takes nothing away.
    fn note(&self, changed: bool) -> Option<String> {
        let Self { name, kind, .. } = self;
        match (kind.as_str(), changed) {
            ("query", _) => None,
            // One that was never computed is computed now.
            ("rollup", true) if self.definition == rolled::PENDING => None,
            ("rollup", true) => Some(format!(
                "rollup {name:?}: its tables or its definition changed; it is computed anew from the cached rows"
            )),
            (_, true) => Some(format!("{kind} {name:?}: its columns or its definition changed; its rows begin anew")),
            (_, false) => Some(format!("{kind} {name:?}: it is no longer declared; its rows are gone from the cache")),
        }
    }
}
