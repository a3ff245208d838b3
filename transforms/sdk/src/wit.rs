//! The contract's types on both sides of the boundary, made from `wit/transform.wit`.
#![allow(unsafe_code, missing_docs, reason = "written by wit-bindgen, documented in the WIT file")]

wit_bindgen::generate!({
    path: "../wit",
    world: "transform",
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "tidemill_sdk::wit",
    additional_derives: [PartialEq],
});

pub use tidemill::transform::columns::{Column, Float64ListValues, TextListValues, TextValues, Values};
