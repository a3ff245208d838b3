//! The `tidemill` command.

use std::process::ExitCode;

/// Fewer page faults than the system's allocator where many threads make and drop large buffers; without huge pages, which
/// hold on to memory that few bytes of are in use (a third of the whole, at the same speed).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tidemill::cli::main()
}
