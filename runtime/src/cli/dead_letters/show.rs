//! A dead letter as people and programs read it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

use crate::cache::letters::Letter;
use crate::commit::{Became, DeadLetter};
use crate::record;

/// A letter as a JSON object. Bytes are a text; where they are no UTF-8, `key`, `value` and `name` end with `_base64`.
pub(super) fn as_json(letter: &Letter) -> Json {
    let DeadLetter { table, partition, offset, epoch, time, reason, digest, key, value, headers } = &letter.letter;
    let mut facts = Map::new();
    facts.insert("id".into(), format!("{table}/{partition}/{offset}").into());
    facts.insert("table".into(), table.as_str().into());
    facts.insert("partition".into(), (*partition).into());
    facts.insert("offset".into(), (*offset).into());
    facts.insert("time".into(), time.to_string().into());
    facts.insert("epoch".into(), (*epoch).into());
    facts.insert("reason".into(), reason.as_str().into());
    facts.insert("digest".into(), digest.as_str().into());
    put(&mut facts, "key", key.as_deref());
    put(&mut facts, "value", value.as_deref());
    let header = |(name, value): (&[u8], Option<&[u8]>)| {
        let mut header = Map::new();
        put(&mut header, "name", Some(name));
        put(&mut header, "value", value);
        Json::Object(header)
    };
    facts.insert("headers".into(), record::headers(headers).map(header).collect());
    if let Some(healed) = &letter.healed {
        let what = json!({ "at": healed.at.to_string(), "became": healed.became, "revision": healed.revision });
        facts.insert("healed".into(), what);
    }
    Json::Object(facts)
}

fn put(into: &mut Map<String, Json>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => into.insert(name.to_owned(), Json::Null),
        Some((_, Ok(text))) => into.insert(name.to_owned(), text.into()),
        Some((bytes, Err(_))) => into.insert(format!("{name}_base64"), STANDARD.encode(bytes).into()),
    };
}

/// A letter for a person.
pub(super) fn told(letter: &Letter) -> String {
    let DeadLetter { table, partition, offset, epoch, time, reason, digest, key, value, headers } = &letter.letter;
    let state = match &letter.healed {
        None => "it waits".to_owned(),
        Some(healed) => {
            let became = if healed.became == Became::Rows { "came out as rows" } else { "was dropped on purpose" };
            format!("it {became}, in revision {} at {}", healed.revision, healed.at)
        }
    };
    let mut text = format!(
        "dead letter {table}/{partition}/{offset}: {state}\n  appended  {time}\n  rejected  in epoch {epoch}, by {digest}\n  \
         because   {}\n",
        plain(reason)
    );
    if let Some(key) = key {
        text += &format!("  key       {}\n", bytes(key));
    }
    for (name, value) in record::headers(headers) {
        text += &format!("  header    {}: {}\n", bytes(name), value.map_or_else(|| "none".to_owned(), bytes));
    }
    text + &format!("  value     {}\n", value.as_deref().map_or_else(|| "none".to_owned(), bytes))
}

fn bytes(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| format!("(base64) {}", STANDARD.encode(bytes)), plain)
}

/// A text without what would move a terminal's cursor.
pub(in crate::cli) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::letters::Healed;
    use crate::time::Timestamp;

    fn letter(value: &[u8]) -> Letter {
        let mut headers = Vec::new();
        record::push_header(&mut headers, b"trace", Some(b"\xff"));
        record::push_header(&mut headers, b"empty", None);
        let letter = DeadLetter {
            table: "pin".into(),
            partition: 1,
            offset: 7,
            epoch: 2,
            time: Timestamp(0),
            reason: "no \u{1b}[31mnumber".into(),
            digest: "ab".into(),
            key: None,
            value: Some(value.to_vec()),
            headers,
        };
        Letter { letter, healed: None }
    }

    #[test]
    fn bytes_are_texts_where_they_can_be() {
        let text = as_json(&letter("é\n".as_bytes()));
        assert_eq!((&text["id"], &text["value"], &text["key"]), (&json!("pin/1/7"), &json!("é\n"), &Json::Null));
        let headers = json!([{ "name": "trace", "value_base64": "/w==" }, { "name": "empty", "value": null }]);
        assert_eq!(text["headers"], headers);
        let other = as_json(&letter(&[0, 255]));
        assert_eq!((other.get("value"), &other["value_base64"]), (None, &json!("AP8=")));
    }

    #[test]
    fn a_person_sees_no_control_characters() {
        let healed = Some(Healed { at: Timestamp(0), became: Became::Dropped, revision: 3 });
        let told = told(&Letter { healed, ..letter(b"a\x07b") });
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[0], "dead letter pin/1/7: it was dropped on purpose, in revision 3 at 1970-01-01T00:00:00Z");
        assert_eq!(lines[3], "  because   no \u{fffd}[31mnumber");
        assert_eq!(lines[6], "  value     a\u{fffd}b");
    }
}
