//! What is sent, in which order, how often.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::routing;
use hashbrown::HashMap;
use serde_json::Value;

use super::schedule::{Group, Turn};
use super::*;

fn plan(posts: u64) -> Plan {
    let topics = ["pin", "geo", "user"].map(str::to_owned).to_vec();
    Plan {
        to: "http://127.0.0.1:1".into(),
        via: Via::Rest,
        topics,
        posts,
        rate: None,
        seed: 1,
        order: Order::Shuffled,
        resend: 0.0,
        dates: Dates::T,
        batch: 1,
        lanes: 1,
    }
}

fn turns(plan: &Plan, rows: u64) -> Vec<Turn> {
    Schedule::new(plan, rows).collect()
}

#[test]
fn each_index_comes_once_before_any_comes_twice() {
    let turns = turns(&plan(250), 100);
    let mut first: Vec<u64> = turns[..100].iter().map(|turn| turn.index).collect();
    assert_eq!(turns[100..200], turns[..100]);
    assert_eq!((turns.len(), first.is_sorted()), (250, false));
    first.sort_unstable();
    assert!(first.into_iter().eq(0..100));
}

#[test]
fn draws_repeat() {
    let turns = turns(&Plan { order: Order::Draws, ..plan(1_000) }, 1_000);
    let distinct = turns.iter().map(|turn| turn.index).collect::<hashbrown::HashSet<_>>().len();
    assert!((580..690).contains(&distinct), "{distinct}");
}

#[test]
fn a_share_is_sent_again_later() {
    for (resend, least, most) in [(0.0, 0, 0), (0.02, 120, 280), (1.0, 10_000, 10_000)] {
        let turns = turns(&Plan { resend, ..plan(10_000) }, 20_000);
        let mut seen: HashMap<u64, usize> = HashMap::new();
        let mut again = 0;
        for (place, turn) in turns.iter().enumerate() {
            let before = seen.insert(turn.index, place);
            assert_eq!(before.is_some(), turn.again, "{turn:?}");
            again += usize::from(turn.again);
        }
        assert!((least..=most).contains(&again), "{resend}: {again}");
        assert_eq!(turns.len(), 10_000 + again);
    }
}

#[test]
fn the_original_order_has_its_indexes_and_pauses_at_its_speed() {
    let second = Duration::from_millis(10);
    let plan = Plan { order: Order::Original { second }, seed: 100, ..plan(6) };
    let drawn: Vec<(u64, u32)> =
        turns(&plan, 11_154).iter().map(|turn| (turn.index, turn.pause.as_millis() as u32)).collect();
    assert_eq!(drawn, [(7528, 0), (2863, 10), (5730, 10), (8304, 10), (8731, 0), (1313, 0)]);
    let groups: Vec<Group> = Schedule::new(&plan, 11_154).groups(4).collect();
    assert_eq!((groups[0].pause, groups[1].pause), (3 * second, Duration::ZERO));
}

#[test]
fn for_ever_goes_on() {
    assert_eq!(Schedule::new(&plan(u64::MAX), 3).take(1_000).count(), 1_000);
}

#[test]
fn a_plan_has_to_make_sense() {
    let check = |plan: Plan, said: &str| assert!(plan.urls().unwrap_err().message().contains(said), "{plan:?}");
    check(Plan { to: "127.0.0.1:8082".into(), ..plan(1) }, "does not begin with http://");
    check(Plan { topics: vec!["pin".into()], ..plan(1) }, "topics: 1 are named");
    check(Plan { rate: Some(0.0), ..plan(1) }, "rate 0");
    check(Plan { resend: 2.0, ..plan(1) }, "resend 2");
    check(Plan { via: Via::Kinesis("dev".into()), batch: 2, ..plan(1) }, "one record a request");
    for (via, first) in [
        (Via::Rest, "http://a/b/topics/pin"),
        (Via::Gateway("dev".into()), "http://a/b/dev/topics/pin"),
        (Via::Kinesis("dev".into()), "http://a/b/dev/streams/pin/record"),
    ] {
        let urls = Plan { to: "http://a/b/".into(), via, ..plan(1) }.urls().unwrap();
        assert_eq!((urls.len(), urls[0].as_str()), (3, first));
    }
}

