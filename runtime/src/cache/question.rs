//! Questions that programs ask of a named query: some of its rows, in an order, a page at a time.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::cell::bind_value;
use super::fault::During;
use super::group_key::{decode, encode};
use super::layout::quote;
use super::query::{Reader, Table, collect, refused};
use crate::error::{Error, Kind, Result};
use crate::value::Value;

/// Which rows of a query's answer are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The query's name.
    pub query: String,
    /// What has to hold of a row.
    pub filters: Vec<Filter>,
    /// The columns that rows are sorted by, before all others from left to right. Without, rows come in the query's own order.
    pub order: Vec<Order>,
    /// Where the page before this one has ended, as it said.
    pub cursor: Option<String>,
    /// How many rows are passed over.
    pub offset: u64,
    /// The most rows of the page.
    pub limit: usize,
}

/// What has to hold of a column's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The column.
    pub column: String,
    /// How it is compared.
    pub test: Test,
    /// With what: where it reads as a number, numbers are compared with that, and texts with the text.
    pub with: String,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// It is that.
    Is,
    /// It is not that; null is nothing else.
    IsNot,
    /// It is less.
    Less,
    /// It is not more.
    AtMost,
    /// It is more.
    More,
    /// It is not less.
    AtLeast,
    /// Whether it is null: `true` or `false`.
    Null,
}

impl Test {
    /// Each by its name.
    pub const NAMES: [(&str, Self); 7] = [
        ("eq", Self::Is),
        ("ne", Self::IsNot),
        ("lt", Self::Less),
        ("le", Self::AtMost),
        ("gt", Self::More),
        ("ge", Self::AtLeast),
        ("null", Self::Null),
    ];
}

/// A column that rows are sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The column.
    pub column: String,
    /// Whether the greatest comes first.
    pub falling: bool,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Its rows; `more` where there are others behind them.
    pub table: Table,
    /// The cursor of the next page, where there is one.
    pub next: Option<String>,
}

/// What a SELECT is made of: its text, and the values of its parameters.
struct Select {
    sql: String,
    values: Vec<Value>,
}

impl Reader {
    /// A number that is another once somebody else has changed the file. It costs a look into memory.
    pub fn version(&self) -> Result<i64> {
        self.connection.query_row("PRAGMA data_version", [], |row| row.get(0)).during("look whether it changed")
    }

    /// The columns of a named query.
    pub fn columns(&self, query: &str) -> Result<Vec<String>> {
        let sql = "SELECT 1 FROM tidemill_layout WHERE kind = 'query' AND name = ?";
        let known = || self.connection.prepare_cached(sql)?.exists([query]);
        if !known().during("look for a query")? {
            return Err(self.unknown(query));
        }
        let statement = self.connection.prepare_cached(&format!("SELECT * FROM {}", quote(query)));
        let statement = statement.map_err(|cause| refused(&cause))?;
        Ok(statement.column_names().map(str::to_owned).collect())
    }

    /// A page of a named query's answer, in at most `time_max`.
    ///
    /// Errors with `Kind::Missing` where there is no such query, with `Kind::Input` where a column or the cursor is none of it,
    /// with `Kind::Busy` where it takes too long.
    pub fn ask(&self, question: &Question, time_max: Duration) -> Result<Page> {
        let columns = self.columns(&question.query)?;
        let select = Select::of(question, &columns)?;
        let table = self.within(time_max, || {
            self.only_reading(|| {
                let mut statement = self.connection.prepare_cached(&select.sql).map_err(|cause| refused(&cause))?;
                for (index, value) in select.values.iter().enumerate() {
                    bind_value(value, &mut statement, index + 1).map_err(|cause| refused(&cause))?;
                }
                collect(&mut statement, question.limit)
            })
        })?;
        let next = table.more.then(|| question.cursor_after(&table)).transpose()?;
        Ok(Page { table, next })
    }
}

