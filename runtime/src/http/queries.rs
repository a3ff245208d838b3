//! The routes of named queries: what there is, an answer by pages, its changes as they come.

mod feed;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;

pub(super) use self::feed::follow;
use super::admin::refused;
use super::answer::Refusal;
use super::rest::accepted;
use super::{Door, in_background};
use crate::access::Grant;
use crate::cache::question::{Filter, Order, Page, Question, Test};
use crate::error::{Error, Kind, Result};
use crate::runtime::ROWS_MAX;

/// The rows of a page whose client does not say.
const ROWS_USUAL: usize = 1_000;
const JSON: &str = "application/json";
const CSV: &str = "text/csv";

/// What a URL asks for, by names and values in their order.
type Pairs = Query<Vec<(String, String)>>;

/// `GET /queries`: the names, columns and SQL of those that the key may ask.
pub(super) async fn list(State(door): State<Arc<Door>>, Extension(grant): Extension<Grant>) -> Response {
    let listed = in_background(&door, move |runtime| {
        let queries = runtime.pipeline().queries.iter().filter(|query| grant.asks(&query.name));
        let shown = |query: &crate::config::plan::Query| {
            let columns = runtime.columns(&query.name)?;
            Ok(json!({ "name": query.name, "columns": columns, "sql": query.sql.trim() }))
        };
        queries.map(shown).collect::<Result<Vec<_>>>()
    });
    match listed.await {
        Ok(queries) => Json(queries).into_response(),
        Err(error) => refused(&error),
    }
}

/// `GET /queries/{query}?country=Albania&follower_count.gt=100&order=-pins,country&limit=100&cursor=C`: rows as JSON, or as CSV.
pub(super) async fn ask(
    State(door): State<Arc<Door>>,
    Extension(grant): Extension<Grant>,
    Path(query): Path<String>,
    Query(pairs): Pairs,
    headers: HeaderMap,
) -> Response {
    if let Some(forbidden) = forbidden(&grant, &query) {
        return forbidden;
    }
    let Some(form) = accepted(&headers, &[JSON, CSV]) else {
        return Refusal::plain(StatusCode::NOT_ACCEPTABLE, "HTTP 406 Not Acceptable: answers are JSON or text/csv")
            .into_response();
    };
    let asked = match question(query, &pairs) {
        Ok(question) => door.runtime.ask(question).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(page) => answer(&page, form, &pairs),
        Err(error) => refused(&error),
    }
}

fn answer(page: &Page, form: &str, pairs: &[(String, String)]) -> Response {
    let Page { table, next } = page;
    let mut response = match form {
        CSV => ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], table.csv()).into_response(),
        _ => Json(json!({ "columns": table.columns, "rows": table.json(), "next": next })).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(link) = next.as_ref().and_then(|next| link(next, pairs)) {
        headers.insert(header::LINK, link);
    }
    response
}

/// Where the next page is, as seen from this one.
fn link(cursor: &str, pairs: &[(String, String)]) -> Option<HeaderValue> {
    let others = pairs.iter().filter(|(name, _)| name != "cursor" && name != "offset");
    let others = others.map(|(name, value)| (name.as_str(), value.as_str()));
    let all: Vec<(&str, &str)> = others.chain([("cursor", cursor)]).collect();
    let pairs: Vec<String> = all.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    HeaderValue::try_from(format!("<?{}>; rel=\"next\"", pairs.join("&"))).ok()
}

/// A text as a URL's query has it.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// What a URL asks: `limit`, `offset`, `cursor`, `order`; all else are columns.
fn question(query: String, pairs: &[(String, String)]) -> Result<Question> {
    let mut question = Question { query, limit: ROWS_USUAL, ..Question::default() };
    for (name, value) in pairs {
        match name.as_str() {
            "limit" => question.limit = limit(value)?,
            "offset" => question.offset = value.parse().map_err(|_| wrong(name, value, "a whole number"))?,
            "cursor" => question.cursor = Some(value.clone()),
            "order" => question.order = value.split(',').map(order).collect(),
            _ => question.filters.push(filter(name, value)),
        }
    }
    Ok(question)
}

fn limit(value: &str) -> Result<usize> {
    let rows = value.parse().ok().filter(|rows| (1..=ROWS_MAX).contains(rows));
    rows.ok_or_else(|| wrong("limit", value, &format!("a whole number from 1 to {ROWS_MAX}")))
}

/// A column's name, behind a `-` where the greatest comes first.
fn order(written: &str) -> Order {
    match written.strip_prefix('-') {
        Some(column) => Order { column: column.to_owned(), falling: true },
        None => Order { column: written.to_owned(), falling: false },
    }
}

/// A column's name, and behind its last dot how it is compared; equal where that is no word for it.
fn filter(name: &str, value: &str) -> Filter {
    let named = |word: &str| Test::NAMES.iter().find(|(known, _)| *known == word).map(|(_, test)| *test);
    let test = name.rsplit_once('.').and_then(|(column, word)| Some((column, named(word)?)));
    let (column, test) = test.unwrap_or((name, Test::Is));
    Filter { column: column.to_owned(), test, with: value.to_owned() }
}

fn wrong(name: &str, value: &str, expected: &str) -> Error {
    Error::new(Kind::Input, format!("{name} {value:?}: it is not {expected}"))
}

/// The refusal of a query that the key does not cover.
fn forbidden(grant: &Grant, query: &str) -> Option<Response> {
    let message = || format!("HTTP 403 Forbidden: not authorized to ask the query {query}");
    (!grant.asks(query)).then(|| Refusal::plain(StatusCode::FORBIDDEN, message()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_questions() {
        let check = |asked: &[(&str, &str)], expected: &str| {
            let pairs: Vec<_> = asked.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let got = match question("q".to_owned(), &pairs) {
                Ok(Question { filters, order, cursor, offset, limit, .. }) => {
                    let filters: Vec<_> =
                        filters.iter().map(|f| format!("{} {:?} {}", f.column, f.test, f.with)).collect();
                    let order: Vec<_> = order.iter().map(|o| format!("{} {}", o.column, o.falling)).collect();
                    format!("{} by {} {cursor:?} {offset} {limit}", filters.join(", "), order.join(", "))
                }
                Err(error) => error.to_string(),
            };
            assert_eq!(got, expected);
        };
        check(&[], " by  None 0 1000");
        check(&[("country", "Albania"), ("n.gt", "100")], "country Is Albania, n More 100 by  None 0 1000");
        check(&[("a.b", "1"), ("a.b.ne", "2"), ("limit.eq", "3")], "a.b Is 1, a.b IsNot 2, limit Is 3 by  None 0 1000");
        check(
            &[("order", "-n,name"), ("limit", "7"), ("offset", "2"), ("cursor", "C")],
            " by n true, name false Some(\"C\") 2 7",
        );
        check(&[("limit", "0")], "limit \"0\": it is not a whole number from 1 to 10000");
        check(&[("limit", "10001")], "limit \"10001\": it is not a whole number from 1 to 10000");
        check(&[("offset", "-1")], "offset \"-1\": it is not a whole number");
    }

    #[test]
    fn the_next_page_is_linked() {
        let pairs = [("a b", "x&y"), ("offset", "3"), ("cursor", "old")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(link("new", &pairs).unwrap(), "<?a%20b=x%26y&cursor=new>; rel=\"next\"");
    }
}