#[tokio::test]
async fn a_streams_body_is_one_row_with_its_name_and_key() {
    let rows = Rows::Population(Population::new(10, 1));
    let mut row = Vec::new();
    Population::new(10, 1).row(2, 7, &mut row);
    let row = String::from_utf8(row).unwrap();
    let blank = row.replace('T', " ");
    for (dates, row) in [(Dates::T, &row), (Dates::Blank, &blank)] {
        let plan = Plan { via: Via::Kinesis("dev".into()), dates, ..plan(1) };
        let body = rows.body(&plan, 2, &[7]).await.unwrap().unwrap();
        let expected = format!("{{\"StreamName\":\"user\",\"Data\":{row},\"PartitionKey\":\"7\"}}");
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }
}

type Requests = Arc<Mutex<Vec<(String, Vec<u64>)>>>;

async fn take(State(requests): State<Requests>, Path(topic): Path<String>, body: String) -> String {
    let body: Value = serde_json::from_str(&body).unwrap();
    let values = body["records"].as_array().unwrap().iter().map(|record| &record["value"]);
    let indexes: Vec<u64> =
        values.map(|value| value.get("index").or(value.get("ind")).unwrap().as_u64().unwrap()).collect();
    let offsets = vec![r#"{"offset":0}"#; indexes.len()].join(",");
    requests.lock().unwrap().push((topic, indexes));
    format!(r#"{{"offsets":[{offsets}]}}"#)
}

/// Runs a plan against a server on loopback; the requests as they came.
async fn send(plan: Plan, rows: Rows) -> (Sent, Vec<(String, Vec<u64>)>) {
    let requests = Requests::default();
    let router = Router::new().route("/topics/{topic}", routing::post(take)).with_state(Arc::clone(&requests));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async { axum::serve(listener, router).await });
    let done = AtomicU64::new(0);
    let client = Client::new(None, None).unwrap();
    let sent =
        run(&client, &Plan { to, ..plan }, &rows, |posts| _ = done.fetch_max(posts, Ordering::Relaxed)).await.unwrap();
    server.abort();
    assert_eq!(done.into_inner(), sent.posts);
    let requests = std::mem::take(&mut *requests.lock().unwrap());
    (sent, requests)
}

#[tokio::test]
async fn a_post_is_three_requests_in_order() {
    let (sent, requests) = send(plan(4), Rows::Population(Population::new(10, 1))).await;
    assert_eq!((sent.posts, sent.records, sent.retries), (4, 12, 0));
    for (post, turn) in requests.chunks(3).zip(turns(&plan(4), 10)) {
        assert_eq!(post.iter().map(|(topic, _)| topic.as_str()).collect::<Vec<_>>(), ["pin", "geo", "user"]);
        assert!(post.iter().all(|(_, indexes)| *indexes == [turn.index]), "{post:?}");
    }
}

#[tokio::test]
async fn batches_go_over_several_lanes() {
    let plan = Plan { batch: 7, lanes: 4, resend: 0.5, rate: Some(1e6), ..plan(100) };
    let again = turns(&plan, 50).iter().filter(|turn| turn.again).count() as u64;
    let (sent, requests) = send(plan, Rows::Population(Population::new(50, 1))).await;
    assert_eq!((sent.posts, sent.records), (100, 3 * (100 + again)));
    let smaller = requests.iter().filter(|(_, indexes)| indexes.len() != 7).count();
    assert!(smaller <= 3, "{requests:?}");
}

#[tokio::test]
async fn a_table_without_the_row_is_left_out() {
    let folder = std::env::temp_dir().join(format!("tidemill-post-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let files = [("pin", "{\"index\":5}\n"), ("geo", ""), ("user", "{\"ind\":5}")].map(|(name, text)| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name)
    });
    let rows = Rows::Files(Files::read(&files).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    let (sent, requests) = send(plan(1), rows).await;
    assert_eq!((sent.posts, sent.records), (1, 2));
    assert_eq!(requests, [("pin".to_owned(), vec![5]), ("user".to_owned(), vec![5])]);
}
