//! Transforms as sandboxed WebAssembly components: all of wasmtime.
//!
//! Everything slow happens at [`Host::load`]; an [`Instance`] needs its store and nothing else.

mod bindings;
mod budget;
pub mod build;
mod check;
mod description;
mod failure;
mod host;
mod instance;
mod key;
mod lend;
pub mod limits;
mod load;
mod parts;
mod patience;
mod shape;
mod signature;
mod trust;

pub use check::Output;
pub use description::Description;
pub use failure::Failure;
pub use host::Host;
pub use instance::Instance;
pub use key::{PublicKey, SecretKey};
pub use load::{Component, digest};
pub use parts::Parts;
pub use signature::{sign, signers};
pub use trust::Trust;

#[cfg(test)]
pub(crate) mod tests;
