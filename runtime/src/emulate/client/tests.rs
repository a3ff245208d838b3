//! The client against a small server on loopback.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{post, put};

use super::*;

type Answer = (StatusCode, &'static str);

/// What the server is to answer, one after the other, and what it was sent.
#[derive(Default)]
struct Script {
    answers: VecDeque<Answer>,
    bodies: Vec<String>,
    /// The producer, epoch and sequence of each request.
    named: Vec<[String; 3]>,
    /// Whether it says that it knows repeats.
    knows_repeats: bool,
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, [(&'static str, String); 2], &'static str) {
    assert_eq!(headers["content-type"], JSON_V2);
    let mut script = script.lock().unwrap();
    script.bodies.push(body);
    let named =
        ["producer-id", "producer-epoch", "producer-sequence"].map(|name| headers[name].to_str().unwrap().to_owned());
    let echo = if script.knows_repeats { ("producer-sequence", named[2].clone()) } else { ("server", "other".into()) };
    script.named.push(named);
    let (status, text) = script.answers.pop_front().unwrap_or((StatusCode::IM_A_TEAPOT, "nothing more"));
    (status, [("retry-after", "0".into()), echo], text)
}

/// Posts two records to a server that answers so; what it was sent and what came of it.
async fn post_two(answers: &[Answer], knows_repeats: bool) -> (Script, Result<Posted>) {
    let answers = answers.iter().copied().collect();
    let script = Arc::new(Mutex::new(Script { answers, knows_repeats, ..Script::default() }));
    let router = Router::new().route("/topics/pin", post(answer)).with_state(Arc::clone(&script));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/topics/pin", listener.local_addr().unwrap());
    let server = tokio::spawn(async { axum::serve(listener, router).await });
    let client = Client { backoff: Duration::ZERO, ..Client::new(None, None).unwrap() };
    let mut producer = Producer::new();
    let mut posted = client.post(&mut producer, &url, BOTH.into()).await;
    if posted.is_ok() && !script.lock().unwrap().answers.is_empty() {
        posted = client.post(&mut producer, &url, BOTH.into()).await;
    }
    server.abort();
    let script = std::mem::take(&mut *script.lock().unwrap());
    (script, posted)
}

const BOTH: &str = r#"{"records":[{"value":{"index":1}},{"value":{"index":2}}]}"#;
const SECOND: &str = r#"{"records":[{"value":{"index":2}}]}"#;
const TAKEN: Answer =
    (StatusCode::OK, r#"{"offsets":[{"partition":0,"offset":0,"error_code":null,"error":null},{"offset":1}]}"#);
const ONE_TAKEN: Answer = (StatusCode::OK, r#"{"offsets":[{"partition":0,"offset":2}]}"#);
const HALF: Answer = (StatusCode::OK, r#"{"offsets":[{"offset":0},{"error_code":50003,"error":"busy"}]}"#);
const NONE: Answer = (StatusCode::OK, r#"{"offsets":[{"error_code":50003,"error":"the disk is full"}]}"#);
const NEVER: Answer = (StatusCode::OK, r#"{"offsets":[{"offset":0},{"error_code":50002,"error":"too large"}]}"#);
const BUSY: Answer = (StatusCode::TOO_MANY_REQUESTS, r#"{"error_code":429,"message":"later"}"#);
const AWAY: Answer = (StatusCode::SERVICE_UNAVAILABLE, "");

async fn check(answers: &[Answer], bodies: &[&str], expected: Result<Posted, (Kind, &str)>) {
    let (script, posted) = post_two(answers, false).await;
    assert_eq!(script.bodies, bodies, "{answers:?}");
    match (posted, expected) {
        (Ok(posted), Ok(expected)) => assert_eq!(posted, expected, "{answers:?}"),
        (Err(error), Err((kind, words))) => {
            assert!(error.kind() == kind && error.message().contains(words), "{:?}: {error}", error.kind());
        }
        (posted, _) => panic!("{answers:?}: {posted:?}"),
    }
}

#[tokio::test]
async fn sends_again_what_may_pass() {
    check(&[TAKEN], &[BOTH], Ok(Posted { records: 2, retries: 0 })).await;
    check(&[BUSY, AWAY, TAKEN], &[BOTH; 3], Ok(Posted { records: 2, retries: 2 })).await;
    check(&[HALF, ONE_TAKEN], &[BOTH, SECOND], Ok(Posted { records: 2, retries: 1 })).await;
    check(&[HALF, BUSY, NONE, ONE_TAKEN], &[BOTH, SECOND, SECOND, SECOND], Ok(Posted { records: 2, retries: 3 })).await;
}

#[tokio::test]
async fn sends_all_of_it_again_under_one_sequence_to_a_server_that_knows_repeats() {
    let (script, posted) = post_two(&[HALF, BUSY, NONE, TAKEN, HALF, TAKEN], true).await;
    assert_eq!(script.bodies, [BOTH; 6]);
    assert_eq!(posted.unwrap(), Posted { records: 2, retries: 1 });
    let sequences: Vec<&str> = script.named.iter().map(|[_, _, sequence]| sequence.as_str()).collect();
    assert_eq!(sequences, ["0", "0", "0", "0", "1", "1"]);
    assert!(script.named.iter().all(|[id, epoch, _]| [id, epoch] == [&script.named[0][0], &script.named[0][1]]));
    let (other, _) = post_two(&[TAKEN], true).await;
    assert_ne!(other.named[0][0], script.named[0][0], "each has a name of its own");
}

#[tokio::test]
async fn ends_with_what_stays() {
    check(&[NEVER], &[BOTH], Err((Kind::Unavailable, "50002: too large"))).await;
    let six = [&[BOTH][..], &[SECOND; 5]].concat();
    check(&[HALF, NONE, NONE, NONE, NONE, NONE], &six, Err((Kind::Unavailable, "50003: the disk is full"))).await;
    check(&[BUSY; 101], &[BOTH; 101], Err((Kind::Busy, "busy still after 100 tries"))).await;
    let unknown = (StatusCode::NOT_FOUND, r#"{"error_code":40401,"message":"Topic not found."}"#);
    check(&[unknown], &[BOTH], Err((Kind::Missing, "404 Not Found: 40401: Topic not found."))).await;
    check(&[(StatusCode::BAD_REQUEST, "no")], &[BOTH], Err((Kind::Input, "400 Bad Request: no"))).await;
    check(&[(StatusCode::OK, "hello")], &[BOTH], Err((Kind::Unavailable, "not a REST proxy's"))).await;
    check(&[NONE], &[BOTH], Err((Kind::Unavailable, "answered for 1 records of 2"))).await;
}

async fn put_answer(State(script): State<Arc<Mutex<Script>>>, headers: HeaderMap, body: String) -> Answer {
    assert_eq!(
        (&headers["content-type"], &headers["x-api-key"]),
        (&"application/json".parse().unwrap(), &"key".parse().unwrap())
    );
    let mut script = script.lock().unwrap();
    script.bodies.push(body);
    script.answers.pop_front().unwrap_or((StatusCode::IM_A_TEAPOT, "nothing more"))
}

/// Puts a record into a stream that answers so.
async fn check_put(answers: &[Answer], expected: Result<Posted, (Kind, &str)>) {
    let script = Arc::new(Mutex::new(Script { answers: answers.iter().copied().collect(), ..Script::default() }));
    let router = Router::new().route("/dev/streams/pin/record", put(put_answer)).with_state(Arc::clone(&script));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/dev/streams/pin/record", listener.local_addr().unwrap());
    let server = tokio::spawn(async { axum::serve(listener, router).await });
    let key = Secret::new("key".to_owned());
    let client = Client { backoff: Duration::ZERO, ..Client::new(Some(&key), None).unwrap() };
    let done = client.put(&url, "{}".into()).await;
    server.abort();
    assert_eq!(script.lock().unwrap().bodies, vec!["{}"; answers.len()], "{answers:?}");
    match (done, expected) {
        (Ok(posted), Ok(expected)) => assert_eq!(posted, expected, "{answers:?}"),
        (Err(error), Err((kind, words))) => {
            assert!(error.kind() == kind && error.message().contains(words), "{:?}: {error}", error.kind());
        }
        (done, _) => panic!("{answers:?}: {done:?}"),
    }
}

#[tokio::test]
async fn a_record_is_put_into_a_stream_until_it_is_taken() {
    let put: Answer = (StatusCode::OK, r#"{"SequenceNumber":"49","ShardId":"shardId-0"}"#);
    let full: Answer =
        (StatusCode::OK, r#"{"__type":"ProvisionedThroughputExceededException","message":"Rate exceeded"}"#);
    let failed: Answer = (StatusCode::INTERNAL_SERVER_ERROR, r#"{"__type":"a.b#InternalFailure"}"#);
    let gone: Answer = (StatusCode::OK, r#"{"__type":"ResourceNotFoundException","message":"Stream pin not found"}"#);
    check_put(&[put], Ok(Posted { records: 1, retries: 0 })).await;
    check_put(&[full, BUSY, failed, put], Ok(Posted { records: 1, retries: 3 })).await;
    check_put(&[gone], Err((Kind::Input, "Stream pin not found"))).await;
    check_put(
        &[full; 6],
        Err((Kind::Unavailable, "was not taken: ProvisionedThroughputExceededException: Rate exceeded")),
    )
    .await;
    check_put(&[(StatusCode::FORBIDDEN, r#"{"message":"Forbidden"}"#)], Err((Kind::Input, "403 Forbidden"))).await;
    check_put(&[(StatusCode::OK, "{}")], Err((Kind::Input, "refused with 200 OK: {}"))).await;
}

#[tokio::test]
async fn says_where_nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/topics/pin", listener.local_addr().unwrap());
    drop(listener);
    let client = Client { backoff: Duration::ZERO, ..Client::new(None, None).unwrap() };
    let posted = client.post(&mut Producer::new(), &url, BOTH.into()).await;
    for error in [posted.unwrap_err(), client.get(&url).await.unwrap_err()] {
        assert_eq!(error.kind(), Kind::Unavailable);
        assert!(error.message().contains(&url) && error.message().contains("refused"), "{error}");
        assert!(error.next_step().is_some_and(|hint| hint.contains("tidemill run")), "{error}");
    }
}
