//! What a process gives up and takes at its start, and threads that let others go first.

use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, nice, set_dumpable_behavior, setrlimit, umask};
use rustix::thread::set_no_new_privs;
use rustix::time::{ClockId, clock_gettime};

use crate::error::{Kind, OrFail, Result};

/// The clock that nobody sets.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;
/// How far a thread steps back, as `nice` counts it: where others want the processor too, it gets about a fifth of what one of them gets.
const BACK: i32 = 7;
/// Work may take so many times its time by the clock, where its thread had to wait for a processor.
const WAITS: u32 = 8;

/// Files are the owner's alone from now on, no core is ever written, and no program that it starts gains rights.
///
/// For the whole process, so it has to come before the first thread.
pub fn harden() -> Result<()> {
    umask(Mode::RWXG | Mode::RWXO);
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).or_fail(Kind::Internal, || "process: no core files")?;
    set_no_new_privs(true).or_fail(Kind::Internal, || "process: no new rights")
}

/// As many files and connections may be open from now on as the system ever lets it have; how many those are.
pub fn open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // Where the system takes less than it says, what it was stays.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    raised.map_or(limit.current, |()| limit.maximum).unwrap_or(u64::MAX)
}

/// Other processes of the same user may not look into its memory, where secrets lie.
pub fn close_memory() -> Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).or_fail(Kind::Internal, || "process: its memory")
}

/// From now on this thread lets others of the process go first, where there are fewer processors than work.
pub fn step_back() {
    // Elsewhere it would be the whole process. Where it is not allowed, all threads are alike, as they were.
    if cfg!(target_os = "linux") {
        let _ = nice(BACK);
    }
}

/// Work that the calling thread has begun, whose time is the thread's own on a processor.
#[derive(Clone, Copy, Debug)]
pub struct Stint {
    at: Instant,
    worked: Duration,
}

impl Stint {
    /// Begins one now.
    pub fn begin() -> Self {
        Self { at: Instant::now(), worked: worked() }
    }

    /// What is left of so much time; asked by the same thread. Others that keep it from a processor do not make it late. None where
    /// the time is used up, and where it is over several times by the clock.
    pub fn left_of(&self, time: Duration) -> Option<Duration> {
        let left = time.checked_sub(worked().saturating_sub(self.worked)).filter(|left| !left.is_zero());
        left.filter(|_| self.at.elapsed() < time.saturating_mul(WAITS))
    }
}

/// How much time has passed since the machine began, asleep or awake, whatever its wall clock shows.
pub fn passed() -> Duration {
    clock_gettime(CLOCK).try_into().unwrap_or_default()
}

/// What the calling thread has had of processors' time since it began.
fn worked() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps a processor busy for so long.
    fn work(time: Duration) {
        let begun = worked();
        while worked().saturating_sub(begun) < time {}
    }

    #[test]
    fn who_waits_for_a_processor_is_not_late_at_once() {
        let stint = Stint::begin();
        // Another thread works meanwhile, and this one waits for it.
        std::thread::spawn(|| work(Duration::from_millis(45))).join().unwrap();
        assert!(stint.left_of(Duration::from_millis(5)).is_none(), "more than eight times as much is over");
        assert!(stint.left_of(Duration::from_secs(5)).unwrap() > Duration::from_millis(4_970));
        work(Duration::from_millis(20));
        assert!(stint.left_of(Duration::from_millis(20)).is_none());
    }
}
