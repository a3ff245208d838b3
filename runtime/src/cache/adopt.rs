//! How a file's tables, aggregates and views are brought to a layout.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::aggregate;
use super::fault::{During, kind, message};
use super::file;
use super::group;
use super::layout::{Layout, create_view, quote};
use super::rolled;
use super::row::{run, select};
use super::states::States;
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
    make_views(connection, &wanted)?;
    Ok(notes)
}

/// Drops all that the file has on behalf of a layout, whatever has become of it, and makes the tables anew, empty. Aggregates
/// that are defined as they were keep their open groups.
pub(super) fn anew(connection: &Connection, layout: &Layout) -> Result<()> {
    let wanted = wanted(layout);
    let schema = schema(connection)?;
    let mut kept = Vec::new();
    for present in present(connection)? {
        present.take_away(connection, &schema)?;
        let Present { name, kind, definition } = present;
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
        if same {
            kept.push(name);
        }
    }
    run(connection, "note its layout", "DELETE FROM tidemill_layout", [])?;
    for object in wanted.iter().filter(|object| object.kind != "query") {
        if object.kind == "aggregate" && !kept.iter().any(|name| name == object.name) {
            object.begin(connection)?;
        }
        object.make_whole(connection)?;
    }
    Ok(())
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
    /// What it is in the file: names, each with the statement that creates it.
    objects: Vec<(String, String)>,
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
        let (name, definition) = (&table.name, table.create());
        let objects = vec![(name.clone(), definition.clone())];
        wanted.push(Wanted { name, kind: "table", of: Some(name), definition, objects });
    }
    for aggregate in &layout.aggregates {
        let definition = format!("{} {}", aggregate.create(), aggregate.definition);
        let (name, of) = (&aggregate.name, Some(aggregate.table.as_str()));
        wanted.push(Wanted { name, kind: "aggregate", of, definition, objects: aggregate.objects() });
    }
    for rollup in &layout.rollups {
        let (name, definition) = (&rollup.name, rolled::definition(rollup, &layout.tables));
        wanted.push(Wanted {
            name,
            kind: "rollup",
            of: None,
            definition,
            objects: vec![(name.clone(), rollup.create())],
        });
    }
    for (name, sql) in &layout.queries {
        let definition = create_view(name, sql);
        let objects = vec![(name.clone(), definition.clone())];
        wanted.push(Wanted { name, kind: "query", of: None, definition, objects });
    }
    wanted
}

/// Drops what is no longer wanted as it is, and makes the tables that are missing; the views are left for later.
fn reshape(connection: &Connection, wanted: &[Wanted<'_>]) -> Result<Vec<String>> {
    let schema = schema(connection)?;
    let mut notes = Vec::new();
    for present in present(connection)? {
        let same = wanted.iter().find(|object| object.name == present.name && object.kind == present.kind);
        let same_definition = same.is_some_and(|object| object.definition == present.definition);
        // A table's own SQL tells too: another program may have altered it.
        let as_made = same.is_some_and(|object| {
            let is_made = |(name, create): &(String, String)| {
                schema.get(name).is_some_and(|(_, sql)| object.kind == "query" || sql == create)
            };
            let has_states = object.kind != "aggregate" || schema.contains_key(&aggregate::states(object.name));
            has_states && object.objects.iter().all(is_made)
        });
        if same_definition && !as_made && present.kind != "query" {
            return Err(present.altered(schema.contains_key(&present.name)));
        }
        let kept = same_definition && as_made;
        if !kept {
            present.drop(connection, &schema)?;
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

/// What each table, view, trigger and index in the file is, and its SQL, by name.
type Schema = HashMap<String, (String, String)>;

fn schema(connection: &Connection) -> Result<Schema> {
    let sql = "SELECT name, upper(type), sql FROM sqlite_schema WHERE type IN ('table', 'view', 'trigger', 'index') AND sql IS NOT NULL";
    Ok(select(connection, sql, [], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?.into_iter().collect())
}

impl Wanted<'_> {
    /// Makes the object and notes it in the file, unless both are done.
    fn make(&self, connection: &Connection) -> Result<()> {
        let noted = select(connection, "SELECT 1 FROM tidemill_layout WHERE name = ?", [self.name], |_| Ok(()))?;
        if !noted.is_empty() {
            return Ok(());
        }
        self.make_whole(connection)?;
        self.begin(connection)
    }

    /// Notes that it begins where its table stands.
    fn begin(&self, connection: &Connection) -> Result<()> {
        if let Some(table) = self.of.filter(|_| self.kind == "aggregate") {
            group::begin(connection, self.name, table)?;
        }
        let sql =
            "INSERT INTO tidemill_begun SELECT ?, partition, next_offset FROM tidemill_positions WHERE table_name = ?";
        run(connection, "note where it begins", sql, params![self.name, self.of]).map(drop)
    }

    /// Makes the object for rows from the beginning on.
    fn make_whole(&self, connection: &Connection) -> Result<()> {
        for (_, create) in &self.objects {
            connection.execute(create, []).map_err(|cause| self.fault(&cause))?;
        }
        if self.kind == "aggregate" {
            States::of(self.name).make(connection)?;
        }
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
    /// Drops what it is in the file, whatever has become of it; what drops a view drops its triggers too.
    fn take_away(&self, connection: &Connection, schema: &Schema) -> Result<()> {
        let parts = if self.kind == "aggregate" { aggregate::parts(&self.name).to_vec() } else { Vec::new() };
        for name in [self.name.clone()].into_iter().chain(parts) {
            if let Some((kind, _)) = schema.get(&name) {
                connection.execute(&format!("DROP {kind} {}", quote(&name)), []).during("drop what changed")?;
            }
        }
        Ok(())
    }

    fn drop(&self, connection: &Connection, schema: &Schema) -> Result<()> {
        self.take_away(connection, schema)?;
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
