//! How a file's tables, aggregates and views are brought to a layout.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::fault::{During, kind, message};
use super::file;
use super::group;
use super::layout::{Layout, create_view, quote};
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
    let wanted = wanted(layout);
    let notes = reshape(connection, &wanted).map_err(|error| vec![error])?;
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
    if faults.is_empty() { Ok(notes) } else { Err(faults) }
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
    let sql = "SELECT name, kind, definition FROM tidemill_layout";
    let read = |row: &rusqlite::Row<'_>| Ok(Present { name: row.get(0)?, kind: row.get(1)?, definition: row.get(2)? });
    for present in select(connection, sql, [], read)? {
        let same = wanted.iter().find(|object| object.name == present.name && object.kind == present.kind);
        let actual = schema.get(&present.name);
        // A table's own SQL tells too: another program may have altered it.
        let kept = same.is_some_and(|object| {
            object.definition == present.definition
                && actual.is_some_and(|sql| object.kind == "query" || *sql == object.create)
        });
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
        connection.execute(&self.create, []).map_err(|cause| self.fault(&cause))?;
        let sql = "INSERT INTO tidemill_layout VALUES (?, ?, ?)";
        run(connection, "note its layout", sql, params![self.name, self.kind, self.definition])?;
        let sql =
            "INSERT INTO tidemill_begun SELECT ?, partition, next_offset FROM tidemill_positions WHERE table_name = ?";
        run(connection, "note where it begins", sql, params![self.name, self.of]).map(drop)
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
        run(connection, "note where it begins", "DELETE FROM tidemill_begun WHERE name = ?", [&self.name])?;
        run(connection, "note its layout", "DELETE FROM tidemill_layout WHERE name = ?", [&self.name]).map(drop)
    }

    /// What a person should know; a view takes nothing away.
    fn note(&self, changed: bool) -> Option<String> {
        let Self { name, kind, .. } = self;
        match (kind.as_str(), changed) {
            ("query", _) => None,
            (_, true) => Some(format!("{kind} {name:?}: its columns or its definition changed; its rows begin anew")),
            (_, false) => Some(format!("{kind} {name:?}: it is no longer declared; its rows are gone from the cache")),
        }
    }
}
