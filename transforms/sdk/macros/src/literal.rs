//! Values that are written in an attribute: as Rust, as JSON.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, ExprUnary, Lit, Result, UnOp};

/// The type of a single value.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Scalar {
    Boolean,
    Integer,
    Number,
    Text,
}

/// A value of one of these types.
#[derive(Clone, PartialEq)]
pub(crate) enum Literal {
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

impl Scalar {
    /// The scalar that Rust calls `name`.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "bool" => Self::Boolean,
            "i64" => Self::Integer,
            "f64" => Self::Number,
            "String" => Self::Text,
            _ => return None,
        })
    }

    /// JSON Schema's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Text => "string",
        }
    }

    /// The value that `given` is; a number with a fraction may be written without it.
    pub(crate) fn literal(self, given: &Expr) -> Result<Literal> {
        let (negative, inner) = match given {
            Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => (true, expr.as_ref()),
            _ => (false, given),
        };
        let sign = if negative { "-" } else { "" };
        let Expr::Lit(ExprLit { lit, .. }) = inner else { return self.wrong(given) };
        let literal = match (self, lit) {
            (Self::Boolean, Lit::Bool(flag)) if !negative => Some(Literal::Boolean(flag.value)),
            (Self::Text, Lit::Str(text)) if !negative => Some(Literal::Text(text.value())),
            (Self::Integer, Lit::Int(number)) => {
                format!("{sign}{}", number.base10_digits()).parse().ok().map(Literal::Integer)
            }
            (Self::Number, Lit::Int(number)) => float(sign, number.base10_digits()),
            (Self::Number, Lit::Float(number)) => float(sign, number.base10_digits()),
            _ => None,
        };
        literal.map_or_else(|| self.wrong(given), Ok)
    }

    fn wrong<T>(self, given: &Expr) -> Result<T> {
        let wanted = match self {
            Self::Boolean => "write true or false",
            Self::Integer => "write a whole number of 64 bits",
            Self::Number => "write a number",
            Self::Text => "write a text: \"..\"",
        };
        Err(Error::new(given.span(), wanted))
    }
}

fn float(sign: &str, digits: &str) -> Option<Literal> {
    format!("{sign}{digits}").parse().ok().filter(|number: &f64| number.is_finite()).map(Literal::Number)
}

impl Literal {
    /// As JSON.
    pub(crate) fn json(&self) -> String {
        match self {
            Self::Boolean(flag) => flag.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Number(number) => format!("{number:?}"),
            Self::Text(given) => text(given),
        }
    }

    /// As an expression of Rust, a text as `&'static str`.
    pub(crate) fn borrowed(&self) -> TokenStream {
        match self {
            Self::Boolean(flag) => quote!(#flag),
            Self::Integer(number) => quote!(#number),
            Self::Number(number) => quote!(#number),
            Self::Text(text) => quote!(#text),
        }
    }

    /// As an expression of Rust, a text as `String`.
    pub(crate) fn owned(&self) -> TokenStream {
        match self {
            Self::Text(text) => quote!(::std::string::String::from(#text)),
            other => other.borrowed(),
        }
    }

    /// Whether it is a greater number than `other`.
    pub(crate) fn is_more(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integer(one), Self::Integer(other)) => one > other,
            (Self::Number(one), Self::Number(other)) => one > other,
            _ => false,
        }
    }
}

/// Values as JSON, with commas between.
pub(crate) fn joined(values: &[Literal]) -> String {
    values.iter().map(Literal::json).collect::<Vec<_>>().join(",")
}

/// A text as JSON.
pub(crate) fn text(text: &str) -> String {
    let mut json = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '\0'..='\u{1f}' => json.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => json.push(character),
        }
    }
    json.push('"');
    json
}
