//! The routes of schedules: what there is, starting a run, how far it is.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::admin::refused;
use super::{Door, in_background};
use crate::commit::Run;
use crate::error::Result;
use crate::time::Timestamp;

/// The runs that are listed.
const RUNS_LISTED: usize = 100;

/// What may be asked of a run to be.
#[derive(Deserialize)]
pub(super) struct Asked {
    /// The time that it is for; now when it is left out.
    time: Option<String>,
}

/// `GET /schedules`: names, times, jobs.
pub(super) async fn list(State(door): State<Arc<Door>>) -> Response {
    let shown = door.runtime.pipeline().schedules.iter().map(|plan| {
        json!({
            "schedule": plan.name,
            "cron": plan.cron.to_string(),
            "timezone": plan.zone.to_string(),
            "job": plan.job.word(),
        })
    });
    Json(shown.collect::<Vec<_>>()).into_response()
}

/// `POST /schedules/{schedule}/runs?time=2026-11-22T00:00:00Z`: 202 with the run, once it is recorded. A time's run is done once: one that
/// is there is given, with 200 where it has done its work.
pub(super) async fn start(
    State(door): State<Arc<Door>>,
    Path(schedule): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let time = asked.time.as_deref().map(Timestamp::parse).transpose();
    let run = match time {
        Ok(time) => door.runtime.start_run(&schedule, time).await,
        Err(error) => Err(error),
    };
    match run {
        Ok(run) if run.state.is_open() => (StatusCode::ACCEPTED, Json(run.json())).into_response(),
        run => shown(run),
    }
}

/// `GET /schedules/{schedule}/runs/{id}`: how far it is, when it began and ended, what it said.
pub(super) async fn one(State(door): State<Arc<Door>>, Path((schedule, id)): Path<(String, u64)>) -> Response {
    shown(in_background(&door, move |runtime| runtime.schedule_run(&schedule, id)).await)
}

/// `GET /schedules/{schedule}/runs`: the last runs, the latest first.
pub(super) async fn history(State(door): State<Arc<Door>>, Path(schedule): Path<String>) -> Response {
    match in_background(&door, move |runtime| runtime.schedule_runs(&schedule, RUNS_LISTED)).await {
        Ok(runs) => Json(runs.iter().map(Run::json).collect::<Vec<_>>()).into_response(),
        Err(error) => refused(&error),
    }
}

fn shown(run: Result<Run>) -> Response {
    match run {
        Ok(run) => Json(run.json()).into_response(),
        Err(error) => refused(&error),
    }
}
