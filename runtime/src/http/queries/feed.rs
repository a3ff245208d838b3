//! The change feed of a named query, as server-sent events: an event a state.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::{Pairs, forbidden};
use crate::access::Grant;
use crate::cache::query::{Changes, Table};
use crate::error::{Error, Kind, Result};
use crate::http::Door;
use crate::http::admin::refused;
use crate::http::connection::Streaming;
use crate::http::server::Peer;
use crate::runtime::{Follower, News, What};
use crate::value::Value;

/// After so long without a change a comment is sent, so that who is gone is noticed.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long a client is asked to wait before it comes again.
const RETRY_MS: u64 = 2_000;

/// A feed on its way to a client.
struct Fed {
    follower: Follower,
    /// The columns that rows are told apart by; none where it is the whole row.
    key: Vec<usize>,
    /// What is sent before anything else.
    greeting: Option<String>,
    peer: Peer,
    _streaming: Streaming,
    ended: bool,
}

/// `GET /queries/{query}/changes?key=country`: `snapshot`, then a `change` for each commit that changes the answer.
pub(in crate::http) async fn follow(
    State(door): State<Arc<Door>>,
    Extension(grant): Extension<Grant>,
    Extension(peer): Extension<Peer>,
    Path(query): Path<String>,
    Query(pairs): Pairs,
    headers: HeaderMap,
) -> Response {
    if let Some(forbidden) = forbidden(&grant, &query) {
        return forbidden;
    }
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let begun = async {
        let follower = door.runtime.follow(&query, last).await?;
        let key = key(&pairs, follower.columns())?;
        Ok((follower, key))
    };
    let (follower, key) = match begun.await {
        Ok(begun) => begun,
        Err(error) => return refused(&error),
    };
    let streaming = peer.line.stream();
    let greeting = Some(format!("retry: {RETRY_MS}\n\n"));
    let fed = Fed { follower, key, greeting, peer, _streaming: streaming, ended: false };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies that gather answers would hold events back.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (StatusCode::OK, headers, Body::from_stream(futures_util::stream::unfold(fed, Fed::next))).into_response()
}

/// The places of the columns that `key` names, between commas.
fn key(pairs: &[(String, String)], columns: &[String]) -> Result<Vec<usize>> {
    let mut key = Vec::new();
    for (name, value) in pairs {
        if name != "key" {
            let error = Error::new(Kind::Input, format!("{name:?}: a feed is not asked for that"));
            return Err(error.hint("write key=COLUMN, with commas between several"));
        }
        for column in value.split(',') {
            let place = columns.iter().position(|known| known == column);
            key.push(place.ok_or_else(|| {
                let error = Error::new(Kind::Input, format!("column {column:?}: the query has none of this name"));
                error.hint(format!("its columns are {}", columns.join(", ")))
            })?);
        }
    }
    Ok(key)
}

impl Fed {
    /// What is sent next.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.ended {
            return None;
        }
        if let Some(greeting) = self.greeting.take() {
            return Some((Ok(greeting.into()), self));
        }
        let text = tokio::select! {
            news = self.follower.next() => match news {
                Ok(news) => self.event(&news),
                Err(error) => {
                    self.ended = true;
                    event("error", None, &json!({ "message": error.line() }))
                }
            },
            () = tokio::time::sleep(HEARTBEAT) => ": nothing has changed\n\n".to_owned(),
            () = self.peer.line.ended() => return None,
        };
        Some((Ok(text.into()), self))
    }

    fn event(&self, news: &News) -> String {
        let table = Table { columns: self.follower.columns().to_vec(), ..Table::default() };
        match &news.what {
            What::Whole(whole) => {
                let data = json!({ "columns": whole.columns, "rows": whole.json() });
                event("snapshot", Some(&news.id), &data)
            }
            What::Changed(changes) => event("change", Some(&news.id), &changed(&table, changes, &self.key)),
        }
    }
}

/// Rows that went and came; with a key, those that are others.
fn changed(table: &Table, changes: &Changes, key: &[usize]) -> Json {
    let rows = |rows: &[Vec<Value>]| rows.iter().map(|row| table.object(row)).collect::<Vec<_>>();
    if key.is_empty() {
        return json!({ "deleted": rows(&changes.deleted), "inserted": rows(&changes.inserted) });
    }
    let keyed = changes.by(key);
    let pair = |(before, after): &(Vec<Value>, Vec<Value>)| json!({ "before": table.object(before), "after": table.object(after) });
    let updated: Vec<Json> = keyed.updated.iter().map(pair).collect();
    json!({ "deleted": rows(&keyed.deleted), "updated": updated, "inserted": rows(&keyed.inserted) })
}

/// An event; JSON has no line's end in it.
fn event(name: &str, id: Option<&str>, data: &Json) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: {name}\n{id}data: {data}\n\n")
}
