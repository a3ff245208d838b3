//! Requests that were in order once: some bytes of each were changed, by a seed.

use std::net::SocketAddr;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::Siege;
use crate::corpus::{GOOD, JSON};
use crate::talk::Talk;

/// How many are sent, where the environment does not say.
const INPUTS: u64 = 3_000;
/// Inputs after which it is looked whether all still holds.
const ROUND: u64 = 50_000;
/// Clients at a time, with a connection to each side: fewer than one address may have.
const LANES: u64 = 48;
/// What parsers trip over.
const TOKENS: [&str; 40] = [
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    ":",
    ";",
    ",",
    "/",
    "//",
    "..",
    "%2e%2e%2f",
    "%00",
    "%",
    "?",
    "#",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/2.0",
    "transfer-encoding: chunked\r\n",
    "content-length: 5\r\n",
    "content-length: 0\r\n",
    "content-length: 18446744073709551616\r\n",
    "connection: keep-alive\r\n",
    "expect: 100-continue\r\n",
    "host: evil.example\r\n",
    "content-encoding: gzip\r\n",
    "origin: null\r\n",
    "ffffffffffffffff\r\n",
    "0\r\n\r\n",
    "-1",
    "{",
    "}",
    "[",
    "\"",
    "\\ud800",
    "1e999",
    "\u{feff}",
];

/// What came of the inputs of one lane.
#[derive(Default)]
struct Seen {
    /// Records that an answer has acknowledged.
    acknowledged: u64,
    /// Records that may have been kept although no answer came.
    possible: u64,
    answers: [u64; 6],
}

#[test]
fn changed_requests() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let inputs = number("TIDEMILL_HTTP_INPUTS").unwrap_or(INPUTS);
    let seed = number("TIDEMILL_SEED").unwrap_or_else(|| rand::rng().random_range(0..1 << 32));
    println!(
        "seed {seed}: TIDEMILL_SEED={seed} TIDEMILL_HTTP_INPUTS={inputs} cargo test -p tidemill-tests --test hostile_http changed_requests"
    );
    let mut siege = Siege::begin("hostile-fuzz", "idle_time = \"1s\"\nhead_time = \"1s\"\nbody_pause = \"1s\"");
    let (topics, admin) = (siege.daemon.topics, siege.daemon.admin);
    let mut answers = [0; 6];
    for (round, first) in (0..inputs).step_by(ROUND as usize).enumerate() {
        let (before, count) = (siege.kept(), ROUND.min(inputs - first));
        let lanes: Vec<Seen> = std::thread::scope(|scope| {
            let lane = |lane: u64| {
                let seed = seed.wrapping_add(round as u64 * LANES + lane);
                scope.spawn(move || one_lane(seed, count / LANES + u64::from(lane < count % LANES), topics, admin))
            };
            let lanes: Vec<_> = (0..LANES).map(lane).collect();
            lanes.into_iter().map(|lane| lane.join().expect("a lane")).collect()
        });
        let sum = |of: fn(&Seen) -> u64| lanes.iter().map(of).sum::<u64>();
        let (acknowledged, possible) = (sum(|seen| seen.acknowledged), sum(|seen| seen.possible));
        let kept = siege.kept() - before;
        assert!(
            (acknowledged..=acknowledged + possible).contains(&kept),
            "seed {seed}: {kept} kept, {acknowledged} acknowledged, {possible} more possible"
        );
        lanes.iter().for_each(|seen| answers.iter_mut().zip(seen.answers).for_each(|(sum, count)| *sum += count));
        siege.holds("changed requests");
    }
    assert_eq!(answers[5], 0, "seed {seed}: no answer is a fault of the server's own");
    let [none, continued, taken, _, refused, _] = answers;
    println!("{inputs} inputs: {taken} taken, {refused} refused, {none} closed, {continued} asked to go on");
    assert!(taken > inputs / 50 && refused > inputs / 10, "the inputs reach the routes");
    siege.end();
}

