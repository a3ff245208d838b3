//! The parameters of a transform: a struct with its JSON Schema, read from a JSON object.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Expr, Fields, Ident, Result, Type};

use crate::literal::{Literal, Scalar, joined, text};

const TYPES: &str = "a parameter is a bool, i64, f64 or String, or an Option or a Vec of one of them";

/// How many values a parameter holds.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    One,
    Optional,
    List,
}

/// One field of the struct.
struct Parameter {
    ident: Ident,
    kind: Type,
    name: String,
    about: String,
    scalar: Scalar,
    shape: Shape,
    allowed: Allowed,
}

/// What stands in its `#[parameter(..)]`.
#[derive(Default)]
struct Allowed {
    default: Option<Vec<Literal>>,
    minimum: Option<Literal>,
    maximum: Option<Literal>,
    one_of: Vec<Literal>,
}

/// `#[derive(Parameters)]`: the schema as a text that is made here, and a reader of each field.
pub(crate) fn parameters(item: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &item.data else {
        return Err(Error::new(item.ident.span(), "only a struct with named fields can hold parameters"));
    };
    let Fields::Named(named) = &data.fields else {
        return Err(Error::new(item.ident.span(), "the fields need names, as the parameters do"));
    };
    if !item.generics.params.is_empty() {
        return Err(Error::new(item.generics.span(), "parameters own what they hold: no lifetimes, no other generics"));
    }
    let parameters = named.named.iter().map(parameter).collect::<Result<Vec<_>>>()?;
    let ident = &item.ident;
    let schema = schema(&about(&item.attrs), &parameters);
    let names = parameters.iter().map(|parameter| &parameter.name);
    let fields = parameters.iter().map(read);
    Ok(quote! {
        #[automatically_derived]
        impl ::tidemill_sdk::Parameters for #ident {
            const SCHEMA: &'static str = #schema;

            fn from_json(given: &str) -> ::core::result::Result<Self, ::std::string::String> {
                let given = ::tidemill_sdk::parameters::Given::parse(given, &[#(#names),*])?;
                ::core::result::Result::Ok(Self { #(#fields),* })
            }
        }
    })
}

fn parameter(source: &syn::Field) -> Result<Parameter> {
    let ident = source.ident.clone().ok_or_else(|| Error::new(source.span(), "the field needs a name"))?;
    let (shape, scalar) = shape(&source.ty).ok_or_else(|| Error::new(source.ty.span(), TYPES))?;
    let allowed = allowed(&source.attrs, shape, scalar)?;
    let parameter = Parameter {
        name: ident.unraw().to_string(),
        ident,
        kind: source.ty.clone(),
        about: about(&source.attrs),
        scalar,
        shape,
        allowed,
    };
    check(source, &parameter)?;
    Ok(parameter)
}

/// What a type holds, by how it is written.
fn shape(kind: &Type) -> Option<(Shape, Scalar)> {
    let Type::Path(path) = kind else { return None };
    let last = path.path.segments.last()?;
    if let Some(scalar) = Scalar::of(&last.ident.to_string()) {
        return Some((Shape::One, scalar));
    }
    let shape = match last.ident.to_string().as_str() {
        "Option" => Shape::Optional,
        "Vec" => Shape::List,
        _ => return None,
    };
    let syn::PathArguments::AngleBracketed(inner) = &last.arguments else { return None };
    match inner.args.first()? {
        syn::GenericArgument::Type(Type::Path(inner)) => {
            Some((shape, Scalar::of(&inner.path.segments.last()?.ident.to_string())?))
        }
        _ => None,
    }
}

fn allowed(attributes: &[Attribute], shape: Shape, scalar: Scalar) -> Result<Allowed> {
    let mut allowed = Allowed::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("parameter")) {
        attribute.parse_nested_meta(|meta| {
            let number = matches!(scalar, Scalar::Integer | Scalar::Number);
            if meta.path.is_ident("default") {
                let given = meta.value()?.parse()?;
                allowed.default = Some(match shape {
                    Shape::One => vec![scalar.literal(&given)?],
                    Shape::List => list(&given, scalar)?,
                    Shape::Optional => {
                        return Err(meta.error("an Option is None where nothing is given: it has no default"));
                    }
                });
            } else if meta.path.is_ident("minimum") && number {
                allowed.minimum = Some(scalar.literal(&meta.value()?.parse()?)?);
            } else if meta.path.is_ident("maximum") && number {
                allowed.maximum = Some(scalar.literal(&meta.value()?.parse()?)?);
            } else if meta.path.is_ident("minimum") || meta.path.is_ident("maximum") {
                return Err(meta.error("only numbers have bounds"));
            } else if meta.path.is_ident("one_of") {
                allowed.one_of = list(&meta.value()?.parse()?, scalar)?;
            } else {
                return Err(meta.error("a parameter may have a default, a minimum, a maximum and one_of = [..]"));
            }
            Ok(())
        })?;
    }
    Ok(allowed)
}

fn list(given: &Expr, scalar: Scalar) -> Result<Vec<Literal>> {
    let Expr::Array(items) = given else { return Err(Error::new(given.span(), "write a list: [.., ..]")) };
    items.elems.iter().map(|item| scalar.literal(item)).collect()
}

/// A default has to be among what is allowed, and something has to be.
fn check(source: &syn::Field, Parameter { allowed, .. }: &Parameter) -> Result<()> {
    let wrong = |what: &str| Err(Error::new(source.span(), what));
    let (low, high) = (allowed.minimum.as_ref(), allowed.maximum.as_ref());
    if low.zip(high).is_some_and(|(low, high)| low.is_more(high)) {
        return wrong("the minimum is more than the maximum");
    }
    for default in allowed.default.iter().flatten() {
        if low.is_some_and(|low| low.is_more(default)) || high.is_some_and(|high| default.is_more(high)) {
            return wrong("the default is out of its own bounds");
        }
        if !allowed.one_of.is_empty() && !allowed.one_of.contains(default) {
            return wrong("the default is not in one_of");
        }
    }
    Ok(())
}

/// The doc comment as one line.
fn about(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        let syn::Meta::NameValue(doc) = &attribute.meta else { continue };
        if let Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(line), .. }) = &doc.value {
            lines.push(line.value().trim().to_owned());
        }
    }
    lines.retain(|line| !line.is_empty());
    lines.join(" ")
}

