//! What the macros refuse, and the words that they refuse it with.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse2;

use crate::{derive, function, parameters};

fn check_input(item: TokenStream, fault: &str) {
    assert_eq!(parse2(item).and_then(derive::input).unwrap_err().to_string(), fault);
}

fn check_output(item: TokenStream, fault: &str) {
    assert_eq!(parse2(item).and_then(derive::output).unwrap_err().to_string(), fault);
}

fn check_parameters(item: TokenStream, fault: &str) {
    let made = parse2(item).and_then(|item| parameters::parameters(&item));
    assert_eq!(made.unwrap_err().to_string(), fault);
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
            fn f(a: Raw, b: &Settings, c: &Settings) -> Verdict<Row> {}
        ),
        "a transform takes a struct with #[derive(Input)], and a reference to its parameters if it has any",
    );
    for second in [quote!(b: Settings), quote!(b: &mut Settings)] {
        check_function(
            &none,
            quote!(fn f(a: Raw, #second) -> Verdict<Row> {}),
            "the second argument is a reference to a struct with #[derive(Parameters)]",
        );
    }
    check_function(
        &none,
        quote!(
            fn f(raw: Raw) {}
        ),
        "a transform returns a Verdict of a struct with #[derive(Output)]",
    );
}

#[test]
fn parameters_are_of_a_few_types() {
    let types = "a parameter is a bool, i64, f64 or String, or an Option or a Vec of one of them";
    for kind in [quote!(u8), quote!(&'static str), quote!(Option<Vec<String>>), quote!(Vec<u8>), quote!((i64, i64))] {
        check_parameters(quote!(struct Settings { a: #kind }), types);
    }
    check_parameters(
        quote!(
            struct Settings(i64);
        ),
        "the fields need names, as the parameters do",
    );
    check_parameters(
        quote!(
            enum Settings {
                A,
            }
        ),
        "only a struct with named fields can hold parameters",
    );
    check_parameters(
        quote!(
            struct Settings<'a> {
                a: &'a str,
            }
        ),
        "parameters own what they hold: no lifetimes, no other generics",
    );
}

#[test]
fn what_a_parameter_may_be() {
    let check = |attribute: TokenStream, kind: TokenStream, fault: &str| {
        check_parameters(quote!(struct Settings { #[parameter(#attribute)] a: #kind }), fault);
    };
    let known = "a parameter may have a default, a minimum, a maximum and one_of = [..]";
    check(quote!(least = 1), quote!(i64), known);
    check(quote!(minimum = 1), quote!(String), "only numbers have bounds");
    check(quote!(maximum = 1), quote!(Option<bool>), "only numbers have bounds");
    check(quote!(default = 1), quote!(Option<i64>), "an Option is None where nothing is given: it has no default");
    check(quote!(default = 1.5), quote!(i64), "write a whole number of 64 bits");
    check(quote!(default = 9223372036854775808), quote!(i64), "write a whole number of 64 bits");
    check(quote!(default = 1e999), quote!(f64), "write a number");
    check(quote!(default = 'a'), quote!(String), r#"write a text: "..""#);
    check(quote!(default = 1), quote!(bool), "write true or false");
    check(quote!(default = "a"), quote!(Vec<String>), "write a list: [.., ..]");
    check(quote!(default = ["a", 1]), quote!(Vec<String>), r#"write a text: "..""#);
    check(quote!(minimum = 2, maximum = 1), quote!(i64), "the minimum is more than the maximum");
    check(quote!(default = 0, minimum = 1), quote!(f64), "the default is out of its own bounds");
    check(quote!(default = [1, 3], maximum = 2), quote!(Vec<i64>), "the default is out of its own bounds");
    check(quote!(default = "c", one_of = ["a", "b"]), quote!(String), "the default is not in one_of");
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
    let item = quote!(
        fn f(raw: Raw, settings: &Settings) -> Verdict<Row> {}
    );
    assert!(parse2(item).and_then(|function| function::transform(&TokenStream::new(), function)).is_ok());
}

#[test]
fn texts_as_json() {
    let text = |text: &str| crate::literal::text(text);
    assert_eq!(text("say \"no\"\n\\ü"), r#""say \"no\"\u000a\\ü""#);
}
