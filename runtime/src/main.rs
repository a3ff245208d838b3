//! The `tidemill` command.

use std::process::ExitCode;

/// Fewer page faults than the system's allocator where many threads make and drop large buffers.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tidemill::cli::main()
}
