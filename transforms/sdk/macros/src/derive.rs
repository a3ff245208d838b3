//! The derived traits of inputs and outputs.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Index, Lifetime, Result};

use crate::fields::{Field, Way, fields, lifetime};

/// `#[derive(Input)]`: a tuple of column readers, and a row made from one value of each.
pub(crate) fn input(item: DeriveInput) -> Result<TokenStream> {
    let fields = fields(&item, Way::Input)?;
    let ident = &item.ident;
    let (_, generics, bounds) = item.generics.split_for_impl();
    let batch = lifetime(&item)?.cloned().unwrap_or_else(|| Lifetime::new("'batch", ident.span()));
    let described = described(&fields, &quote!(::tidemill_sdk::InputField<#batch>));
    let count = fields.len();
    let kinds: Vec<_> = fields.iter().map(|field| &field.kind).collect();
    let idents = fields.iter().map(|field| &field.ident);
    let names = fields.iter().map(|field| &field.name);
    let places = (0..count).map(Index::from);
    Ok(quote! {
        #[automatically_derived]
        impl<#batch> ::tidemill_sdk::Input<#batch> for #ident #generics #bounds {
            type Columns = (#(<#kinds as ::tidemill_sdk::InputField<#batch>>::Reader,)*);

            fn fields() -> ::std::vec::Vec<::tidemill_sdk::wit::Field> {
                ::std::vec![#(#described),*]
            }

            fn open(batch: &#batch ::tidemill_sdk::wit::Batch) -> ::core::result::Result<Self::Columns, ::std::string::String> {
                let mut columns = ::tidemill_sdk::Columns::new(batch, #count)?;
                ::core::result::Result::Ok((#(columns.next::<#kinds>(#names)?,)*))
            }

            #[inline(always)]
            fn read(columns: &Self::Columns, row: usize) -> Self {
                Self { #(#idents: <#kinds as ::tidemill_sdk::InputField<#batch>>::read(&columns.#places, row)),* }
            }
        }
    })
}

/// `#[derive(Output)]`: a tuple of column builders, and a row written to each of them.
pub(crate) fn output(item: DeriveInput) -> Result<TokenStream> {
    let fields = fields(&item, Way::Output)?;
    lifetime(&item)?;
    let ident = &item.ident;
    let (parameters, generics, bounds) = item.generics.split_for_impl();
    let described = described(&fields, &quote!(::tidemill_sdk::OutputField));
    let kinds: Vec<_> = fields.iter().map(|field| &field.kind).collect();
    let idents = fields.iter().map(|field| &field.ident);
    let names = fields.iter().map(|field| &field.name);
    let places: Vec<_> = (0..fields.len()).map(Index::from).collect();
    Ok(quote! {
        #[automatically_derived]
        impl #parameters ::tidemill_sdk::Output for #ident #generics #bounds {
            type Builders<'__input> = (#(<#kinds as ::tidemill_sdk::OutputField>::Builder<'__input>,)*);

            fn fields() -> ::std::vec::Vec<::tidemill_sdk::wit::Field> {
                ::std::vec![#(#described),*]
            }

            fn builders(rows: usize, input: &[::tidemill_sdk::wit::Column]) -> Self::Builders<'_> {
                (#(<#kinds as ::tidemill_sdk::OutputField>::builder(rows, input),)*)
            }

            #[inline(always)]
            fn write(self, builders: &mut Self::Builders<'_>) {
                #(<#kinds as ::tidemill_sdk::OutputField>::write(self.#idents, &mut builders.#places);)*
            }

            fn finish(
                builders: Self::Builders<'_>,
            ) -> ::core::result::Result<::std::vec::Vec<::tidemill_sdk::wit::Column>, ::std::string::String> {
                ::core::result::Result::Ok(::std::vec![
                    #(::tidemill_sdk::finish::<#kinds>(builders.#places, #names)?),*
                ])
            }
        }
    })
}

/// The fields as the contract describes them; `kind` is the trait that knows a field's type.
fn described(fields: &[Field], kind: &TokenStream) -> Vec<TokenStream> {
    let describe = |field: &Field| {
        let Field { kind: own, name, aliases, .. } = field;
        quote! {
            ::tidemill_sdk::wit::Field {
                name: ::std::string::String::from(#name),
                aliases: ::std::vec![#(::std::string::String::from(#aliases)),*],
                type_: <#own as #kind>::TYPE,
                nullable: <#own as #kind>::NULLABLE,
            }
        }
    };
    fields.iter().map(describe).collect()
}
