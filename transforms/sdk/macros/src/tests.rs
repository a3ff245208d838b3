//! What the macros refuse, and the words that they refuse it with.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse2;

use crate::{derive, function};

fn check_input(item: TokenStream, fault: &str) {
    assert_eq!(parse2(item).and_then(derive::input).unwrap_err().to_string(), fault);
}

fn check_output(item: TokenStream, fault: &str) {
    assert_eq!(parse2(item).and_then(derive::output).unwrap_err().to_string(), fault);
}

fn check_function(arguments: &TokenStream, item: TokenStream, fault: &str) {
    let made = parse2(item).and_then(|function| function::transform(arguments, function));
    assert_eq!(made.unwrap_err().to_string(), fault);
}

#[test]
fn rows_are_structs_with_named_fields() {
    check_input(
        quote!(
            enum Raw {
                A,
            }
        ),
        "only a struct with named fields can be a row",
    );
    check_input(
        quote!(
            struct Raw(i64);
        ),
        "the fields need names, as the columns do",
    );
    check_input(
        quote!(
            struct Raw {}
        ),
        "a row needs at least one field",
    );
    check_input(
        quote!(
            struct Raw<T> {
                a: T,
            }
        ),
        "a row has one lifetime at most, and no other parameters",
    );
    check_output(
        quote!(
            struct Row<'a, 'b> {
                a: &'a &'b str,
            }
        ),
        "a row has one lifetime at most, and no other parameters",
    );
}

#[test]
fn names() {
    check_input(
        quote!(
            struct Raw {
                a: i64,
                #[field(alias = "a")]
                b: i64,
            }
        ),
        r#"another field is called "a" too"#,
    );
    check_input(
        quote!(
            struct Raw {
                #[field(name = "")]
                a: i64,
            }
        ),
        "a field needs a name",
    );
    check_input(
        quote!(
            struct Raw {
                #[field(name = "@ofset")]
                a: i64,
            }
        ),
        "the parts of a record are @value, @key, @headers, @time, @partition and @offset",
    );
    check_input(
        quote!(
            struct Raw {
                #[field(rename = "b")]
                a: i64,
            }
        ),
        r#"a field may have a name = ".." or an alias = "..""#,
    );
    check_output(
        quote!(
            struct Row {
                #[field(name = "@time")]
                a: i64,
            }
        ),
        "a column's name does not begin with @",
    );
    check_output(
        quote!(
            struct Row {
                #[field(alias = "b")]
                a: i64,
            }
        ),
        "a column has one name: an alias is for an input",
    );
}

#[test]
fn functions() {
    let none = TokenStream::new();
    check_function(
        &quote!(x),
        quote!(
            fn f(raw: Raw) -> Verdict<Row> {}
        ),
        "#[transform] takes no arguments",
    );
    check_function(
        &none,
        quote!(
            async fn f(raw: Raw) -> Verdict<Row> {}
        ),
        "a transform is a plain function: it waits for nothing",
    );
    check_function(
        &none,
        quote!(
            fn f<T>(raw: T) -> Verdict<Row> {}
        ),
        "a transform has lifetimes, but no other parameters",
    );
    check_function(
        &none,
        quote!(
            fn f(a: Raw, b: Raw) -> Verdict<Row> {}
        ),
        "a transform takes one struct with #[derive(Input)]",
    );
    check_function(
        &none,
        quote!(
            fn f(raw: Raw) {}
        ),
        "a transform returns a Verdict of a struct with #[derive(Output)]",
    );
}

#[test]
fn what_is_right_is_taken() {
    let item = quote!(
        struct Raw<'a> {
            #[field(name = "@key", alias = "k", alias = "id")]
            r#type: &'a [u8],
        }
    );
    assert!(parse2(item).and_then(derive::input).is_ok());
    assert!(
        parse2(quote!(
            struct Row {
                a: i64,
            }
        ))
        .and_then(derive::output)
        .is_ok()
    );
    let item = quote!(
        fn f<'a>(raw: Raw<'a>) -> Verdict<Row<'a>> {}
    );
    assert!(parse2(item).and_then(|function| function::transform(&TokenStream::new(), function)).is_ok());
}
