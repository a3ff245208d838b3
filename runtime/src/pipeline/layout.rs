//! What the cache of a pipeline holds: its tables with their columns, its aggregates, its rollups, its queries.

use super::rollups;
use super::table::Table;
use crate::cache::{AggregateLayout, Layout};
use crate::config::plan::Pipeline;
use crate::error::Result;
use crate::schema::Field;
use crate::window;

/// The layout of a pipeline's cache, of these tables.
pub fn layout<'a>(pipeline: &Pipeline, tables: impl IntoIterator<Item = &'a Table>) -> Result<Layout> {
    let mut layout = Layout {
        pipeline: pipeline.name.clone(),
        tables: Vec::new(),
        aggregates: Vec::new(),
        rollups: Vec::new(),
        queries: pipeline.queries.iter().map(|query| (query.name.clone(), query.sql.clone())).collect(),
    };
    for table in tables {
        layout.tables.extend(table.layout.clone());
        for aggregate in &table.plan.aggregates {
            let fields = window::output_fields(aggregate, &table.fields)?;
            let (name, of) = (aggregate.name.clone(), table.plan.name.clone());
            let reads = |field: &&Field| aggregate.columns().any(|column| column == field.name);
            let read = table.fields.iter().filter(reads).map(|field| (&field.name, field.kind));
            let read = read.collect::<Vec<_>>();
            let definition = format!("{} of {of:?} over {read:?}", aggregate.definition());
            layout.aggregates.push(AggregateLayout { name, table: of, fields, by: aggregate.by.len(), definition });
        }
    }
    layout.rollups = rollups::layouts(&pipeline.rollups, &layout.tables)?;
    Ok(layout)
}
