//! A transform's parameters, held against the JSON Schema that it declares.

use serde_json::{Map, Value};

use crate::error::Error;

use super::fault::{Fault, Places, join, wrong};
use super::plan::Transform;
use super::{Declared, names};

/// Checks the parameters of a table's transform; `schema` is what that says of them, `{}` where it takes none.
///
/// What is checked is the type of a value, `enum`, `minimum` and `maximum`, the items of a list, and of an object its
/// `properties`, what is `required` and whether there may be more. Other words of a schema are left to the transform
/// itself, when it is configured. The faults come by their places.
pub fn check_parameters(declared: &Declared, table: &str, transform: &Transform, schema: &str) -> Vec<Fault> {
    let parse = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    let (schema, given) = (parse(schema), parse(&transform.parameters));
    let path = format!("{}.{}", join("tables", table), transform.parameters_place());
    let mut check = Check { places: &declared.places, faults: Vec::new() };
    if schema.is_empty() {
        let none = wrong("unknown key").hint("the transform takes no parameters");
        given.keys().for_each(|key| check.fault(&join(&path, key), &none));
    } else {
        check.value(&path, &schema, &Value::Object(given));
    }
    check.faults.sort_by_key(|fault| (fault.line, fault.column));
    check.faults
}

struct Check<'a> {
    places: &'a Places,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, path: &str, wrong: &Error) {
        self.faults.push(self.places.fault(path, wrong));
    }

    /// The value at `path` is as `schema` has it.
    fn value(&mut self, path: &str, schema: &Map<String, Value>, value: &Value) {
        if let Some(unfit) = unfit(schema, value) {
            return self.fault(path, &unfit);
        }
        match value {
            Value::Object(given) => self.object(path, schema, given),
            Value::Array(items) => {
                let Some(schema) = schema.get("items").and_then(Value::as_object) else { return };
                for (index, item) in items.iter().enumerate() {
                    self.value(&format!("{path}[{index}]"), schema, item);
                }
            }
            _ => {}
        }
    }

    fn object(&mut self, path: &str, schema: &Map<String, Value>, given: &Map<String, Value>) {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        for (key, value) in given {
            match properties.get(key).map(Value::as_object) {
                Some(Some(schema)) => self.value(&join(path, key), schema, value),
                None if closed => {
                    let meant = names::meant(key, properties.keys().map(String::as_str));
                    self.fault(&join(path, key), &wrong("unknown key").hint(meant));
                }
                _ => {}
            }
        }
        for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !given.contains_key(key) {
                let property = properties.get(key);
                let about = property.and_then(|property| property.get("description")?.as_str());
                // A description of several lines has its place in `transform inspect`.
                let about = about.and_then(|about| about.lines().next()).map(|about| format!(": {about}"));
                let hint = format!("write {key} = {}{}", example(property), about.unwrap_or_default());
                self.fault(path, &wrong(format!("{key:?} is missing")).hint(hint));
            }
        }
    }
}

/// What is wrong with a value by itself, if something is.
fn unfit(schema: &Map<String, Value>, value: &Value) -> Option<Error> {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|kind| is_a(kind, value)) {
        let wanted: Vec<&str> = types.iter().map(|kind| word(kind)).collect();
        return Some(wrong(format!("it is {}, not {}", found(value), wanted.join(" or "))));
    }
    if let Some(Value::Array(known)) = schema.get("enum")
        && !known.contains(value)
    {
        let unknown = wrong(format!("{value} is not known"));
        let texts: Vec<&str> = known.iter().filter_map(Value::as_str).collect();
        return Some(match value.as_str() {
            Some(text) if texts.len() == known.len() => unknown.hint(names::meant(text, texts)),
            _ => unknown.hint(format!("known are {}", listed(known))),
        });
    }
    let number = value.as_f64()?;
    let bound = |word: &str| schema.get(word).filter(|bound| bound.is_number());
    if let Some(least) = bound("minimum").filter(|least| least.as_f64().is_some_and(|least| number < least)) {
        return Some(wrong(format!("{value} is less than {least}")));
    }
    let most = bound("maximum").filter(|most| most.as_f64().is_some_and(|most| number > most))?;
    Some(wrong(format!("{value} is more than {most}")))
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    }
}

/// A type of JSON Schema in the words of a pipeline file.
fn word(kind: &str) -> &str {
    match kind {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a text",
        "array" => "a list",
        "object" => "a table",
        other => other,
    }
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a whole number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

fn listed(values: &[Value]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What a value of a property may look like.
fn example(property: Option<&Value>) -> String {
    let of = |word: &str| property.and_then(|property| property.get(word));
    if let Some(first) = of("enum").and_then(|known| known.as_array()?.first()) {
        return first.to_string();
    }
    match of("type").and_then(Value::as_str) {
        Some("boolean") => "true".to_owned(),
        Some("integer" | "number") => of("minimum").map_or("1".to_owned(), Value::to_string),
        Some("array") => "[]".to_owned(),
        Some("object") => "{}".to_owned(),
        _ => "\"..\"".to_owned(),
    }
}