impl Question {
    /// All of a query's answer up to `limit` rows, in its own order.
    pub fn whole(query: &str, limit: usize) -> Self {
        Self { query: query.to_owned(), limit, ..Self::default() }
    }

    /// How many rows are passed over, of all or, where a row is given, from that one on.
    fn begin(&self, columns: usize) -> Result<(u64, Option<Vec<Value>>)> {
        let Some(cursor) = &self.cursor else { return Ok((self.offset, None)) };
        let wrong = || {
            let error = Error::new(Kind::Input, format!("cursor {cursor:?}: it is not one of this question"));
            error.hint("ask with the cursor that the page before gave, and with the same order")
        };
        let values = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| decode(&bytes)).ok_or_else(wrong)?;
        match (self.order.is_empty(), values.as_slice()) {
            (true, [Value::Int64(rows)]) if *rows >= 0 => Ok((rows.cast_unsigned().saturating_add(self.offset), None)),
            (false, [Value::Boolean(true), Value::Int64(equal), row @ ..]) if row.len() == columns && *equal > 0 => {
                Ok((equal.cast_unsigned().saturating_add(self.offset), Some(row.to_vec())))
            }
            _ => Err(wrong()),
        }
    }

    /// The cursor behind a page's last row.
    fn cursor_after(&self, page: &Table) -> Result<String> {
        let (passed, after) = self.begin(page.columns.len())?;
        let count = page.rows.len() as u64;
        let values = match page.rows.last() {
            Some(last) if !self.order.is_empty() => {
                // Of rows that are equal, a page may have some and the next one the others.
                let mut equal = page.rows.iter().rev().take_while(|row| ties(row, last)).count() as u64;
                if equal == count && after.is_some_and(|after| ties(&after, last)) {
                    equal = equal.saturating_add(passed);
                }
                [&[Value::Boolean(true), Value::Int64(equal.cast_signed())], last.as_slice()].concat()
            }
            _ => vec![Value::Int64(passed.saturating_add(count).cast_signed())],
        };
        Ok(URL_SAFE_NO_PAD.encode(encode(&values)))
    }
}

impl Select {
    fn of(question: &Question, columns: &[String]) -> Result<Self> {
        let mut select = Self { sql: format!("SELECT * FROM {}", quote(&question.query)), values: Vec::new() };
        let order = total(&question.order, columns)?;
        let (passed, after) = question.begin(columns.len())?;
        let mut conditions = Vec::new();
        for filter in &question.filters {
            known(&filter.column, columns)?;
            conditions.push(select.filter(filter)?);
        }
        if let Some(row) = after {
            conditions.push(select.onward(&order, columns, &row));
        }
        if !conditions.is_empty() {
            select.sql += &format!(" WHERE {}", conditions.join(" AND "));
        }
        if !order.is_empty() {
            let word = |order: &Order| if order.falling { "DESC" } else { "ASC" };
            let terms = order.iter().map(|order| format!("{} {}", plain(&order.column), word(order)));
            select.sql += &format!(" ORDER BY {}", terms.collect::<Vec<_>>().join(", "));
        }
        // One more, by which it is known that there are others.
        let rows = select.value(Value::Int64(i64::try_from(question.limit).unwrap_or(i64::MAX - 1).saturating_add(1)));
        let passed = select.value(Value::Int64(i64::try_from(passed).unwrap_or(i64::MAX)));
        select.sql += &format!(" LIMIT {rows} OFFSET {passed}");
        Ok(select)
    }

