//! What the cache proper holds, as declared: tables of latest rows, aggregates, named queries, all by checked names.

use std::collections::HashSet;

use rusqlite::Connection;

use super::adopt;
use crate::error::{Error, Kind};
use crate::schema::{Field, Type};

/// The longest name of a table, aggregate, query or column, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// Columns that the cache itself adds.
const RESERVED: [&str; 9] =
    ["_time", "_partition", "_offset", "_row", "_closed", "_group", "_state", "_revision", "_standing"];

/// What one pipeline's cache holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// The pipeline's name.
    pub pipeline: String,
    /// The tables whose latest rows are cached.
    pub tables: Vec<TableLayout>,
    /// The aggregates.
    pub aggregates: Vec<AggregateLayout>,
    /// The rollups.
    pub rollups: Vec<RollupLayout>,
    /// The named queries: a name, and one SELECT.
    pub queries: Vec<(String, String)>,
}

/// A table of which the latest row of each key is cached.
#[derive(Clone, Debug, PartialEq)]
pub struct TableLayout {
    /// Its name.
    pub name: String,
    /// The columns whose values tell rows apart; at least one.
    pub key: Vec<String>,
    /// The cached columns in order, the key's among them.
    pub columns: Vec<Field>,
}

/// An aggregate as the cache shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateLayout {
    /// Its name.
    pub name: String,
    /// The table that it is over.
    pub table: String,
    /// `window_start`, `window_end`, the columns that it is grouped by, its measures.
    pub fields: Vec<Field>,
    /// How many columns it is grouped by.
    pub by: usize,
    /// All that its state depends on, as text; when it differs from the file's, the aggregate begins anew.
    pub definition: String,
}

/// A rollup as the cache shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct RollupLayout {
    /// Its name.
    pub name: String,
    /// The tables that it is over.
    pub tables: Vec<String>,
    /// The columns that it is grouped by, its measures.
    pub fields: Vec<Field>,
    /// How many columns it is grouped by.
    pub by: usize,
    /// All that its rows depend on beside its tables, as text; when it differs from the file's, the rollup is computed anew.
    pub definition: String,
}

/// Every fault of a layout: its names, its keys, and queries that do not compile over it. Touches no file.
pub fn check(layout: &Layout) -> Vec<Error> {
    let mut faults = layout.faults();
    if faults.is_empty() {
        let compiled = Connection::open_in_memory()
            .map_err(|cause| vec![Error::new(Kind::Internal, format!("cache: {cause}"))])
            .and_then(|connection| adopt::compile(&connection, layout));
        faults.extend(compiled.err().unwrap_or_default());
    }
    faults
}

impl Layout {
    /// The faults of names and keys, without a look at the queries' SQL.
    pub(super) fn faults(&self) -> Vec<Error> {
        let mut faults = Vec::new();
        let mut taken = HashSet::new();
        let tables = self.tables.iter().map(|table| ("table", &table.name));
        let aggregates = self.aggregates.iter().map(|aggregate| ("aggregate", &aggregate.name));
        let rollups = self.rollups.iter().map(|rollup| ("rollup", &rollup.name));
        let queries = self.queries.iter().map(|(name, _)| ("query", name));
        for (word, name) in tables.chain(aggregates).chain(rollups).chain(queries) {
            let lower = name.to_ascii_lowercase();
            if !is_name(name) || lower.starts_with("sqlite_") || lower.starts_with("tidemill_") {
                faults.push(bad_name(word, name));
            } else if !taken.insert(lower) {
                faults.push(input(format!(
                    "{word} {name:?}: the name is taken; tables, aggregates, rollups and queries share them"
                )));
            }
        }
        for table in &self.tables {
            faults.extend(table.faults().into_iter().map(|fault| fault.within(format!("table {:?}", table.name))));
        }
        for aggregate in &self.aggregates {
            let faulty = column_faults(&aggregate.fields).into_iter();
            faults.extend(faulty.map(|fault| fault.within(format!("aggregate {:?}", aggregate.name))));
        }
        for rollup in &self.rollups {
            let faulty = column_faults(&rollup.fields).into_iter();
            faults.extend(faulty.map(|fault| fault.within(format!("rollup {:?}", rollup.name))));
        }
        faults
    }
}

impl TableLayout {
    fn faults(&self) -> Vec<Error> {
        let mut faults = column_faults(&self.columns);
        if self.key.is_empty() {
            faults.push(input("it has no key".to_owned()));
        }
        for key in &self.key {
            match self.columns.iter().find(|column| column.name == *key).map(|column| column.kind) {
                None => faults.push(input(format!("its key {key:?} is not among its cached columns"))),
                Some(Type::Float64 | Type::Json | Type::Float64List | Type::TextList) => {
                    faults.push(input(format!("its key {key:?} is of a type that cannot be a key")));
                }
                Some(_) => {}
            }
        }
        faults
    }

