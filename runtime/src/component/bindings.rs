//! What `transforms/wit/transform.wit` says, as wasmtime's bindings: arguments are borrowed, results are owned.

wasmtime::component::bindgen!({
    path: "../transforms/wit",
    world: "transform",
    ownership: Borrowing { duplicate_if_necessary: true },
});
