//! Answers as people read them: a table with lines.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::cache::query::Table as Answer;
use crate::value::Value;

/// A table with lines, numbers to the right.
pub(super) fn table(answer: &Answer) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(&answer.columns);
    for row in &answer.rows {
        table.add_row(row.iter().map(ToString::to_string));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        let number =
            |row: &Vec<Value>| matches!(row.get(index), Some(Value::Int64(_) | Value::Float64(_) | Value::Null));
        if !answer.rows.is_empty() && answer.rows.iter().all(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// The cells of a terminal's line; of a usual one, where there is none.
pub(super) fn width() -> usize {
    Table::new().width().map_or(80, usize::from)
}
