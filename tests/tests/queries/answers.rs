//! Answers over HTTP: which rows, in which order, in which form; what is refused.

use serde_json::{Value, json};
use tidemill_tests::daemon::Daemon;
use tidemill_tests::http::{self, Answer};

use super::{house, things};

fn get(daemon: &Daemon, path: &str) -> Answer {
    http::get(daemon.admin, path)
}

/// The numbers that an answer has, and its next cursor.
fn numbers(answer: &Answer) -> (Vec<i64>, Option<String>) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let rows = body["rows"].as_array().expect("rows").iter().map(|row| row["ind"].as_i64().expect("a number"));
    (rows.collect(), body["next"].as_str().map(str::to_owned))
}

#[test]
fn answers_come_as_they_are_asked_for() {
    let house = house("queries-answers");
    let daemon = house.start();
    http::post_lines(daemon.topics, "thing", things(0, 25).iter().map(String::as_str), 25);
    daemon.settle();

    let listed = get(&daemon, "/queries").json();
    let names: Vec<_> =
        listed.as_array().expect("a list").iter().map(|query| query["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["marks", "numbers", "endless"]);
    assert_eq!(listed[0]["columns"], json!(["mark", "things", "last"]));
    assert!(listed[1]["sql"].as_str().expect("SQL").starts_with("SELECT ind, ind % 2"));

    let whole = json!({ "columns": ["mark", "things", "last"], "rows": [{ "mark": "good", "things": 25, "last": 24 }], "next": null });
    assert_eq!(get(&daemon, "/queries/marks").json(), whole);
    let csv = http::request(daemon.admin, "GET", "/queries/marks", &[("accept", "text/csv;q=0.9, text/html")], b"");
    assert!(csv.headers.to_ascii_lowercase().contains("content-type: text/csv"), "{csv:?}");
    assert_eq!(csv.body, "mark,things,last\r\ngood,25,24\r\n");

    let (all, next) = numbers(&get(&daemon, "/queries/numbers"));
    assert_eq!((all, next), ((0..25).rev().collect::<Vec<_>>(), None), "in the query's own order");
    let some = |path: &str| numbers(&get(&daemon, &format!("/queries/numbers?{path}"))).0;
    assert_eq!(some("even=1&ind.ge=20"), [24, 22, 20]);
    assert_eq!(some("order=-even,ind&limit=2"), [0, 2]);
    assert_eq!(some("mark=good&offset=23"), [1, 0]);
    assert_eq!(some("mark=bad"), [0; 0]);

    for order in ["", "&order=ind", "&order=-mark,even"] {
        let first = numbers(&get(&daemon, &format!("/queries/numbers?limit=100{order}"))).0;
        let mut rows = Vec::new();
        let mut path = format!("/queries/numbers?limit=7{order}");
        loop {
            let answer = get(&daemon, &path);
            let (page, next) = numbers(&answer);
            rows.extend(page);
            let link = answer.headers.lines().find_map(|line| line.strip_prefix("link: <")?.split_once('>'));
            assert_eq!(link.is_some(), next.is_some(), "{answer:?}");
            let Some((link, rel)) = link else { break };
            assert_eq!(rel, "; rel=\"next\"");
            path = format!("/queries/numbers{link}");
        }
        assert_eq!(rows, first, "{order}");
    }
    daemon.stop();
}

#[test]
fn what_is_no_question_is_refused_with_what_is_wrong() {
    let house = house("queries-refused");
    let daemon = house.start();
    let check = |path: &str, status: u16, words: &str| {
        let answer = get(&daemon, path);
        let said = answer.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == status && said.contains(words), "{path}: {answer:?}");
    };
    check("/queries/none", 404, "query \"none\": it does not exist; there are endless, marks, numbers");
    check("/queries/thing", 404, "query \"thing\": it does not exist");
    check("/queries/tidemill_ledger", 404, "it does not exist");
    check(
        "/queries/marks?colour=red",
        400,
        "column \"colour\": the query has none of this name; its columns are mark, things, last",
    );
    check("/queries/marks?order=colour", 400, "column \"colour\"");
    check("/queries/marks?limit=x", 400, "limit \"x\": it is not a whole number from 1 to 10000");
    check("/queries/marks?cursor=x", 400, "cursor \"x\": it is not one of this question");
    check("/queries/marks/changes?key=colour", 400, "column \"colour\"");
    check("/queries/marks/changes?mark=good", 400, "\"mark\": a feed is not asked for that");
    check("/queries/none/changes", 404, "query \"none\": it does not exist");
    let odd = http::request(daemon.admin, "GET", "/queries/marks", &[("accept", "image/png")], b"");
    assert_eq!(odd.status, 406);
    let written = http::request(daemon.admin, "POST", "/queries/marks", &[], b"");
    assert_eq!(written.status, 405);
    assert_eq!(get(&daemon, "/queries/marks").json()["rows"], Value::Array(Vec::new()));
    daemon.stop();
}
