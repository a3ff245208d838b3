//! What wraps the values of a topic, taken off before they are read, so that a row is the same whichever door it came through.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::error::{Error, Kind, Result};
use crate::json::{Scanner, Wrong, unescape};

/// Base64 as it is sent: with its padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The names of the steps, for people.
const KNOWN: [&str; 3] = ["json-text", "base64", "field:NAME"];

/// The steps of unwrapping, in their order; most often none.
///
/// A step is taken where the value has its form, and passed over where it has not, so that a topic can hold both. What has the form
/// and is broken is no value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unwrap(Vec<Step>);

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A JSON text (its first byte is a quote) gives its characters.
    JsonText,
    /// What begins neither as a JSON text nor as an object or a list gives the bytes of which it is the base64.
    Base64,
    /// A JSON object that has this field gives the field's value.
    Field(String),
}

impl Unwrap {
    /// Adds a step, as the pipeline file writes it; an error says which there are.
    pub fn push(&mut self, step: &str) -> Result<()> {
        self.0.push(match step.split_once(':') {
            None if step == "json-text" => Step::JsonText,
            None if step == "base64" => Step::Base64,
            Some(("field", name)) if !name.is_empty() => Step::Field(name.to_owned()),
            Some(("field", _)) => {
                let nameless = Error::new(Kind::Input, "the field has no name");
                return Err(nameless.hint("write \"field:NAME\" with the field that holds the value"));
            }
            _ => {
                let unknown = Error::new(Kind::Input, format!("{step:?} is not known"));
                return Err(unknown.hint(format!("known are {}", KNOWN.join(", "))));
            }
        });
        Ok(())
    }

    /// The steps as the pipeline file writes them.
    pub fn steps(&self) -> Vec<String> {
        self.0.iter().map(Step::to_string).collect()
    }

    /// Whether it takes nothing off.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value without what wraps it, or why it has none.
    pub fn apply<'a>(&self, value: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        let mut value = Cow::Borrowed(value);
        for step in &self.0 {
            let taken = match &value {
                Cow::Borrowed(bytes) => step.take(bytes)?,
                Cow::Owned(bytes) => step.take(bytes)?.map(|inside| Cow::Owned(inside.into_owned())),
            };
            value = taken.unwrap_or(value);
        }
        Ok(value)
    }
}

impl Step {
    /// What the step finds inside; nothing where the value does not have its form.
    fn take<'a>(&self, value: &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, String> {
        let first = value.trim_ascii_start().first();
        let broken = |wrong: Wrong| format!("unwrap {:?}: at byte {}: {}", self.to_string(), wrong.at, wrong.what);
        match (self, first) {
            (Self::JsonText, Some(b'"')) => text(value).map(Some).map_err(broken),
            (Self::Field(name), Some(b'{')) => field(value, name).map_err(broken),
            (Self::Base64, Some(first)) if !matches!(first, b'"' | b'{' | b'[') => {
                let decoded = BASE64.decode(value.trim_ascii());
                let decoded = decoded.map_err(|cause| format!("unwrap \"base64\": {cause}"))?;
                Ok(Some(Cow::Owned(decoded)))
            }
            _ => Ok(None),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JsonText => f.write_str("json-text"),
            Self::Base64 => f.write_str("base64"),
            Self::Field(name) => write!(f, "field:{name}"),
        }
    }
}

/// The characters of a JSON text, which is all of `value`.
fn text(value: &[u8]) -> Result<Cow<'_, [u8]>, Wrong> {
    let mut from = Scanner::new(value)?;
    let (inside, escaped) = from.text()?;
    from.end()?;
    if !escaped {
        return Ok(Cow::Borrowed(inside.as_bytes()));
    }
    plain(&from, inside).map(|plain| Cow::Owned(plain.into_bytes()))
}

/// The value of a field of a JSON object, which is all of `value`; of a name that comes twice the last counts.
fn field<'a>(value: &'a [u8], name: &str) -> Result<Option<Cow<'a, [u8]>>, Wrong> {
    let mut from = Scanner::new(value)?;
    let mut found = None;
    from.take(b'{');
    if !from.take(b'}') {
        loop {
            let (key, escaped) = from.key()?;
            let is_it = if escaped { plain(&from, key)? == name } else { key == name };
            let inside = from.skip()?;
            found = if is_it { Some(inside) } else { found };
            if !from.take(b',') {
                from.expect(b'}', "expected a comma or the end of the object")?;
                break;
            }
        }
    }
    from.end()?;
    Ok(found.map(|inside| Cow::Borrowed(inside.as_bytes())))
}

fn plain(from: &Scanner<'_>, inside: &str) -> Result<String, Wrong> {
    let mut plain = String::with_capacity(inside.len());
    unescape(inside, |part| plain.push_str(part)).map_err(|what| from.wrong(what))?;
    Ok(plain)
}

#[cfg(test)]
mod tests;
