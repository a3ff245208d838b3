//! Answers: rows of named columns, what changed between two of them, the forms that programs read.

use hashbrown::HashMap;
use serde_json::{Map, Value as Json};

use crate::value::Value;

/// The answer to a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Its rows, each with a value for every column: null, int64, float64, text or bytes.
    pub rows: Vec<Vec<Value>>,
    /// Whether there were more rows than were asked for.
    pub more: bool,
}

/// What makes one answer of another: whole rows, as often as each of them went or came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rows that are there no more, in the order that they had.
    pub deleted: Vec<Vec<Value>>,
    /// Rows that are new, in their order.
    pub inserted: Vec<Vec<Value>>,
}

/// The same, with rows that went and came under one key taken together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyed {
    /// Rows whose key is there no more.
    pub deleted: Vec<Vec<Value>>,
    /// Rows whose key is the same: as they were, and as they are.
    pub updated: Vec<(Vec<Value>, Vec<Value>)>,
    /// Rows whose key is new.
    pub inserted: Vec<Vec<Value>>,
}

impl Table {
    /// What became of `before` to make this one. Other columns make all rows others.
    pub fn since(&self, before: &Self) -> Changes {
        let mut left: HashMap<&[Value], usize> = HashMap::with_capacity(before.rows.len());
        if self.columns == before.columns {
            before.rows.iter().for_each(|row| *left.entry(row).or_default() += 1);
        }
        let mut changes = Changes::default();
        for row in &self.rows {
            match left.get_mut(row.as_slice()) {
                Some(count) if *count > 0 => *count -= 1,
                _ => changes.inserted.push(row.clone()),
            }
        }
        for row in &before.rows {
            match left.get_mut(row.as_slice()) {
                Some(0) => {}
                Some(count) => {
                    *count -= 1;
                    changes.deleted.push(row.clone());
                }
                None => changes.deleted.push(row.clone()),
            }
        }
        changes
    }

    /// Its rows as a list of JSON objects.
    pub fn json(&self) -> Json {
        self.rows.iter().map(|row| self.object(row)).collect()
    }

    /// A row of these columns as a JSON object.
    pub fn object(&self, row: &[Value]) -> Json {
        Json::Object(self.columns.iter().cloned().zip(row.iter().map(json_value)).collect::<Map<_, _>>())
    }

    /// Its rows as JSON objects, one a line.
    pub fn json_lines(&self) -> String {
        self.rows.iter().map(|row| self.object(row).to_string() + "\n").collect()
    }

    /// Its rows in the form of RFC 4180, with a line of names; null is empty.
    pub fn csv(&self) -> String {
        let mut text = csv_line(&self.columns);
        for row in &self.rows {
            text += &csv_line(row);
        }
        text
    }
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.deleted.is_empty() && self.inserted.is_empty()
    }

    /// Takes rows together that have the same values in these columns; where a key has several rows, in their order.
    pub fn by(&self, key: &[usize]) -> Keyed {
        let of = |row: &[Value]| key.iter().filter_map(|&column| row.get(column).cloned()).collect::<Vec<_>>();
        let mut keyed = Keyed::default();
        let mut came: HashMap<Vec<Value>, Vec<&Vec<Value>>> = HashMap::new();
        for row in self.inserted.iter().rev() {
            came.entry(of(row)).or_default().push(row);
        }
        let mut paired: HashMap<Vec<Value>, usize> = HashMap::new();
        for row in &self.deleted {
            let key = of(row);
            match came.get_mut(&key).and_then(Vec::pop) {
                Some(now) => {
                    *paired.entry(key).or_default() += 1;
                    keyed.updated.push((row.clone(), now.clone()));
                }
                None => keyed.deleted.push(row.clone()),
            }
        }
        for row in &self.inserted {
            match paired.get_mut(&of(row)) {
                Some(count) if *count > 0 => *count -= 1,
                _ => keyed.inserted.push(row.clone()),
            }
        }
        keyed
    }
}

/// Values, or names, as a line of CSV with its end.
pub fn csv_line<T: ToString>(cells: &[T]) -> String {
    cells.iter().map(|cell| quoted(&cell.to_string())).collect::<Vec<_>>().join(",") + "\r\n"
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, i64)]) -> Table {
        let rows = rows.iter().map(|(name, n)| vec![Value::Text((*name).to_owned()), Value::Int64(*n)]).collect();
        Table { columns: vec!["name".to_owned(), "n".to_owned()], rows, more: false }
    }

    fn shown(rows: &[Vec<Value>]) -> String {
        rows.iter().map(|row| format!("{}{}", row[0], row[1])).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn changes_are_of_whole_rows_as_often_as_each_is_there() {
        let check = |before: &[(&str, i64)], after: &[(&str, i64)], deleted: &str, inserted: &str| {
            let changes = table(after).since(&table(before));
            assert_eq!((shown(&changes.deleted), shown(&changes.inserted)), (deleted.to_owned(), inserted.to_owned()));
        };
        check(&[], &[], "", "");
        check(&[("a", 1), ("b", 2)], &[("b", 2), ("a", 1)], "", "");
        check(&[("a", 1)], &[("a", 2)], "a1", "a2");
        check(&[("a", 1), ("a", 1)], &[("a", 1)], "a1", "");
        check(&[("a", 1)], &[("a", 1), ("a", 1), ("b", 1)], "", "a1 b1");
        let mut other = table(&[("a", 1)]);
        other.columns[1] = "m".to_owned();
        let changes = other.since(&table(&[("a", 1)]));
        assert_eq!((shown(&changes.deleted), shown(&changes.inserted)), ("a1".to_owned(), "a1".to_owned()));
    }

    #[test]
    fn rows_of_one_key_are_an_update() {
        let check = |before: &[(&str, i64)], after: &[(&str, i64)], deleted: &str, updated: &str, inserted: &str| {
            let keyed = table(after).since(&table(before)).by(&[0]);
            let pairs: Vec<_> = keyed.updated.iter().map(|(was, is)| vec![was[1].clone(), is[1].clone()]).collect();
            let got = (shown(&keyed.deleted), shown(&pairs), shown(&keyed.inserted));
            assert_eq!(got, (deleted.to_owned(), updated.to_owned(), inserted.to_owned()));
        };
        check(&[("a", 1), ("b", 1), ("c", 1)], &[("a", 2), ("c", 1), ("d", 4)], "b1", "12", "d4");
        // A key that is none: rows are taken together in their order.
        check(&[("a", 1), ("a", 2)], &[("a", 3)], "a2", "13", "");
        check(&[("a", 1)], &[("a", 2), ("a", 3)], "", "12", "a3");
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let answer = Table {
            columns: vec!["a".into(), "b,c".into()],
            more: false,
            rows: vec![
                vec![Value::Null, Value::Text("x \"y\"".into())],
                vec![Value::Int64(1), Value::Text("é".into())],
            ],
        };
        assert_eq!(answer.csv(), "a,\"b,c\"\r\n,\"x \"\"y\"\"\"\r\n1,é\r\n");
        assert_eq!(answer.json().to_string(), r#"[{"a":null,"b,c":"x \"y\""},{"a":1,"b,c":"é"}]"#);
        assert_eq!(answer.json_lines().lines().count(), 2);
    }
}
