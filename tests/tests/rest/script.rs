//! Conversations as they are written down: requests, and what their answers have to be.
//!
//! A case is `### name`, a line of method and path, headers (`@json`, `@binary`, `@v3` are short for content types), a blank line
//! and a body; then `--> status`, headers that the answer must have (`!name` for one that it must not), a blank line and its body,
//! as JSON texts or `(empty)`. In those a text `*` stands for anything, `~words` for a text that has these words, and a key `...`
//! for keys that are not named; keys come in this order.

use serde_json::{Deserializer, Value};
use tidemill_tests::http::Answer;

/// A request, and what its answer has to be.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    status: u16,
    answer_headers: Vec<String>,
    answer: Option<Vec<Value>>,
}

impl Case {
    /// All cases of a text, in order.
    pub(crate) fn all(text: &str) -> Vec<Self> {
        text.split("\n### ").skip(1).map(Self::read).collect()
    }

    fn read(text: &str) -> Self {
        let (asked, answered) = text.split_once("\n--> ").unwrap_or_else(|| panic!("no answer: {text}"));
        let (name, asked) = asked.split_once('\n').expect("a name");
        let (line, headers, body) = parts(asked);
        let (method, path) = line.split_once(' ').unwrap_or_else(|| panic!("no path: {name}"));
        let (status, answer_headers, answer) = parts(answered);
        let answer = answer.trim();
        let texts = || Deserializer::from_str(answer).into_iter().collect::<Result<_, _>>();
        Self {
            name: name.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            headers: headers.iter().map(|header| typed(header)).collect(),
            body: body.trim_end_matches('\n').to_owned(),
            status: status.trim().parse().unwrap_or_else(|_| panic!("no status: {name}")),
            answer_headers,
            answer: match answer {
                "" => None,
                "(empty)" => Some(Vec::new()),
                _ => Some(texts().unwrap_or_else(|cause| panic!("{cause}: {name}"))),
            },
        }
    }
}

/// The first line, the headers, and what comes after a blank line.
fn parts(text: &str) -> (&str, Vec<String>, &str) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let mut lines = head.lines();
    (lines.next().unwrap_or_default(), lines.map(str::to_owned).collect(), body)
}

fn typed(header: &str) -> (String, String) {
    let kind = match header {
        "@json" => "application/vnd.kafka.json.v2+json",
        "@binary" => "application/vnd.kafka.binary.v2+json",
        "@v2" => "application/vnd.kafka.v2+json",
        "@v3" => "application/json",
        _ => {
            let (name, value) = header.split_once(": ").unwrap_or_else(|| panic!("no header: {header}"));
            return (name.to_owned(), value.to_owned());
        }
    };
    ("content-type".to_owned(), kind.to_owned())
}

/// Whether an answer is as it has to be; if not, why.
pub(crate) fn fits(case: &Case, answer: &Answer) -> Result<(), String> {
    if answer.status != case.status {
        return Err(format!("{} is not {}", answer.status, case.status));
    }
    let has = |line: &str| answer.headers.lines().any(|given| given.to_ascii_lowercase().starts_with(line));
    for header in &case.answer_headers {
        let header = header.to_ascii_lowercase();
        match header.strip_prefix('!') {
            Some(name) if has(&format!("{name}:")) => return Err(format!("it has {name}")),
            None if !has(&header) => return Err(format!("it has no {header:?}")),
            _ => {}
        }
    }
    let Some(expected) = &case.answer else { return Ok(()) };
    let body = whole(answer);
    let texts = Deserializer::from_str(&body).into_iter().collect::<Result<Vec<Value>, _>>();
    let texts = texts.map_err(|cause| cause.to_string())?;
    if texts.len() != expected.len() {
        return Err(format!("{} texts are not {}", texts.len(), expected.len()));
    }
    texts.iter().zip(expected).try_for_each(|(given, expected)| like(given, expected, "."))
}

/// The body, put together where it came in chunks.
pub(crate) fn whole(answer: &Answer) -> String {
    if !answer.headers.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return answer.body.clone();
    }
    let (mut rest, mut body) = (answer.body.as_str(), String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk's size");
        body += &after[..size];
        rest = after[size..].strip_prefix("\r\n").expect("a chunk's end");
    }
    body
}

fn like(given: &Value, expected: &Value, at: &str) -> Result<(), String> {
    let differs = || Err(format!("{at} is {given}, not {expected}"));
    match (given, expected) {
        (_, Value::String(any)) if any == "*" => Ok(()),
        (Value::String(text), Value::String(words)) if words.starts_with('~') => {
            if text.contains(&words[1..]) {
                Ok(())
            } else {
                differs()
            }
        }
        (Value::Array(given), Value::Array(expected)) if given.len() == expected.len() => {
            let mut pairs = given.iter().zip(expected).enumerate();
            pairs.try_for_each(|(nth, (given, expected))| like(given, expected, &format!("{at}[{nth}]")))
        }
        (Value::Object(given), Value::Object(expected)) => {
            let named: Vec<&String> = expected.keys().filter(|key| *key != "...").collect();
            let open = expected.contains_key("...");
            let keys: Vec<&String> = given.keys().filter(|key| !open || expected.contains_key(*key)).collect();
            if keys != named {
                return differs();
            }
            named.iter().try_for_each(|key| like(&given[*key], &expected[*key], &format!("{at}{key}.")))
        }
        _ if given == expected => Ok(()),
        _ => differs(),
    }
}
