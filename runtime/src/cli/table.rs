//! Answers as people and programs read them: a table, JSON, CSV.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Map, Value as Json};

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

/// A list of objects.
pub(super) fn json(answer: &Answer) -> Json {
    let object = |row: &Vec<Value>| -> Map<String, Json> {
        answer.columns.iter().cloned().zip(row.iter().map(json_value)).collect()
    };
    answer.rows.iter().map(|row| Json::Object(object(row))).collect()
}

fn json_value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => Json::from(*value),
        Value::Int64(value) => Json::from(*value),
        Value::Float64(value) => Json::from(*value),
        Value::Text(_) | Value::Bytes(_) | Value::Timestamp(_) => Json::from(value.to_string()),
    }
}

/// RFC 4180, with a line of names; null is empty.
pub(super) fn csv(answer: &Answer) -> String {
    let line = |cells: Vec<String>| cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\r\n";
    let mut text = line(answer.columns.clone());
    for row in &answer.rows {
        text += &line(row.iter().map(ToString::to_string).collect());
    }
    text
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_what_needs_it() {
        let answer = Answer {
            columns: vec!["a".into(), "b,c".into()],
            more: false,
            rows: vec![
                vec![Value::Null, Value::Text("x \"y\"".into())],
                vec![Value::Int64(1), Value::Text("é".into())],
            ],
        };
        assert_eq!(csv(&answer), "a,\"b,c\"\r\n,\"x \"\"y\"\"\"\r\n1,é\r\n");
        assert_eq!(json(&answer).to_string(), r#"[{"a":null,"b,c":"x \"y\""},{"a":1,"b,c":"é"}]"#);
    }
}
