//! Transforms as sandboxed WebAssembly components: all of wasmtime.

pub mod limits;
