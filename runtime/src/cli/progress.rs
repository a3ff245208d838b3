//! Progress of long work: a bar on a terminal, lines otherwise.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is printed where there is no terminal.
const LINE_TIME: Duration = Duration::from_secs(2);

/// Shows how far something has come, with its rate and the time that is left.
pub(super) struct Progress {
    what: &'static str,
    total: u64,
    begun: Instant,
    bar: Option<ProgressBar>,
    /// When the last line was printed, in milliseconds since the beginning.
    last_line: AtomicU64,
}

impl Progress {
    pub(super) fn new(what: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} eta {eta}";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style).with_message(what)
        });
        Self { what, total, begun: Instant::now(), bar, last_line: AtomicU64::new(0) }
    }

    /// So many of the total are done.
    pub(super) fn at(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let elapsed = self.begun.elapsed();
        let (now, last) = (elapsed.as_millis() as u64, self.last_line.load(Ordering::Relaxed));
        if now < last + LINE_TIME.as_millis() as u64 || done == 0 {
            return;
        }
        self.last_line.store(now, Ordering::Relaxed);
        let rate = done as f64 / elapsed.as_secs_f64();
        let left = self.total.saturating_sub(done) as f64 / rate;
        eprintln!("{}: {done} of {}, {rate:.0} a second, {left:.0} s left", self.what, self.total);
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
