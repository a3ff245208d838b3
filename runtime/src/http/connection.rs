//! A connection and its clock: whose turn it is, since when, how long that may last.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, Sleep};

use crate::config::plan::ListenLimits;

/// A timer that is so late has not been looked at for as long.
const STALL: Duration = Duration::from_millis(100);

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its head comes.
    Head,
    /// Its body comes.
    Body,
    /// It is worked on.
    Work,
    /// Its body comes while its answer goes.
    Stream,
    /// Its answer goes, or has gone; nothing of the next request has come.
    Answer,
}

/// A connection as others see it.
#[derive(Debug)]
pub(super) struct Line {
    turn: Mutex<(Phase, Instant)>,
    closing: Notify,
    ending: watch::Sender<bool>,
}

/// A body that comes while its answer goes; dropped, the answer has gone.
pub(super) struct Streaming(Arc<Line>);

impl Line {
    /// One that was just opened.
    pub(super) fn new() -> Self {
        Self {
            turn: Mutex::new((Phase::Head, Instant::now())),
            closing: Notify::new(),
            ending: watch::Sender::new(false),
        }
    }

    /// From now on a request's head is waited for.
    pub(super) fn head(&self) {
        self.enter(Phase::Head);
    }

    /// A request's head is there.
    pub(super) fn work(&self) {
        self.enter(Phase::Work);
    }

    /// What is read from now on has a time of its own: a body, or a handshake.
    pub(super) fn body(&self) {
        self.enter(Phase::Body);
    }

    /// Its answer is ready, or begins.
    pub(super) fn answer(&self) {
        if self.turn().0 != Phase::Stream {
            self.enter(Phase::Answer);
        }
    }

    /// Its body comes while its answer goes, which keeps times of its own.
    pub(super) fn stream(self: &Arc<Self>) -> Streaming {
        self.enter(Phase::Stream);
        Streaming(Arc::clone(self))
    }

    /// Asks what may go on for long to come to its end, for the listener ends.
    pub(super) fn end(&self) {
        self.ending.send_replace(true);
    }

    /// Returns when the listener ends.
    pub(super) async fn ended(&self) {
        let _ = self.ending.subscribe().wait_for(|end| *end).await;
    }

    /// Since when it waits for its client; none while it is the server's turn.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let (phase, since) = self.turn();
        (phase != Phase::Work).then_some(since)
    }

    /// Asks for its end.
    pub(super) fn close(&self) {
        self.closing.notify_one();
    }

    /// Returns when its end was asked for, unless its client has done its part meanwhile.
    pub(super) async fn closed(&self) {
        loop {
            self.closing.notified().await;
            if self.waiting_since().is_some() {
                return;
            }
        }
    }

    /// Bytes have come.
    fn received(&self) {
        match self.turn().0 {
            Phase::Answer => self.head(),
            phase @ (Phase::Body | Phase::Stream) => self.enter(phase),
            Phase::Head | Phase::Work => {}
        }
    }

    /// Bytes of an answer were taken.
    fn taken(&self) {
        if self.turn().0 == Phase::Answer {
            self.enter(Phase::Answer);
        }
    }

    /// Returns when the client is too late with what it has to send. A body has a time of its own.
    pub(super) async fn overdue(&self, limits: &ListenLimits) {
        let look_time = limits.head_time_max.min(limits.idle_time_max);
        loop {
            let at = self.too_late(limits);
            tokio::time::sleep_until(at.unwrap_or_else(|| Instant::now() + look_time)).await;
            if at.is_some_and(stalled) {
                tokio::time::sleep(STALL).await;
            }
            if self.too_late(limits).is_some_and(|at| at <= Instant::now()) {
                return;
            }
        }
    }

    fn too_late(&self, limits: &ListenLimits) -> Option<Instant> {
        match self.turn() {
            (Phase::Answer, since) => Some(since + limits.idle_time_max),
            (Phase::Head, since) => Some(since + limits.head_time_max),
            (Phase::Body | Phase::Work | Phase::Stream, _) => None,
        }
    }

    fn turn(&self) -> (Phase, Instant) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = (phase, Instant::now());
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.enter(Phase::Answer);
    }
}

