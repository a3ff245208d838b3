//! What a pipeline file sets of a transform, read from JSON.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;

use serde_json::{Map, Value};

/// What a pipeline file may set of a transform; derived, never written by hand.
#[diagnostic::on_unimplemented(message = "`{Self}` holds no parameters", note = "put #[derive(Parameters)] on it")]
pub trait Parameters: Sized {
    /// Their JSON Schema, which `tidemill check` holds a pipeline file against.
    const SCHEMA: &'static str;

    /// Reads them from a JSON object; an error says which one does not fit, and why.
    fn from_json(given: &str) -> Result<Self, String>;
}

/// A JSON object that was given.
#[derive(Debug)]
pub struct Given(Map<String, Value>);

impl Given {
    /// Reads an object whose keys are among `known`.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, String> {
        let given = match serde_json::from_str(text) {
            Ok(Value::Object(given)) => given,
            Ok(other) => return Err(format!("the parameters are {}, not an object", word(&other))),
            Err(cause) => return Err(format!("the parameters are not JSON: {cause}")),
        };
        match given.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) if known.is_empty() => Err(format!("parameter {key:?} is unknown; there are none")),
            Some(key) => Err(format!("parameter {key:?} is unknown; known are {}", known.join(", "))),
            None => Ok(Self(given)),
        }
    }

    /// The parameter `name`, or else its default; one that has none must be given.
    pub fn get<T: Parameter>(
        &self,
        name: &str,
        default: Option<T>,
        allowed: &Allowed<'_, T::Scalar>,
    ) -> Result<T, String> {
        match self.0.get(name) {
            Some(value) => T::read(value, allowed).map_err(|fault| format!("parameter {name:?}: {fault}")),
            None => default.ok_or_else(|| format!("parameter {name:?} is missing")),
        }
    }
}

/// The values that a parameter may have, a list each of its items.
#[derive(Clone, Copy, Debug)]
pub struct Allowed<'a, T> {
    /// The least.
    pub minimum: Option<T>,
    /// The greatest.
    pub maximum: Option<T>,
    /// All of them; empty where any will do.
    pub one_of: &'a [T],
}

impl<T: PartialOrd + Debug> Allowed<'_, T> {
    /// What is wrong with `value`, if something is.
    fn check(&self, value: &T) -> Result<(), String> {
        if let Some(least) = self.minimum.as_ref().filter(|least| value < *least) {
            return Err(format!("{value:?} is less than {least:?}"));
        }
        if let Some(most) = self.maximum.as_ref().filter(|most| value > *most) {
            return Err(format!("{value:?} is more than {most:?}"));
        }
        if !self.one_of.is_empty() && !self.one_of.contains(value) {
            let words: Vec<_> = self.one_of.iter().map(|one| format!("{one:?}")).collect();
            return Err(format!("{value:?} is not one of {}", words.join(", ")));
        }
        Ok(())
    }
}

/// A type that a parameter may have: `bool`, `i64`, `f64`, `String`, an `Option` or a `Vec` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type for a parameter",
    note = "use bool, i64, f64, String, or an Option or a Vec of one"
)]
pub trait Parameter: Sized {
    /// The type of its single values, as they are compared.
    type Scalar;

    /// Reads one; an error says what is wrong with it.
    fn read(value: &Value, allowed: &Allowed<'_, Self::Scalar>) -> Result<Self, String>;
}

impl Parameter for bool {
    type Scalar = bool;

    fn read(value: &Value, allowed: &Allowed<'_, bool>) -> Result<Self, String> {
        let flag = value.as_bool().ok_or_else(|| not_a("true or false", value))?;
        allowed.check(&flag).map(|()| flag)
    }
}

impl Parameter for i64 {
    type Scalar = i64;

    fn read(value: &Value, allowed: &Allowed<'_, i64>) -> Result<Self, String> {
        let number = value.as_i64().ok_or_else(|| not_a("a whole number of 64 bits", value))?;
        allowed.check(&number).map(|()| number)
    }
}

impl Parameter for f64 {
    type Scalar = f64;

    fn read(value: &Value, allowed: &Allowed<'_, f64>) -> Result<Self, String> {
        let number = value.as_f64().ok_or_else(|| not_a("a number", value))?;
        allowed.check(&number).map(|()| number)
    }
}

impl Parameter for String {
    type Scalar = &'static str;

    fn read(value: &Value, allowed: &Allowed<'_, &'static str>) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| not_a("a text", value))?;
        let allowed: &Allowed<'_, &str> = allowed;
        allowed.check(&text).map(|()| text.to_owned())
    }
}

impl<T: Parameter> Parameter for Option<T> {
    type Scalar = T::Scalar;

    fn read(value: &Value, allowed: &Allowed<'_, T::Scalar>) -> Result<Self, String> {
        T::read(value, allowed).map(Some)
    }
}

impl<T: Parameter> Parameter for Vec<T> {
    type Scalar = T::Scalar;

    fn read(value: &Value, allowed: &Allowed<'_, T::Scalar>) -> Result<Self, String> {
        let items = value.as_array().ok_or_else(|| not_a("a list", value))?;
        let item = |(place, item)| T::read(item, allowed).map_err(|fault| format!("item {place}: {fault}"));
        items.iter().enumerate().map(item).collect()
    }
}

fn not_a(wanted: &str, value: &Value) -> String {
    format!("it is {}, not {wanted}", word(value))
}

fn word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a whole number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The parameters with which an instance was configured.
#[derive(Debug, Default)]
pub struct Configured<P>(RefCell<Option<Rc<P>>>);

impl<P: Parameters> Configured<P> {
    /// None so far.
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Reads them and keeps them; those from before stay where these do not fit.
    pub fn set(&self, given: &str) -> Result<(), String> {
        let parameters = P::from_json(given)?;
        self.0.replace(Some(Rc::new(parameters)));
        Ok(())
    }

    /// The last that were set.
    pub fn get(&self) -> Result<Rc<P>, String> {
        self.0
            .borrow()
            .clone()
            .ok_or_else(|| "the transform has no parameters yet: configure comes before apply".to_owned())
    }
}

#[cfg(test)]
mod tests;
