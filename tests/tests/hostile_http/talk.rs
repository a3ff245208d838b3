//! A connection on which one input follows the other for as long as it is kept open, and a new one after that.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer is waited for before the sender says that no more comes: the server may be waiting for it.
const PATIENCE: Duration = Duration::from_millis(25);
/// No answer takes so long.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// One side of a conversation.
pub(crate) struct Talk {
    to: SocketAddr,
    open: Option<TcpStream>,
}

impl Talk {
    /// One that has not begun.
    pub(crate) fn with(to: SocketAddr) -> Self {
        Self { to, open: None }
    }

    /// Sends some bytes; what comes back until it seems to be whole, and how often they were sent: what was closed before may not
    /// have been read, and is sent again.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> (Vec<u8>, u64) {
        let kept = self.open.take();
        let was_kept = kept.is_some();
        let answer = self.ask(kept.unwrap_or_else(|| self.connect()), bytes);
        if was_kept && answer.is_empty() {
            let socket = self.connect();
            return (self.ask(socket, bytes), 2);
        }
        (answer, 1)
    }

    /// What still comes when no more is sent.
    pub(crate) fn end(self) -> Vec<u8> {
        let mut answer = Vec::new();
        if let Some(socket) = self.open {
            finish(socket, &mut answer);
        }
        answer
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.to).expect("the listener");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        socket
    }

    fn ask(&mut self, mut socket: TcpStream, bytes: &[u8]) -> Vec<u8> {
        // Who refuses early may close before all is sent: the answer is what counts.
        let _ = socket.write_all(bytes);
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            match socket.read(&mut piece) {
                Ok(0) => return answer,
                Ok(read) => answer.extend_from_slice(&piece[..read]),
                Err(cause) if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    finish(socket, &mut answer);
                    return answer;
                }
                Err(_) => return answer,
            }
            if is_whole(&answer) {
                self.open = Some(socket);
                return answer;
            }
        }
    }
}

/// Says that no more comes, and reads to the end.
fn finish(mut socket: TcpStream, answer: &mut Vec<u8>) {
    let _ = socket.shutdown(Shutdown::Write);
    socket.set_read_timeout(Some(ANSWER_TIME_MAX)).expect("a time-out");
    let _ = socket.read_to_end(answer);
}

/// Whether bytes are answers to their ends, after which the connection stays open.
fn is_whole(mut answers: &[u8]) -> bool {
    loop {
        let Some(end) = answers.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
        let head = String::from_utf8_lossy(&answers[..end]).to_ascii_lowercase();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let goes_on = head.starts_with("http/1.1 1");
        let body = &answers[end + 4..];
        // Of others the end is told by the connection's.
        let length = match header("transfer-encoding:") {
            _ if goes_on => Some(0),
            Some("chunked") => chunked(body),
            _ => header("content-length:").and_then(|length| length.parse().ok()),
        };
        let Some(rest) = length.and_then(|length| body.get(length..)) else { return false };
        if rest.is_empty() {
            return !goes_on && header("connection:") != Some("close");
        }
        answers = rest;
    }
}

/// Where the chunks of a body end, if they do.
fn chunked(body: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = body.get(at..)?;
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        at += line + 2 + length + 2;
        if length == 0 {
            return (body.len() >= at).then_some(at);
        }
    }
}
