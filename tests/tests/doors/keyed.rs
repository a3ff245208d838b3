//! Keys, plans and quotas of the gateway, and that no door is open where another asks for keys.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;
use tidemill_tests::cli::failed;
use tidemill_tests::daemon::Daemon;
use tidemill_tests::exchange::{self, Notes};
use tidemill_tests::http::{self, Answer};
use tidemill_tests::keys::KeyFile;
use tidemill_tests::place::{changeling, digest};
use tidemill_tests::things::House;

/// A key, and the id by which a plan knows it.
struct Key {
    text: String,
    id: String,
}

fn key(file: &KeyFile, scopes: &[&str]) -> Key {
    let text = file.make(scopes);
    let id = digest(text.as_bytes())[..12].to_owned();
    Key { text, id }
}

/// Keys for a gateway: of plans that are slow, of few requests, and of another stage; and of none.
fn gateway(slow: &Key, few: &Key, elsewhere: &Key) -> String {
    format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\nkeys = \"keys.toml\"\n[gateway.stages.dev]\n[gateway.stages.test]\nrate = 1\nburst = 2\n\
         [gateway.plans.slow]\nstages = [\"dev\"]\nkeys = [\"{}\"]\nrate = 1\nburst = 3\n\
         [gateway.plans.few]\nstages = [\"dev\"]\nkeys = [\"{}\"]\nquota = 4\nperiod = \"MONTH\"\n\
         [gateway.plans.elsewhere]\nstages = [\"test\"]\nkeys = [\"{}\"]\n[epoch]\n",
        slow.id, few.id, elsewhere.id
    )
}

fn ask(to: SocketAddr, path: &str, key: &str) -> Answer {
    http::request(to, "GET", path, &[("x-api-key", key)], b"")
}

fn said(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["message"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_key_opens_the_stages_of_its_plan_at_its_rate_up_to_its_quota() {
    let house = House::with("doors-keyed", &changeling("good"), &[]);
    let file = KeyFile::new(house.pipeline.parent().expect("a folder"));
    let all = ["--scope", "produce:", "--scope", "consume"];
    let [slow, few, elsewhere, none] = std::array::from_fn(|_| key(&file, &all));
    let posts = key(&file, &["--scope", "produce:thing"]);
    let text = std::fs::read_to_string(&house.pipeline).expect("the pipeline file");
    let plans = gateway(&slow, &few, &elsewhere).replace(
        "[gateway.plans.few]",
        &format!("[gateway.plans.posts]\nstages = [\"dev\"]\nkeys = [\"{}\"]\n[gateway.plans.few]", posts.id),
    );
    std::fs::write(&house.pipeline, text.replace("[epoch]\n", &plans)).expect("the pipeline file");
    let daemon = Daemon::start_with_log(&house.pipeline);
    let at = daemon.gateway.expect("a gateway");
    let notes = [("slow", &slow), ("few", &few), ("elsewhere", &elsewhere), ("none", &none), ("posts", &posts)];
    let mut notes: Notes = notes.into_iter().map(|(name, key)| (name.to_owned(), key.text.clone())).collect();
    exchange::play(include_str!("keyed.txt"), at, &mut notes);
    // At a rate of one a second, the fourth of four at once is too many, whoever asks at what pace.
    let answers: Vec<(u16, String)> = (0..40).map(|_| said(&ask(at, "/dev/topics/none", &slow.text))).collect();
    let too_many = (429, "Too Many Requests".to_owned());
    assert!(answers[..3].iter().all(|(status, _)| *status == 404), "{answers:?}");
    assert!(answers[3..].iter().filter(|answer| **answer == too_many).count() >= 20, "{answers:?}");
    daemon.stop();
    // A clean end keeps what was used of a quota.
    let daemon = Daemon::start_with_log(&house.pipeline);
    let answer = ask(daemon.gateway.expect("a gateway"), "/dev/topics", &few.text);
    assert_eq!(said(&answer), (429, "Limit Exceeded".to_owned()), "{answer:?}");
    assert!(answer.headers.contains("x-amzn-errortype: LimitExceededException"), "{answer:?}");
    assert!(!answer.headers.contains("retry-after"), "{answer:?}");
    daemon.stop();
}

#[test]
fn where_the_listeners_ask_for_keys_the_gateway_does() {
    let doors = "[gateway]\nlisten = \"127.0.0.1:0\"\n[gateway.stages.dev]\n[epoch]\n";
    let replace = [("[listen]\n", "[listen]\nkeys = \"keys.toml\"\n"), ("[epoch]\n", doors)];
    let house = House::with("doors-locked", &changeling("good"), &replace);
    let file = KeyFile::new(house.pipeline.parent().expect("a folder"));
    let posts = file.make(&["--scope", "produce:thing"]);
    let daemon = Daemon::start_with_log(&house.pipeline);
    let at = daemon.gateway.expect("a gateway");
    let bearer = format!("Bearer {posts}");
    for (headers, path, status) in [
        (vec![], "/dev/topics/thing", 403),
        (vec![("x-api-key", posts.as_str())], "/dev/topics/thing", 403),
        (vec![("authorization", "Bearer nothing")], "/dev/topics/thing", 403),
        (vec![("authorization", bearer.as_str())], "/dev/topics/thing", 200),
        (vec![("authorization", bearer.as_str())], "/dev/topics", 403),
    ] {
        let answer = http::request(at, "GET", path, &headers, b"");
        assert_eq!(answer.status, status, "{path} with {headers:?}: {answer:?}");
    }
    daemon.stop();
}

#[test]
fn a_door_without_keys_beside_one_with_keys_is_not_opened() {
    let replace = [
        ("[listen]\n", "[listen]\nkeys = \"keys.toml\"\n"),
        ("[epoch]\n", "[kinesis]\nlisten = \"127.0.0.1:0\"\n[epoch]\n"),
    ];
    let house = House::with("doors-open", &changeling("good"), &replace);
    let folder: &Path = house.pipeline.parent().expect("a folder");
    KeyFile::new(folder).make(&["--scope", "admin"]);
    let said = failed(folder, &["run", "things.toml"]);
    assert!(said.contains("kinesis.listen: the other listeners ask for keys"), "{said}");
    // Neither is one whose file others can read.
    let secrets = folder.join("access.toml");
    let text = json!("a secret of some length");
    std::fs::write(&secrets, format!("[[keys]]\nid = \"AKIA\"\nsecret = {text}\nscopes = []\n")).expect("the file");
    let file = std::fs::read_to_string(&house.pipeline).expect("the pipeline file");
    std::fs::write(&house.pipeline, file.replace("[kinesis]\n", "[kinesis]\nkeys = \"access.toml\"\n")).expect("it");
    let said = failed(folder, &["run", "things.toml"]);
    assert!(said.contains("kinesis.keys: access keys") && said.contains("others have rights to it"), "{said}");
    assert!(!said.contains("a secret of some length"), "{said}");
}
