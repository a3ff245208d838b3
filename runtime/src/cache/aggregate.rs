//! How an aggregate lies in the file: a table of what its groups are called, one of what they show, and a view of both.
//!
//! A commit changes what thousands of groups show, all over their windows. What they show is some twenty bytes, and what they
//! are called is a hundred that never change; apart from these, a commit writes a third of the pages.

use super::layout::{AggregateLayout, declared, quote};
use crate::commit::Standing;
use crate::schema::Field;

/// The tables and the view of an aggregate, as SQL names them.
pub(super) struct Names {
    /// The view, of which everybody reads.
    pub(super) view: String,
    /// The windows and the columns that it is grouped by.
    pub(super) keys: String,
    /// The measures.
    pub(super) measures: String,
    /// What the measures of open groups are computed from; it is not of the cache proper.
    pub(super) states: String,
}

impl Names {
    pub(super) fn of(aggregate: &str) -> Self {
        let [keys, measures] = parts(aggregate).map(|name| quote(&name));
        Self { view: quote(aggregate), keys, measures, states: quote(&states(aggregate)) }
    }
}

/// The names of the tables that an aggregate's view is over.
pub(super) fn parts(aggregate: &str) -> [String; 2] {
    [format!("tidemill_keys_{aggregate}"), format!("tidemill_measures_{aggregate}")]
}

/// The name of the table that has the states of an aggregate's open groups.
pub(super) fn states(aggregate: &str) -> String {
    format!("tidemill_states_{aggregate}")
}

/// A standing as it is stored; see [`AggregateLayout::objects`] for how it is shown.
pub(super) fn stored(standing: Standing) -> i64 {
    match standing {
        Standing::Early => 0,
        Standing::OnTime => 1,
        Standing::Closed => 2,
    }
}

impl AggregateLayout {
    /// The columns that it is grouped by.
    pub(super) fn grouped(&self) -> &[Field] {
        self.fields.get(2..2 + self.by).unwrap_or_default()
    }

    /// Its measures.
    pub(super) fn measures(&self) -> &[Field] {
        self.fields.get(2 + self.by..).unwrap_or_default()
    }

    /// What names a group: the window and the columns that it is grouped by.
    fn naming(&self) -> &[Field] {
        self.fields.get(..2 + self.by).unwrap_or_default()
    }

    /// The statement that creates it as one table, as a comparison has it beside the cache's: its fields, whether the window has
    /// closed, the group's number, how far time has come for it, how often it was revised.
    pub(super) fn create(&self) -> String {
        format!(
            "CREATE TABLE {} ({}\"_closed\" INTEGER NOT NULL, \"_group\" INTEGER PRIMARY KEY, \"_state\" TEXT, \"_revision\" INTEGER)",
            quote(&self.name),
            columns(&self.fields)
        )
    }

    /// What the file has of it: names, each with the statement that creates it. What is written to the view goes to both tables, for
    /// changes that are few.
    pub(super) fn objects(&self) -> Vec<(String, String)> {
        let Names { view, keys, measures, .. } = Names::of(&self.name);
        let [keys_name, measures_name] = parts(&self.name);
        let create_keys = format!("CREATE TABLE {keys} ({}\"_group\" INTEGER PRIMARY KEY)", columns(self.naming()));
        let by_window = format!("tidemill_by_window_{}", self.name);
        let create_by_window = format!("CREATE INDEX {} ON {keys} (window_start)", quote(&by_window));
        let create_measures = format!(
            "CREATE TABLE {measures} ({}\"_standing\" INTEGER NOT NULL, \"_revision\" INTEGER NOT NULL, \"_group\" INTEGER PRIMARY KEY)",
            columns(self.measures())
        );
        let [early, on_time, closed] = [Standing::Early, Standing::OnTime, Standing::Closed].map(Standing::word);
        let create_view = format!(
            "CREATE VIEW {view} AS SELECT {}{}m._standing = 2 AS \"_closed\", k._group AS \"_group\", \
             CASE m._standing WHEN 0 THEN '{early}' WHEN 1 THEN '{on_time}' ELSE '{closed}' END AS \"_state\", \
             m._revision AS \"_revision\" FROM {keys} k JOIN {measures} m ON m._group = k._group",
            of_each("k", self.naming()),
            of_each("m", self.measures()),
        );
        let standing = format!("iif(NEW._closed, 2, NEW._state IS '{on_time}')");
        let [insert, update, delete] =
            ["insert", "update", "delete"].map(|what| format!("tidemill_{what}_{}", self.name));
        let create_insert = format!(
            "CREATE TRIGGER {} INSTEAD OF INSERT ON {view} BEGIN INSERT INTO {keys} VALUES ({}NEW._group); \
             INSERT INTO {measures} VALUES ({}{standing}, coalesce(NEW._revision, 0), last_insert_rowid()); END",
            quote(&insert),
            of_each("NEW", self.naming()),
            of_each("NEW", self.measures()),
        );
        let create_update = format!(
            "CREATE TRIGGER {} INSTEAD OF UPDATE ON {view} BEGIN UPDATE {keys} SET {}_group = NEW._group WHERE _group = OLD._group; \
             UPDATE {measures} SET {}_standing = {standing}, _revision = NEW._revision, _group = NEW._group \
             WHERE _group = OLD._group; END",
            quote(&update),
            moved(self.naming()),
            moved(self.measures()),
        );
        let create_delete = format!(
            "CREATE TRIGGER {} INSTEAD OF DELETE ON {view} BEGIN DELETE FROM {keys} WHERE _group = OLD._group; \
             DELETE FROM {measures} WHERE _group = OLD._group; END",
            quote(&delete),
        );
        vec![
            (keys_name, create_keys),
            (by_window, create_by_window),
            (measures_name, create_measures),
            (self.name.clone(), create_view),
            (insert, create_insert),
            (update, create_update),
            (delete, create_delete),
        ]
    }
}

fn columns(fields: &[Field]) -> String {
    fields.iter().map(|field| format!("{} {}, ", quote(&field.name), declared(field.kind))).collect()
}

fn of_each(of: &str, fields: &[Field]) -> String {
    fields.iter().map(|field| format!("{of}.{}, ", quote(&field.name))).collect()
}

fn moved(fields: &[Field]) -> String {
    fields.iter().map(|field| format!("{0} = NEW.{0}, ", quote(&field.name))).collect()
}