    /// A parameter with that value.
    fn value(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    fn filter(&mut self, filter: &Filter) -> Result<String> {
        let column = quote(&filter.column);
        let with = &filter.with;
        if filter.test == Test::Null {
            return match with.as_str() {
                "true" => Ok(format!("{column} IS NULL")),
                "false" => Ok(format!("{column} IS NOT NULL")),
                _ => Err(Error::new(Kind::Input, format!("filter {:?}: {with:?} is not true or false", filter.column))),
            };
        }
        let text = self.value(Value::Text(with.clone()));
        let number = number(with).map(|number| self.value(number));
        let compared = match filter.test {
            Test::Is => "=",
            Test::IsNot => "<>",
            Test::Less => "<",
            Test::AtMost => "<=",
            Test::More => ">",
            Test::AtLeast => ">=",
            Test::Null => "IS",
        };
        // A column that an index is of is looked up in it.
        Ok(match (filter.test, number) {
            (Test::Is, Some(number)) => format!("{column} IN ({number}, {text})"),
            (Test::Is, None) => format!("{column} = {text}"),
            (_, Some(number)) => format!(
                "CASE WHEN typeof({column}) IN ('integer', 'real') THEN {column} {compared} {number} \
                 ELSE {column} {compared} {text} END"
            ),
            (Test::IsNot, None) => format!("{column} <> {text}"),
            (_, None) => format!("(typeof({column}) = 'text' AND {column} {compared} {text})"),
        })
    }

    /// What holds of a row and those behind it, in this order: they are equal in some columns, and behind it in the next.
    fn onward(&mut self, order: &[Order], columns: &[String], row: &[Value]) -> String {
        let of = |name: &str| columns.iter().position(|column| column == name).and_then(|index| row.get(index));
        let (mut ways, mut equal) = (Vec::new(), String::new());
        for Order { column, falling } in order {
            let (column, value) = (plain(column), of(column).cloned().unwrap_or(Value::Null));
            let null = value == Value::Null;
            let at = self.value(value);
            // Null comes before all else.
            let behind = match (null, falling) {
                (true, false) => Some(format!("{column} IS NOT NULL")),
                (true, true) => None,
                (false, false) => Some(format!("{column} > {at}")),
                (false, true) => Some(format!("({column} < {at} OR {column} IS NULL)")),
            };
            ways.extend(behind.map(|behind| format!("({equal}{behind})")));
            equal += &format!("{column} IS {at} AND ");
        }
        ways.push(format!("({equal}1)"));
        format!("({})", ways.join(" OR "))
    }
}

/// Whether rows are equal in every order: SQLite does not tell numbers of the two kinds apart.
fn ties(one: &[Value], other: &[Value]) -> bool {
    let same = |pair: (&Value, &Value)| match pair {
        (Value::Int64(a), Value::Float64(b)) | (Value::Float64(b), Value::Int64(a)) => *a as f64 == *b,
        (Value::Float64(a), Value::Float64(b)) => a == b,
        (a, b) => a == b,
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

/// A column as it is compared by its bytes, whatever its query says.
fn plain(column: &str) -> String {
    format!("{} COLLATE BINARY", quote(column))
}

/// The order that is asked for, then all other columns: rows that are equal in it are equal.
fn total(asked: &[Order], columns: &[String]) -> Result<Vec<Order>> {
    let mut order: Vec<Order> = Vec::new();
    for one in asked {
        known(&one.column, columns)?;
        if !order.iter().any(|before| before.column == one.column) {
            order.push(one.clone());
        }
    }
    if !asked.is_empty() {
        for column in columns {
            if !order.iter().any(|before| before.column == *column) {
                order.push(Order { column: column.clone(), falling: false });
            }
        }
    }
    Ok(order)
}

fn known(column: &str, columns: &[String]) -> Result<()> {
    if columns.iter().any(|known| known == column) {
        return Ok(());
    }
    let error = Error::new(Kind::Input, format!("column {column:?}: the query has none of this name"));
    Err(error.hint(format!("its columns are {}", columns.join(", "))))
}

/// The number that a text reads as.
fn number(text: &str) -> Option<Value> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(Value::Int64(whole));
    }
    let digits = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    text.parse::<f64>().ok().filter(|number| digits && number.is_finite()).map(Value::Float64)
}
