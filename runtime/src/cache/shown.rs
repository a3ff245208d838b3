//! Groups as an aggregate shows them, out of the file again.

use std::ops::Range;

use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::aggregate::Names;
use super::cell::{read, shown_time};
use super::fault::During;
use super::layout::{AggregateLayout, quote};
use super::query::{Reader, value};
use crate::commit::{Group, Standing};
use crate::error::Result;
use crate::schema::Type;
use crate::time::Timestamp;
use crate::value::Value;

impl Reader {
    /// Gives each group that an aggregate shows, without its state; where times are given, only those that are closed and end after the
    /// first and not after the last, by rising end. Of an open group, how far time has come is not told.
    pub fn shown_groups(
        &self,
        layout: &AggregateLayout,
        ends: Option<Range<Timestamp>>,
        mut each: impl FnMut(Group) -> Result<()>,
    ) -> Result<()> {
        let columns: String = layout.fields.iter().map(|field| format!("{}, ", quote(&field.name))).collect();
        let only = ends.map_or(String::new(), |ends| {
            let [after, upto] = [ends.start, ends.end].map(shown_time);
            format!(" WHERE _closed AND window_end > '{after}' AND window_end <= '{upto}' ORDER BY window_end")
        });
        // One of the same name may have been derived beside it.
        let sql = format!("SELECT {columns}_closed, _group FROM main.{}{only}", Names::of(&layout.name).view);
        let mut statement = self.connection.prepare(&sql).during("read its groups")?;
        let mut rows = statement.query([]).during("read its groups")?;
        while let Some(row) = rows.next().during("read its groups")? {
            each(group(layout, row).during("read its groups")?)?;
        }
        Ok(())
    }
}

fn group(layout: &AggregateLayout, row: &Row<'_>) -> rusqlite::Result<Group> {
    let values = |fields: Range<usize>| -> rusqlite::Result<Vec<Value>> {
        let typed = fields.filter_map(|index| layout.fields.get(index).map(|field| (index, field.kind)));
        typed.map(|(index, kind)| Ok(typed_as(kind, row.get_ref(index)?))).collect()
    };
    let (by, count) = (2 + layout.by, layout.fields.len());
    let bound = |index: usize| match typed_as(Type::Timestamp, row.get_ref(index)?) {
        Value::Timestamp(at) => Ok(at),
        _ => Err(rusqlite::Error::InvalidQuery),
    };
    Ok(Group {
        window: bound(0)?,
        end: bound(1)?,
        key: values(2..by)?,
        measures: values(by..count)?,
        standing: if row.get(count)? { Standing::Closed } else { Standing::Early },
        revised: false,
        number: row.get(count + 1)?,
        stored: true,
        state: Vec::new(),
    })
}

/// A value of SQLite as one of a column's type; a list is its text.
fn typed_as(kind: Type, shown: ValueRef<'_>) -> Value {
    match kind {
        Type::Float64List | Type::TextList => value(shown),
        kind => read(kind, shown).owned(),
    }
}
