//! The transform of a crate, made from its function.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Error, FnArg, GenericParam, ItemFn, Result, ReturnType};

/// `#[transform]`: the function as it is, what the contract asks for beside it, and the exports of a component.
pub(crate) fn transform(arguments: &TokenStream, function: ItemFn) -> Result<TokenStream> {
    check(arguments, &function)?;
    let clean = &function.sig.ident;
    Ok(quote! {
        #[inline]
        #function

        /// What the transform is: its name, version and summary, and the fields that it reads and writes.
        pub fn describe() -> ::tidemill_sdk::wit::Description {
            ::tidemill_sdk::run::describe(
                #clean,
                ::core::env!("CARGO_PKG_NAME"),
                ::core::env!("CARGO_PKG_VERSION"),
                ::core::env!("CARGO_PKG_DESCRIPTION"),
            )
        }

        /// Takes the parameters as a JSON object; there are none, so it is `{}`.
        pub fn configure(parameters: &str) -> ::core::result::Result<(), ::std::string::String> {
            ::tidemill_sdk::run::configure(parameters)
        }

        /// Cleans a batch; an error stands for a batch that is not as described.
        pub fn apply(
            batch: &::tidemill_sdk::wit::Batch,
        ) -> ::core::result::Result<::tidemill_sdk::wit::Output, ::std::string::String> {
            ::tidemill_sdk::run::apply(#clean, batch)
        }

        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "the exports of a component are")]
        const _: () = {
            struct Component;

            impl ::tidemill_sdk::wit::Guest for Component {
                fn describe() -> ::tidemill_sdk::wit::Description {
                    describe()
                }

                fn configure(parameters: ::std::string::String) -> ::core::result::Result<(), ::std::string::String> {
                    configure(&parameters)
                }

                fn apply(
                    input: ::tidemill_sdk::wit::Batch,
                ) -> ::core::result::Result<::tidemill_sdk::wit::Output, ::std::string::String> {
                    apply(&input)
                }
            }

            ::tidemill_sdk::wit::export!(Component with_types_in ::tidemill_sdk::wit);
        };
    })
}

fn check(arguments: &TokenStream, function: &ItemFn) -> Result<()> {
    if !arguments.is_empty() {
        return Err(Error::new(arguments.span(), "#[transform] takes no arguments"));
    }
    let signature = &function.sig;
    if let Some(keyword) = &signature.asyncness {
        return Err(Error::new(keyword.span(), "a transform is a plain function: it waits for nothing"));
    }
    let lifetimes_only = signature.generics.params.iter().all(|one| matches!(one, GenericParam::Lifetime(_)));
    if !lifetimes_only {
        return Err(Error::new(signature.generics.span(), "a transform has lifetimes, but no other parameters"));
    }
    let inputs = &signature.inputs;
    if inputs.len() != 1 || !matches!(inputs.first(), Some(FnArg::Typed(_))) {
        return Err(Error::new(inputs.span(), "a transform takes one struct with #[derive(Input)]"));
    }
    if matches!(signature.output, ReturnType::Default) {
        return Err(Error::new(signature.span(), "a transform returns a Verdict of a struct with #[derive(Output)]"));
    }
    Ok(())
}
