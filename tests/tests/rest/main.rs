//! The REST proxy from outside: conversations that are written down in `tests/rest`, streams, packed bodies, consumers.

mod consumers;
mod packed;
mod script;
mod stream;
mod terminal;

use std::fs;

use tidemill_tests::daemon::Daemon;
use tidemill_tests::http;
use tidemill_tests::place::{Folder, root};

use self::script::{Case, fits};

/// A pipeline without tables, whose topics are those that the conversations speak of.
fn start(folder: &Folder, more: &str) -> Daemon {
    let text = format!(
        "[pipeline]\nname = \"doors\"\ndata = {:?}\n[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
         {more}\n[lake]\nbucket = \"doors\"\nendpoint = \"embedded\"\n[topics.one]\n[topics.two]\npartitions = 2\n\
         [topics.small]\nrecord = \"1KiB\"\n[topics.many]\npartitions = 12\n",
        folder.path().join("data")
    );
    Daemon::start(&folder.write("doors.toml", text))
}

/// Has a conversation of `tests/rest`; each answer has to be as it is written there. Gives how many there were.
fn converse(name: &str) -> usize {
    let folder = Folder::new(&format!("rest-{name}"));
    let daemon = start(&folder, "");
    let text = fs::read_to_string(root().join(format!("tests/rest/{name}.http"))).expect("the conversation");
    let cases = Case::all(&text);
    let mut wrong = Vec::new();
    for case in &cases {
        let headers: Vec<(&str, &str)> = case.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let answer = http::request(daemon.topics, &case.method, &case.path, &headers, case.body.as_bytes());
        if let Err(why) = fits(case, &answer) {
            wrong.push(format!("{name}: {}: {why}\n  {answer:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {} are not as written:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    daemon.stop();
    cases.len()
}

#[test]
fn consumers_are_as_it_is_written_down() {
    assert!(converse("consumers") >= 70);
}

#[test]
fn v2_is_as_it_is_written_down() {
    assert!(converse("v2") >= 80);
}

#[test]
fn v3_is_as_it_is_written_down() {
    assert!(converse("v3") >= 70);
}