fn one_lane(seed: u64, inputs: u64, topics: SocketAddr, admin: SocketAddr) -> Seen {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut seen, mut topics, mut admin) = (Seen::default(), Talk::with(topics), Talk::with(admin));
    for _ in 0..inputs {
        let (bytes, operators) = input(&mut random);
        let (answer, times) = if operators { &mut admin } else { &mut topics }.say(&bytes);
        let any = seen.hear(&answer, &bytes);
        seen.answers[0] += u64::from(!any);
        // Of what had no answer, or was followed by more in the same piece.
        let records = bytes.windows(7).filter(|window| window.eq_ignore_ascii_case(b"\"value\"")).count() as u64;
        seen.possible += records * times;
    }
    for talk in [topics, admin] {
        seen.hear(&talk.end(), b"what came before");
    }
    seen
}

impl Seen {
    /// What came back after some bytes were sent; whether there is an answer in it.
    fn hear(&mut self, answer: &[u8], bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(answer);
        // A body is sent whole, so that what begins so is an answer's first line.
        let mut any = false;
        for answer in text.split("HTTP/1.1 ").skip(1) {
            let status: usize = answer.get(..3).and_then(|status| status.parse().ok()).unwrap_or(0);
            // 501 is meant: it is for codings of a body that are not known here.
            self.answers[if status == 501 { 4 } else { (status / 100).min(5) }] += 1;
            if status >= 500 && status != 501 {
                println!("{answer}, for {:?}", String::from_utf8_lossy(bytes));
            }
            any |= status >= 200;
            self.acknowledged += if status == 200 { answer.matches("\"error_code\":null").count() as u64 } else { 0 };
        }
        any
    }
}

/// One input, and whether it is for the operator's side.
fn input(random: &mut ChaCha8Rng) -> (Vec<u8>, bool) {
    let common =
        format!("host: localhost\r\n{}\r\n", if random.random_bool(0.2) { "connection: close" } else { "x: y" });
    let length = GOOD.len();
    let post = format!("POST /topics/thing HTTP/1.1\r\n{common}{JSON}\r\n");
    let (base, operators) = match random.random_range(0..8) {
        0..3 => (format!("{post}content-length: {length}\r\n\r\n{GOOD}"), false),
        3 => (format!("{post}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{GOOD}\r\n0\r\n\r\n"), false),
        4 => {
            let body = r#"{"records":[{"key":"a2V5","value":"AQI=","partition":1},{"value":null}]}"#;
            let json = post.replace("json.v2", "binary.v2");
            (format!("{json}content-length: {}\r\n\r\n{body}", body.len()), false)
        }
        5 => (format!("GET /topics/thing HTTP/1.1\r\n{common}accept: */*\r\n\r\n"), false),
        6 => (format!("GET /tables/thing/tap?n=2&mask=ind HTTP/1.1\r\n{common}\r\n"), true),
        _ => (format!("GET /status HTTP/1.1\r\n{common}\r\n"), true),
    };
    let mut bytes = base.into_bytes();
    for _ in 0..random.random_range(1..=4) {
        change(&mut bytes, random);
    }
    (bytes, operators)
}

fn change(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    let at = random.random_range(0..=bytes.len());
    let end = (at + random.random_range(1..=8)).min(bytes.len());
    match random.random_range(0..9) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
        1 if at < bytes.len() => bytes[at] = random.random(),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        4 => drop(bytes.splice(at..at, TOKENS[random.random_range(0..TOKENS.len())].bytes())),
        5 => drop(bytes.splice(at..end, TOKENS[random.random_range(0..TOKENS.len())].bytes())),
        6 if random.random_bool(0.2) => bytes.truncate(at),
        7 if random.random_bool(0.2) => {
            let copy = bytes.clone();
            bytes.splice(at..at, copy);
        }
        _ => bytes[at..end].iter_mut().for_each(|byte| *byte = byte.to_ascii_uppercase()),
    }
}
