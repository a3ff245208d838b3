//! The transform of a crate, made from its function.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Error, FnArg, GenericParam, Ident, ItemFn, Result, ReturnType, Type};

/// `#[transform]`: the function as it is, what the contract asks for beside it, and the exports of a component.
pub(crate) fn transform(arguments: &TokenStream, function: ItemFn) -> Result<TokenStream> {
    check(arguments, &function)?;
    let clean = &function.sig.ident;
    let Bodies { describe, configure, apply, more } = bodies(clean, parameters(&function)?);
    Ok(quote! {
        #[inline]
        #function

        /// What the transform is: its name, version and summary, the fields that it reads and writes, its parameters.
        pub fn describe() -> ::tidemill_sdk::wit::Description {
            #describe(
                #clean,
                ::core::env!("CARGO_PKG_NAME"),
                ::core::env!("CARGO_PKG_VERSION"),
                ::core::env!("CARGO_PKG_DESCRIPTION"),
            )
        }

        /// Takes the parameters as a JSON object, `{}` where there are none.
        pub fn configure(parameters: &str) -> ::core::result::Result<(), ::std::string::String> {
            #configure
        }

        /// Cleans a batch; an error stands for a batch that is not as described.
        pub fn apply(
            batch: &::tidemill_sdk::wit::Batch,
        ) -> ::core::result::Result<::tidemill_sdk::wit::Output, ::std::string::String> {
            #apply
        }

        #more

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

/// What differs between a transform with parameters and one without.
struct Bodies {
    describe: TokenStream,
    configure: TokenStream,
    apply: TokenStream,
    more: TokenStream,
}

fn bodies(clean: &Ident, parameters: Option<&Type>) -> Bodies {
    let Some(kind) = parameters else {
        return Bodies {
            describe: quote!(::tidemill_sdk::run::describe),
            configure: quote!(::tidemill_sdk::run::configure(parameters)),
            apply: quote!(::tidemill_sdk::run::apply(#clean, batch)),
            more: TokenStream::new(),
        };
    };
    Bodies {
        describe: quote!(::tidemill_sdk::run::describe_with),
        configure: quote!(__PARAMETERS.with(|kept| kept.set(parameters))),
        apply: quote! {
            let parameters = __PARAMETERS.with(::tidemill_sdk::parameters::Configured::get)?;
            ::tidemill_sdk::run::apply(|raw| #clean(raw, &parameters), batch)
        },
        // An instance has one thread; on the host each test has its own parameters.
        more: quote! {
            ::std::thread_local! {
                static __PARAMETERS: ::tidemill_sdk::parameters::Configured<#kind> =
                    const { ::tidemill_sdk::parameters::Configured::new() };
            }
        },
    }
}

/// The type of the second argument's reference, where there is a second argument.
fn parameters(function: &ItemFn) -> Result<Option<&Type>> {
    let Some(second) = function.sig.inputs.get(1) else { return Ok(None) };
    if let FnArg::Typed(argument) = second
        && let Type::Reference(reference) = argument.ty.as_ref()
        && reference.mutability.is_none()
    {
        return Ok(Some(&reference.elem));
    }
    Err(Error::new(second.span(), "the second argument is a reference to a struct with #[derive(Parameters)]"))
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
    if inputs.len() > 2 || !matches!(inputs.first(), Some(FnArg::Typed(_))) {
        let wanted =
            "a transform takes a struct with #[derive(Input)], and a reference to its parameters if it has any";
        return Err(Error::new(inputs.span(), wanted));
    }
    if matches!(signature.output, ReturnType::Default) {
        return Err(Error::new(signature.span(), "a transform returns a Verdict of a struct with #[derive(Output)]"));
    }
    Ok(())
}
