//! The fields of a struct with the names that records have for them.

use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Fields, GenericParam, Ident, Lifetime, LitStr, Result, Type};

/// One field of a struct.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) kind: Type,
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
}

/// Which way the struct is used; it decides which names are allowed.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Way {
    Input,
    Output,
}

const PARTS: [&str; 6] = ["@value", "@key", "@headers", "@time", "@partition", "@offset"];

/// The fields of a struct, in its order.
pub(crate) fn fields(item: &DeriveInput, way: Way) -> Result<Vec<Field>> {
    let Data::Struct(data) = &item.data else {
        return Err(Error::new(item.ident.span(), "only a struct with named fields can be a row"));
    };
    let Fields::Named(named) = &data.fields else {
        return Err(Error::new(item.ident.span(), "the fields need names, as the columns do"));
    };
    let mut found: Vec<Field> = Vec::new();
    for source in &named.named {
        let field = field(source, way)?;
        let names = || std::iter::once(&field.name).chain(&field.aliases);
        let taken = |name: &&String| found.iter().any(|other| other.name == **name || other.aliases.contains(*name));
        if let Some(name) = names().find(taken) {
            return Err(Error::new(source.span(), format!("another field is called {name:?} too")));
        }
        found.push(field);
    }
    if found.is_empty() {
        return Err(Error::new(item.ident.span(), "a row needs at least one field"));
    }
    Ok(found)
}

fn field(source: &syn::Field, way: Way) -> Result<Field> {
    let ident = source.ident.clone().ok_or_else(|| Error::new(source.span(), "the field needs a name"))?;
    let mut field = Field { name: ident.unraw().to_string(), ident, kind: source.ty.clone(), aliases: Vec::new() };
    for attribute in source.attrs.iter().filter(|attribute| attribute.path().is_ident("field")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                field.name = name(&meta.value()?.parse()?, way)?;
            } else if meta.path.is_ident("alias") && way == Way::Input {
                field.aliases.push(name(&meta.value()?.parse()?, way)?);
            } else if meta.path.is_ident("alias") {
                return Err(meta.error("a column has one name: an alias is for an input"));
            } else {
                return Err(meta.error("a field may have a name = \"..\" or an alias = \"..\""));
            }
            Ok(())
        })?;
    }
    Ok(field)
}

fn name(given: &LitStr, way: Way) -> Result<String> {
    let name = given.value();
    let fault = match (name.starts_with('@'), way) {
        _ if name.is_empty() => "a field needs a name",
        (true, Way::Output) => "a column's name does not begin with @",
        (true, Way::Input) if !PARTS.contains(&name.as_str()) => {
            "the parts of a record are @value, @key, @headers, @time, @partition and @offset"
        }
        _ => return Ok(name),
    };
    Err(Error::new(given.span(), fault))
}

/// The struct's lifetime, if it has one; it may have no other parameters.
pub(crate) fn lifetime(item: &DeriveInput) -> Result<Option<&Lifetime>> {
    let mut lifetime = None;
    for parameter in &item.generics.params {
        match parameter {
            GenericParam::Lifetime(found) if lifetime.is_none() => lifetime = Some(&found.lifetime),
            _ => return Err(Error::new(parameter.span(), "a row has one lifetime at most, and no other parameters")),
        }
    }
    Ok(lifetime)
}