/// A stream that keeps its line's clock, and fails when its client takes nothing of what is written.
pub(super) struct Timed<'a, S> {
    stream: S,
    line: &'a Line,
    limits: &'a ListenLimits,
    alarm: Alarm,
    /// Since when the client takes nothing of what is written.
    stalled: Option<Instant>,
}

impl<'a, S> Timed<'a, S> {
    /// That stream, on that line.
    pub(super) fn new(stream: S, line: &'a Line, limits: &'a ListenLimits) -> Self {
        Self { stream, line, limits, alarm: Alarm(None), stalled: None }
    }

    /// What came of an attempt to write: too long without progress is an error.
    fn written<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            self.line.taken();
            return polled;
        }
        let since = *self.stalled.get_or_insert_with(Instant::now);
        self.alarm.poll(since + self.limits.answer_pause_max, cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<'_, S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, into);
        if into.filled().len() > before {
            self.line.received();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(polled, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.written(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.written(polled, cx)
    }
}

/// A timer that is set anew only where its time has changed.
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    fn poll(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}

/// Whether a time is long past although it was waited for: then the process has stood still, and what came meanwhile has
/// not been seen yet. It is given a moment.
fn stalled(at: Instant) -> bool {
    at.elapsed() >= STALL
}

/// Runs a future for so long; none where it took longer.
pub(super) async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    by(Instant::now() + time, future).await
}

/// Runs a future until then; none where it took longer.
pub(super) async fn by<T>(at: Instant, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match tokio::time::timeout_at(at, future.as_mut()).await {
        Err(_) if stalled(at) => tokio::time::timeout(STALL, future).await.ok(),
        ended => ended.ok(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(3_600);

    /// Limits of which none is ever reached.
    fn no_limits() -> ListenLimits {
        ListenLimits { head_time_max: LONG, idle_time_max: LONG, answer_pause_max: LONG, ..ListenLimits::default() }
    }

    #[tokio::test]
    async fn a_head_and_a_pause_have_times_of_their_own() {
        let (begun, line) = (Instant::now(), Line::new());
        line.overdue(&ListenLimits { head_time_max: SHORT, ..no_limits() }).await;
        line.work();
        line.answer();
        line.overdue(&ListenLimits { idle_time_max: SHORT, ..no_limits() }).await;
        assert!(begun.elapsed() >= 2 * SHORT);
        let limits = ListenLimits { head_time_max: SHORT, idle_time_max: SHORT, ..no_limits() };
        for (turn, what) in [(Line::work as fn(&Line), "the server's turn"), (Line::body, "a body has its own time")] {
            turn(&line);
            assert!(within(3 * SHORT, line.overdue(&limits)).await.is_none(), "{what}");
        }
        line.answer();
        line.overdue(&limits).await;
    }

    #[tokio::test]
    async fn a_head_that_drips_ends_in_its_time() {
        let (mut client, server) = duplex(64);
        let (line, limits) = (Line::new(), ListenLimits { head_time_max: SHORT, ..no_limits() });
        let mut timed = Timed::new(server, &line, &limits);
        let drip = async {
            let mut ticks = tokio::time::interval(SHORT / 10);
            while client.write_all(b"x").await.is_ok() {
                ticks.tick().await;
            }
        };
        let read = async { while timed.read(&mut [0; 1]).await.is_ok() {} };
        tokio::select! { () = drip => panic!("it goes on"), () = read => panic!("it ends by itself"), () = line.overdue(&limits) => {} }
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_ends() {
        let (mut client, server) = duplex(16);
        let (line, limits) = (Line::new(), ListenLimits { answer_pause_max: SHORT, ..no_limits() });
        let mut timed = Timed::new(server, &line, &limits);
        // It takes a little, then no more.
        let take = async {
            client.read_exact(&mut [0; 32]).await.unwrap();
            std::future::pending::<()>().await;
        };
        let failed = tokio::select! { () = take => None, failed = timed.write_all(&[0; 100]) => failed.err() };
        assert_eq!(failed.map(|failed| failed.kind()), Some(io::ErrorKind::TimedOut));
    }
}
