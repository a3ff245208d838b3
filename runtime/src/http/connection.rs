//! A connection and its clock: whose turn it is, since when, how long that may last.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use crate::config::plan::ListenLimits;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing of a request has come.
    Idle,
    /// Its head comes.
    Head,
    /// Its body comes.
    Body,
    /// It is worked on.
    Work,
    /// Its answer goes.
    Answer,
}

/// A connection as others see it.
#[derive(Debug)]
pub(super) struct Line {
    turn: Mutex<(Phase, Instant)>,
    closing: Notify,
}

impl Line {
    /// One that was just opened.
    pub(super) fn new() -> Self {
        Self { turn: Mutex::new((Phase::Head, Instant::now())), closing: Notify::new() }
    }

    /// A request's head is there.
    pub(super) fn work(&self) {
        self.enter(Phase::Work);
    }

    /// Its body is read from now on.
    pub(super) fn body(&self) {
        self.enter(Phase::Body);
    }

    /// Its answer is ready.
    pub(super) fn answer(&self) {
        self.enter(Phase::Answer);
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

    /// Returns when its end was asked for.
    pub(super) async fn closed(&self) {
        self.closing.notified().await;
    }

    /// Bytes have come.
    fn received(&self) {
        match self.turn().0 {
            Phase::Idle | Phase::Answer => self.enter(Phase::Head),
            Phase::Body => self.enter(Phase::Body),
            Phase::Head | Phase::Work => {}
        }
    }

    /// When it is too late for what the client has to send; none where it has to send nothing, or a body, which has its own time.
    fn too_late(&self, limits: &ListenLimits) -> Option<Instant> {
        match self.turn() {
            (Phase::Answer, _) => {
                self.enter(Phase::Idle);
                Some(Instant::now() + limits.idle_time_max)
            }
            (Phase::Idle, since) => Some(since + limits.idle_time_max),
            (Phase::Head, since) => Some(since + limits.head_time_max),
            (Phase::Body | Phase::Work, _) => None,
        }
    }

    fn turn(&self) -> (Phase, Instant) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = (phase, Instant::now());
    }
}

/// A stream that fails when its client is too late.
pub(super) struct Timed<'a, S> {
    stream: S,
    line: &'a Line,
    limits: &'a ListenLimits,
    reading: Alarm,
    writing: Alarm,
    /// Since when the client takes nothing of what is written.
    stalled: Option<Instant>,
}

impl<'a, S> Timed<'a, S> {
    /// That stream, on that line.
    pub(super) fn new(stream: S, line: &'a Line, limits: &'a ListenLimits) -> Self {
        Self { stream, line, limits, reading: Alarm(None), writing: Alarm(None), stalled: None }
    }

    /// What came of an attempt to write: too long without progress is an error.
    fn written<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let since = *self.stalled.get_or_insert_with(Instant::now);
        self.writing.poll(since + self.limits.answer_pause_max, cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<'_, S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        // First what has come: a process that stood still for long has not been left waiting.
        let polled = Pin::new(&mut self.stream).poll_read(cx, into);
        if polled.is_ready() {
            if into.filled().len() > before {
                self.line.received();
            }
            return polled;
        }
        let Some(too_late) = self.line.too_late(self.limits) else { return Poll::Pending };
        self.reading.poll(too_late, cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
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

/// Runs a future for so long; none where it took longer.
pub(super) async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, future).await.ok()
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

    /// A read on this line fails once its short time is over: another's would never be.
    async fn ends(line: &Line, stream: impl AsyncRead + Unpin, limits: &ListenLimits) {
        let begun = Instant::now();
        let failed = Timed::new(stream, line, limits).read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= SHORT / 2);
    }

    #[tokio::test]
    async fn a_head_and_a_pause_have_times_of_their_own() {
        let (_client, mut server) = duplex(64);
        let line = Line::new();
        ends(&line, &mut server, &ListenLimits { head_time_max: SHORT, ..no_limits() }).await;
        line.work();
        line.answer();
        let limits = ListenLimits { idle_time_max: SHORT, ..no_limits() };
        ends(&line, &mut server, &limits).await;
        let limits = ListenLimits { head_time_max: SHORT, ..limits };
        for (turn, what) in [(Line::work as fn(&Line), "the server's turn"), (Line::body, "a body has its own time")] {
            turn(&line);
            assert!(
                within(2 * SHORT, Timed::new(&mut server, &line, &limits).read(&mut [0; 8])).await.is_none(),
                "{what}"
            );
        }
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
        tokio::select! { () = drip => panic!("it goes on"), () = read => {} }
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

    #[tokio::test]
    async fn what_has_come_counts_however_late_it_is_looked_at() {
        let (mut client, server) = duplex(64);
        let (line, limits) = (Line::new(), ListenLimits { head_time_max: Duration::ZERO, ..no_limits() });
        client.write_all(b"x").await.unwrap();
        assert_eq!(Timed::new(server, &line, &limits).read(&mut [0; 8]).await.unwrap(), 1);
    }
}
