//! What a process gives up at its start, so that a fault in it can do less; and threads that let others go first.

use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setpriority_process, setrlimit, umask,
};
use rustix::thread::set_no_new_privs;
use rustix::time::{ClockId, clock_gettime};

use crate::error::{Kind, OrFail, Result};

/// How far a thread steps back, as `nice` counts it: where others want the processor too, it gets about a fifth of what one of them gets.
const BACK: i32 = 7;

/// Files are the owner's alone from now on, no core is ever written, and no program that it starts gains rights.
///
/// For the whole process, so it has to come before the first thread.
pub fn harden() -> Result<()> {
    umask(Mode::RWXG | Mode::RWXO);
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).or_fail(Kind::Internal, || "process: no core files")?;
    set_no_new_privs(true).or_fail(Kind::Internal, || "process: no new rights")
}

/// Other processes of the same user may not look into its memory, where secrets lie.
pub fn close_memory() -> Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).or_fail(Kind::Internal, || "process: its memory")
}

/// From now on this thread lets others of the process go first, where there are fewer processors than work.
pub fn step_back() {
    // Elsewhere it would be the whole process. Where it is not allowed, all threads are alike, as they were.
    if cfg!(target_os = "linux") {
        let _ = setpriority_process(None, BACK);
    }
}

/// What the calling thread has had of processors' time since it began.
pub fn worked() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}