    /// The statement that creates its table. One int64 key is the row's number itself; others make an index table.
    pub(super) fn create(&self) -> String {
        let numbered = self.number().is_some();
        let mut columns: Vec<String> = self.columns.iter().map(|field| self.column(field)).collect();
        columns.extend(["_time", "_partition", "_offset"].map(|name| format!("{} INTEGER NOT NULL", quote(name))));
        if !numbered {
            columns.push(format!("PRIMARY KEY ({})", list(&self.key)));
        }
        let tail = if numbered { "" } else { " WITHOUT ROWID" };
        format!("CREATE TABLE {} ({}){tail}", quote(&self.name), columns.join(", "))
    }

    /// The statement that puts a row in, or in place of an older one of its key.
    pub(super) fn upsert(&self) -> String {
        self.upsert_where(">")
    }

    /// The same, where the new row's place is `than` the old one's.
    pub(super) fn upsert_where(&self, than: &str) -> String {
        let place = ["_time", "_partition", "_offset"];
        let names: Vec<&str> = self.columns.iter().map(|field| field.name.as_str()).chain(place).collect();
        let sets: Vec<String> = names
            .iter()
            .filter(|name| !self.key.iter().any(|key| key == *name))
            .map(|name| format!("{0} = excluded.{0}", quote(name)))
            .collect();
        format!(
            "INSERT INTO {table} AS old ({columns}) VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {sets} \
             WHERE (excluded._time, excluded._partition, excluded._offset) {than} (old._time, old._partition, old._offset)",
            table = quote(&self.name),
            columns = list(&names),
            marks = vec!["?"; names.len()].join(", "),
            key = list(&self.key),
            sets = sets.join(", "),
        )
    }

    /// The one int64 column that is its whole key, if that is so.
    pub(super) fn number(&self) -> Option<&Field> {
        let [key] = self.key.as_slice() else { return None };
        self.columns.iter().find(|field| field.name == *key && field.kind == Type::Int64)
    }

    fn column(&self, field: &Field) -> String {
        let (name, kind) = (quote(&field.name), declared(field.kind));
        if self.number().is_some_and(|number| number.name == field.name) {
            return format!("{name} INTEGER PRIMARY KEY");
        }
        let required = if self.key.contains(&field.name) { " NOT NULL" } else { "" };
        format!("{name} {kind}{required}")
    }
}

impl RollupLayout {
    /// The statement that creates its table: its fields and the group's number.
    pub(super) fn create(&self) -> String {
        let fields: String =
            self.fields.iter().map(|field| format!("{} {}, ", quote(&field.name), declared(field.kind))).collect();
        format!("CREATE TABLE {} ({fields}\"_group\" INTEGER PRIMARY KEY)", quote(&self.name))
    }
}

/// The statement that creates a named query's view.
pub(super) fn create_view(name: &str, sql: &str) -> String {
    let select = sql.trim().trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    // The line's end closes a comment that the SQL may end with.
    format!("CREATE VIEW {} AS {select}\n", quote(name))
}

/// Whether a name may stand in SQL: letters, digits, `_`, `-` and `.`, the first a letter, a digit or `_`.
pub(super) fn is_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.len() <= NAME_BYTES_MAX && name.starts_with(word) && name.chars().all(|c| word(c) || c == '-' || c == '.')
}

/// A name as SQL writes it.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names as SQL writes them, with commas between.
pub(super) fn list<S: AsRef<str>>(names: &[S]) -> String {
    names.iter().map(|name| quote(name.as_ref())).collect::<Vec<_>>().join(", ")
}

pub(super) fn declared(kind: Type) -> &'static str {
    match kind {
        Type::Boolean | Type::Int64 => "INTEGER",
        Type::Float64 => "REAL",
        Type::Text | Type::Timestamp | Type::Json | Type::Float64List | Type::TextList => "TEXT",
        Type::Bytes => "BLOB",
    }
}

fn column_faults(columns: &[Field]) -> Vec<Error> {
    let mut faults = Vec::new();
    let mut taken = HashSet::new();
    for column in columns {
        let lower = column.name.to_ascii_lowercase();
        if !is_name(&column.name) || RESERVED.contains(&lower.as_str()) {
            faults.push(bad_name("column", &column.name));
        } else if !taken.insert(lower) {
            faults
                .push(input(format!("column {:?}: the name is taken; SQLite does not tell cases apart", column.name)));
        }
    }
    faults
}

fn bad_name(word: &str, name: &str) -> Error {
    input(format!("{word} {name:?}: the name cannot be one of the cache's")).hint(format!(
        "use letters, digits, \"_\", \"-\" and \".\", up to {NAME_BYTES_MAX}; \"sqlite_...\", \"tidemill_...\" and {} are taken",
        RESERVED.join(", ")
    ))
}

fn input(message: String) -> Error {
    Error::new(Kind::Input, message)
}
