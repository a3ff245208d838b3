//! The macros of `tidemill-sdk`, which documents them.

mod derive;
mod fields;
mod function;
mod literal;
mod parameters;

use proc_macro::TokenStream;

/// Makes a struct readable from records: each field of the struct is a field of the record.
///
/// `#[field(name = "..")]` gives the record's name where it is not the struct's; `#[field(alias = "..")]`, as often as
/// needed, gives further names, tried in order.
#[proc_macro_derive(Input, attributes(field))]
pub fn input(item: TokenStream) -> TokenStream {
    answer(syn::parse(item).and_then(derive::input))
}

/// Makes a struct a row that a transform may emit: each field of the struct is a column.
///
/// `#[field(name = "..")]` gives the column's name where it is not the struct's.
#[proc_macro_derive(Output, attributes(field))]
pub fn output(item: TokenStream) -> TokenStream {
    answer(syn::parse(item).and_then(derive::output))
}

/// Makes a struct the parameters of a transform: each field is one, its doc comment its description.
///
/// A field is a `bool`, `i64`, `f64` or `String`, or an `Option` or a `Vec` of one. `#[parameter(default = ..)]` gives the
/// value where none is given; without it, what is no `Option` has to be given. `minimum = ..`, `maximum = ..` and
/// `one_of = [..]` bound the value, of a list each item.
#[proc_macro_derive(Parameters, attributes(parameter))]
pub fn parameters(item: TokenStream) -> TokenStream {
    answer(syn::parse(item).and_then(|item| parameters::parameters(&item)))
}

/// Makes a function from an input to a `Verdict` of an output the transform of its crate. It may take a reference to
/// its parameters as a second argument.
///
/// Beside the function there are then `describe`, `configure` and `apply`, as the contract has them; a build for
/// WebAssembly exports them.
#[proc_macro_attribute]
pub fn transform(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = proc_macro2::TokenStream::from(arguments);
    answer(syn::parse(item).and_then(|function| function::transform(&arguments, function)))
}

fn answer(made: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    made.unwrap_or_else(|error| error.to_compile_error()).into()
}

#[cfg(test)]
mod tests;
