//! Topics that the first record for them makes: where the pipeline file says so, within its bounds, for good.

use serde_json::json;
use tidemill_tests::daemon::Daemon;
use tidemill_tests::http;
use tidemill_tests::place::Folder;

const GOOD: &str = r#"{"records":[{"value":1},{"key":"k","value":2}]}"#;

/// A pipeline without a table, whose `[ingest]` says this.
fn pipeline(folder: &Folder, ingest: &str) -> std::path::PathBuf {
    let text = format!(
        "[pipeline]\nname = \"doors\"\ndata = {:?}\n[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
         [ingest]\n{ingest}\n[lake]\nbucket = \"doors\"\nendpoint = \"embedded\"\n[topics.given]\n",
        folder.path().join("data")
    );
    folder.write("doors.toml", text)
}

fn missing(daemon: &Daemon, topic: &str) {
    let answer = http::post(daemon.topics, topic, GOOD);
    assert_eq!((answer.status, answer.json()["error_code"].as_u64()), (404, Some(40401)), "{topic}: {answer:?}");
}

#[test]
fn nothing_is_made_where_the_file_does_not_say_so() {
    let folder = Folder::new("created-not");
    let daemon = Daemon::start(&pipeline(&folder, ""));
    missing(&daemon, "new");
    assert_eq!(http::get(daemon.topics, "/topics").json(), json!(["given"]));
    daemon.stop();
}

#[test]
fn the_first_record_makes_a_topic_that_stays() {
    let folder = Folder::new("created");
    let file = pipeline(&folder, "create_topics = true\npartitions = 3\ntopics = 2");
    let daemon = Daemon::start(&file);
    for wrong in [r#"{"records":[]}"#, r#"{"records":[{"value":1},{"values":2}]}"#, "{"] {
        assert!(http::post(daemon.topics, "new", wrong).status >= 400);
    }
    assert_eq!(http::get(daemon.topics, "/topics").json(), json!(["given"]), "a request that is refused makes nothing");
    let answer = http::post(daemon.topics, "new", GOOD);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.json()["offsets"].as_array().is_some_and(|offsets| offsets.iter().all(|one| one["error"].is_null()))
    );
    assert_eq!(http::post(daemon.topics, "a.b_c-D", GOOD).status, 200);
    missing(&daemon, "third");
    for bad in ["..", "a%20b", "%2e", "a%2fb"] {
        assert!(matches!(http::post(daemon.topics, bad, GOOD).status, 400 | 404), "{bad}");
    }
    let check = |daemon: &Daemon| {
        assert_eq!(http::get(daemon.topics, "/topics").json(), json!(["a.b_c-D", "given", "new"]));
        let status = daemon.status();
        let ends = status["topics"]["new"].as_array().expect("its partitions").clone();
        assert_eq!(ends.len(), 3);
        assert_eq!(ends.iter().map(|one| one["end"].as_u64().expect("an offset")).sum::<u64>(), 2);
    };
    check(&daemon);
    daemon.kill();
    let daemon = Daemon::start(&file);
    check(&daemon);
    missing(&daemon, "third");
    daemon.stop();
}

#[test]
fn eight_first_requests_at_once_make_one_topic() {
    let folder = Folder::new("created-at-once");
    let daemon = Daemon::start(&pipeline(&folder, "create_topics = true"));
    let to = daemon.topics;
    let posts: Vec<_> = (0..8).map(|_| std::thread::spawn(move || http::post(to, "new", GOOD).status)).collect();
    for post in posts {
        assert_eq!(post.join().expect("an answer"), 200);
    }
    assert_eq!(daemon.status()["topics"]["new"], json!([{"partition": 0, "earliest": 0, "end": 16}]));
    daemon.stop();
}
