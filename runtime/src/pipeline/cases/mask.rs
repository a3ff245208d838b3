//! Stand-ins for what may not leave a pipeline: the same value gets the same one, which tells nothing of it.

use hashbrown::HashMap;
use serde_json::{Map, Value as Json};

use crate::decode::Unwrap;

/// The fields that are replaced, and what was put in the place of which value.
pub(super) struct Masks {
    fields: Vec<String>,
    /// The number of each value of each field, in the order of their coming.
    numbers: HashMap<(String, String), u64>,
}

impl Masks {
    pub(super) fn new(fields: &[String]) -> Self {
        Self { fields: fields.to_vec(), numbers: HashMap::new() }
    }

    /// Whether a field is replaced.
    pub(super) fn names(&self, field: &str) -> bool {
        self.fields.iter().any(|name| name == field)
    }

    /// A record's value with its fields replaced, which are those inside of what wraps it. Where fields are to be, but it is no
    /// object, nothing of it stays.
    pub(super) fn value(&mut self, value: &[u8], unwrap: &Unwrap) -> Vec<u8> {
        if self.fields.is_empty() {
            return value.to_vec();
        }
        let unwrapped = unwrap.apply(value).ok();
        let object = unwrapped.and_then(|value| serde_json::from_slice::<Map<String, Json>>(&value).ok());
        let Some(mut object) = object else {
            return format!("masked: {} bytes that are no JSON object", value.len()).into_bytes();
        };
        for (name, value) in object.iter_mut().filter(|(name, _)| self.fields.contains(name)) {
            *value = stand_in(&mut self.numbers, name, std::mem::take(value));
        }
        Json::from(object).to_string().into_bytes()
    }

    /// A text in the place of bytes.
    pub(super) fn text(&mut self, field: &str, bytes: &[u8]) -> String {
        let number = number(&mut self.numbers, field, format!("{bytes:?}"));
        format!("{} {number}", field.trim_start_matches('@'))
    }
}

/// A value of the same type. What holds values is kept with stand-ins in it; null stays null.
fn stand_in(numbers: &mut HashMap<(String, String), u64>, field: &str, value: Json) -> Json {
    match value {
        Json::Null => Json::Null,
        Json::Bool(_) => Json::Bool(false),
        Json::Number(_) => number(numbers, field, value.to_string()).into(),
        Json::String(text) => format!("{field} {}", number(numbers, field, text)).into(),
        Json::Array(items) => items.into_iter().map(|item| stand_in(numbers, field, item)).collect(),
        Json::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, stand_in(numbers, field, value))).collect()
        }
    }
}

fn number(numbers: &mut HashMap<(String, String), u64>, field: &str, value: String) -> u64 {
    let next = numbers.len() as u64 + 1;
    *numbers.entry((field.to_owned(), value)).or_insert(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(masks: &mut Masks, value: &str, expected: &str) {
        let mut unwrap = Unwrap::default();
        unwrap.push("field:value").unwrap();
        let masked = masks.value(value.as_bytes(), &unwrap);
        assert_eq!(String::from_utf8(masked).unwrap(), expected, "{value}");
    }

    #[test]
    fn the_same_value_gets_the_same_stand_in() {
        let mut masks = Masks::new(&["name".to_owned(), "age".to_owned()]);
        check(&mut masks, r#"{"id":7,"name":"Ada","age":36}"#, r#"{"id":7,"name":"name 1","age":2}"#);
        check(&mut masks, r#"{"id":8,"name":"Alan","age":36}"#, r#"{"id":8,"name":"name 3","age":2}"#);
        check(&mut masks, r#"{"id":9,"name":"Ada","age":null}"#, r#"{"id":9,"name":"name 1","age":null}"#);
        check(
            &mut masks,
            r#"{"name":["Ada",{"first":"Alan"}],"age":true}"#,
            r#"{"name":["name 1",{"first":"name 3"}],"age":false}"#,
        );
    }

    #[test]
    fn nothing_slips_through() {
        check(&mut Masks::new(&[]), "{\"a\": 1.10}", "{\"a\": 1.10}");
        check(&mut Masks::new(&["a".to_owned()]), "{\"value\": {\"a\": \"x\"}}", "{\"a\":\"a 1\"}");
        check(&mut Masks::new(&["a".to_owned()]), "{\"a\": 1,", "masked: 8 bytes that are no JSON object");
        let mut masks = Masks::new(&["@key".to_owned()]);
        assert_eq!(
            (masks.text("@key", b"k"), masks.text("@key", b"l"), masks.text("@key", b"k")),
            ("key 1".into(), "key 2".into(), "key 1".into())
        );
    }
}
