//! Change feeds: a snapshot, then what each commit changes, from where it was left.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tidemill_tests::http;

use super::{house, things};

/// Nothing that is waited for takes so long.
const WAIT_TIME_MAX: Duration = Duration::from_secs(60);

/// An event as it came.
#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

/// A client that follows.
struct Feed(BufReader<TcpStream>);

impl Feed {
    fn open(to: SocketAddr, path: &str, last: Option<&str>) -> Self {
        let mut socket = TcpStream::connect(to).expect("the listener");
        socket.set_read_timeout(Some(WAIT_TIME_MAX)).expect("a time-out");
        let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        // HTTP/1.0 has no chunks: what comes is what was sent.
        let head = format!("GET {path} HTTP/1.0\r\nhost: {to}\r\n{last}\r\n");
        socket.write_all(head.as_bytes()).expect("it is sent");
        let mut feed = Self(BufReader::new(socket));
        let status = feed.line().expect("a status");
        assert!(status.contains(" 200 "), "{status}");
        while feed.line().is_some_and(|line| !line.is_empty()) {}
        feed
    }

    /// A line without its end; none where there are no more.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).expect("a line in time");
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event; none where the feed ends.
    fn next(&mut self) -> Option<Event> {
        let mut event = Event { name: String::new(), id: String::new(), data: Value::Null };
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("id", id)) => event.id = id.to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).expect("JSON"),
                _ if line.is_empty() && !event.name.is_empty() => return Some(event),
                _ => {}
            }
        }
    }

    /// Follows until the answer of `marks` is of so many things; the last id, and the names of the events.
    fn until(&mut self, things: u64) -> (String, Vec<String>) {
        let mut names = Vec::new();
        loop {
            let event = self.next().expect("an event");
            names.push(event.name.clone());
            let rows = if event.name == "snapshot" { &event.data["rows"] } else { &event.data["inserted"] };
            let updated = &event.data["updated"][0]["after"];
            if rows[0]["things"] == things || updated["things"] == things {
                return (event.id, names);
            }
        }
    }
}

#[test]
fn what_changes_is_told_once_and_from_where_it_was_left() {
    let house = house("queries-feed");
    let daemon = house.start();
    let post = |from, to| http::post_lines(daemon.topics, "thing", things(from, to).iter().map(String::as_str), 100);
    let mut feed = Feed::open(daemon.admin, "/queries/marks/changes", None);
    let first = feed.next().expect("a snapshot");
    assert_eq!(
        (first.name.as_str(), &first.data),
        ("snapshot", &json!({ "columns": ["mark", "things", "last"], "rows": [] }))
    );
    post(0, 10);
    let (known, names) = feed.until(10);
    assert!(names.iter().all(|name| name == "change"), "{names:?}");
    // Another follows with a key, from the state that is known.
    let mut keyed = Feed::open(daemon.admin, "/queries/marks/changes?key=mark", Some(&known));
    post(10, 30);
    let (after, names) = keyed.until(30);
    assert!(names.iter().all(|name| name == "change"), "no snapshot: {names:?}");
    assert_eq!(feed.until(30).0, after, "one evaluation for both");
    drop(feed);
    // What came meanwhile is told to who comes again.
    post(30, 31);
    keyed.until(31);
    let mut again = Feed::open(daemon.admin, "/queries/marks/changes?key=mark", Some(&known));
    let (last, names) = again.until(31);
    assert!(names.len() >= 2 && names.iter().all(|name| name == "change"), "{names:?}");
    // A state that is not known is told whole.
    for unknown in ["", "x", "0-1", "ffff-99999", &format!("{last}0")] {
        let mut feed = Feed::open(daemon.admin, "/queries/marks/changes", Some(unknown));
        let event = feed.next().expect("a snapshot");
        assert_eq!((event.name.as_str(), event.id.as_str()), ("snapshot", last.as_str()), "{unknown:?}");
        assert_eq!(event.data["rows"], json!([{ "mark": "good", "things": 31, "last": 30 }]));
    }
    // The end of the pipeline is the end of its feeds, at once.
    daemon.ask_to_end();
    assert_eq!(again.next(), None);
    daemon.ended();
}

#[test]
fn followers_have_a_bound_and_leave_room_behind() {
    let house = house("queries-followers");
    let daemon = house.start();
    let mut feeds: Vec<Feed> = (0..64).map(|_| Feed::open(daemon.admin, "/queries/marks/changes", None)).collect();
    let refused = http::get(daemon.admin, "/queries/numbers/changes");
    assert!(refused.status == 503 && refused.body.contains("64 feeds are followed"), "{refused:?}");
    assert!(feeds.iter_mut().all(|feed| feed.next().is_some_and(|event| event.name == "snapshot")));
    drop(feeds);
    http::post_lines(daemon.topics, "thing", things(0, 1).iter().map(String::as_str), 1);
    // That they have gone is noticed when they are told something.
    daemon.wait("there is room again", |_| {
        let mut socket = TcpStream::connect(daemon.admin).expect("the listener");
        let head = format!("GET /queries/numbers/changes HTTP/1.0\r\nhost: {}\r\n\r\n", daemon.admin);
        socket.write_all(head.as_bytes()).expect("it is sent");
        let mut status = String::new();
        BufReader::new(socket).read_line(&mut status).expect("a status");
        status.contains(" 200 ")
    });
    daemon.stop();
}

#[test]
fn an_answer_that_takes_too_long_is_no_feed() {
    let house = house("queries-feed-endless");
    let daemon = house.start();
    let refused = http::get(daemon.admin, "/queries/endless/changes");
    assert!(refused.status == 503 && refused.body.contains("it took longer than 10s"), "{refused:?}");
    daemon.stop();
}
