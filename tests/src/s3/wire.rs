//! Requests read from a socket, answers written to it: whole, a byte at a time, or cut off.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// No head is longer.
const HEAD_BYTES_MAX: usize = 64 * 1024;

pub(super) struct Request {
    pub(super) method: String,
    pub(super) bucket: String,
    /// Empty where the bucket itself is meant.
    pub(super) key: String,
    pub(super) query: String,
    /// By name in small letters.
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
}

pub(super) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub(super) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn error(status: u16, code: &str) -> Self {
        let message = "it was told to say so";
        let body = format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        let answer = Self::status(status).with("content-type", "application/xml");
        // Somewhere that nobody listens: who followed it would not come back.
        let answer = if matches!(status, 301 | 307) { answer.with("location", "http://127.0.0.1:9/") } else { answer };
        answer.body(body.as_bytes())
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    pub(super) fn with_other_checksum(self) -> Self {
        if self.status != 200 {
            return self;
        }
        self.with("x-amz-checksum-sha256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    }

    pub(super) fn with_other_etag(mut self) -> Self {
        if self.status != 200 {
            return self;
        }
        self.headers.retain(|(name, _)| name != "x-amz-checksum-sha256");
        self.with("etag", "\"00000000000000000000000000000000\"")
    }

    fn bytes(&self, request: &Request) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} said\r\ncontent-length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let body: &[u8] = if request.method == "HEAD" { &[] } else { &self.body };
        [head.as_bytes(), b"\r\n", body].concat()
    }
}

pub(super) struct Connection {
    stream: TcpStream,
    /// What was read and not yet used.
    ahead: Vec<u8>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// The next request without its body; none when the client has closed.
    pub(super) async fn head(&mut self) -> io::Result<Option<Request>> {
        let end = loop {
            if let Some(end) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if self.ahead.len() > HEAD_BYTES_MAX || self.stream.read_buf(&mut self.ahead).await? == 0 {
                return Ok(None);
            }
        };
        let head: Vec<u8> = self.ahead.drain(..end + 4).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = unescaped(path);
        let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_matches('/'), ""));
        let headers = lines.filter_map(|line| line.split_once(':'));
        Ok(Some(Request {
            method: method.to_owned(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            query: query.to_owned(),
            headers: headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect(),
            body: Vec::new(),
        }))
    }

    /// Reads the request's body into it.
    pub(super) async fn body(&mut self, request: &mut Request) -> io::Result<()> {
        let length = request.headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if request.headers.get("expect").is_some_and(|expect| expect.eq_ignore_ascii_case("100-continue")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        while self.ahead.len() < length {
            if self.stream.read_buf(&mut self.ahead).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        request.body = self.ahead.drain(..length).collect();
        Ok(())
    }

    pub(super) async fn send(&mut self, answer: &Answer, to: &Request) -> io::Result<()> {
        self.stream.write_all(&answer.bytes(to)).await
    }

    pub(super) async fn drip(&mut self, answer: &Answer, to: &Request, pause: Duration) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        for byte in answer.bytes(to) {
            self.stream.write_all(&[byte]).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// Sends no more than the first bytes, and closes.
    pub(super) async fn cut(&mut self, answer: &Answer, to: &Request, bytes: usize) -> io::Result<()> {
        let whole = answer.bytes(to);
        // Never all of it: that would be no cut.
        let part = whole.get(..bytes.min(whole.len() - 1)).unwrap_or_default();
        self.stream.write_all(part).await?;
        self.stream.shutdown().await
    }

    /// Says nothing until the client has gone.
    pub(super) async fn hang(&mut self, longest: Duration) {
        let gone = async { while self.stream.read_buf(&mut self.ahead).await.is_ok_and(|read| read > 0) {} };
        let _ = tokio::time::timeout(longest, gone).await;
    }

    /// Ends the connection at once, and without a word.
    pub(super) fn reset(&self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }
}

/// A path with its escapes replaced.
fn unescaped(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%').then(|| tail.get(..2)).flatten();
        let value = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