/// The JSON Schema of all parameters.
fn schema(about: &str, parameters: &[Parameter]) -> String {
    let is_required =
        |parameter: &&Parameter| parameter.allowed.default.is_none() && parameter.shape != Shape::Optional;
    let properties: Vec<_> = parameters.iter().map(property).collect();
    let required: Vec<_> = parameters.iter().filter(is_required).map(|parameter| text(&parameter.name)).collect();
    let mut parts = vec![r#""type":"object""#.to_owned()];
    if !about.is_empty() {
        parts.push(format!(r#""description":{}"#, text(about)));
    }
    parts.push(format!(r#""properties":{{{}}}"#, properties.join(",")));
    parts.push(format!(r#""required":[{}]"#, required.join(",")));
    parts.push(r#""additionalProperties":false"#.to_owned());
    format!("{{{}}}", parts.join(","))
}

fn property(Parameter { name, about, scalar, shape, allowed, .. }: &Parameter) -> String {
    let mut one = vec![format!(r#""type":{}"#, text(scalar.word()))];
    one.extend(allowed.minimum.iter().map(|least| format!(r#""minimum":{}"#, least.json())));
    one.extend(allowed.maximum.iter().map(|most| format!(r#""maximum":{}"#, most.json())));
    if !allowed.one_of.is_empty() {
        one.push(format!(r#""enum":[{}]"#, joined(&allowed.one_of)));
    }
    let mut parts = match shape {
        Shape::List => vec![r#""type":"array""#.to_owned(), format!(r#""items":{{{}}}"#, one.join(","))],
        Shape::One | Shape::Optional => one,
    };
    if !about.is_empty() {
        parts.push(format!(r#""description":{}"#, text(about)));
    }
    parts.extend(allowed.default.iter().map(|default| match shape {
        Shape::List => format!(r#""default":[{}]"#, joined(default)),
        Shape::One | Shape::Optional => format!(r#""default":{}"#, joined(default)),
    }));
    format!("{}:{{{}}}", text(name), parts.join(","))
}

/// The field as it is read.
fn read(Parameter { ident, kind, name, shape, allowed, .. }: &Parameter) -> TokenStream {
    let some = |literal: &Option<Literal>| match literal {
        Some(literal) => {
            let value = literal.borrowed();
            quote!(::core::option::Option::Some(#value))
        }
        None => quote!(::core::option::Option::None),
    };
    let (minimum, maximum) = (some(&allowed.minimum), some(&allowed.maximum));
    let one_of = allowed.one_of.iter().map(Literal::borrowed);
    let owned = allowed.default.iter().flatten().map(Literal::owned);
    let default = match (shape, &allowed.default) {
        (Shape::Optional, _) => quote!(::core::option::Option::Some(::core::option::Option::None)),
        (_, None) => quote!(::core::option::Option::None),
        (Shape::One, Some(_)) => quote!(::core::option::Option::Some(#(#owned)*)),
        (Shape::List, Some(_)) => quote!(::core::option::Option::Some(::std::vec![#(#owned),*])),
    };
    quote! {
        #ident: given.get::<#kind>(#name, #default, &::tidemill_sdk::parameters::Allowed {
            minimum: #minimum,
            maximum: #maximum,
            one_of: &[#(#one_of),*],
        })?
    }
}
