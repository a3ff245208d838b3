//! A small HTTP client over a plain socket, so that a test can also send what no client would.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// No answer takes so long.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status; 0 when nobody listened, or the connection closed without an answer.
    pub status: u16,
    /// The headers, as they came.
    pub headers: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|cause| panic!("{cause}: {self:?}"))
    }
}

/// Sends bytes as they are and reads until the other side closes.
pub fn raw(to: SocketAddr, bytes: &[u8]) -> Answer {
    let Ok(mut socket) = TcpStream::connect(to) else {
        return Answer { status: 0, headers: String::new(), body: String::new() };
    };
    socket.set_read_timeout(Some(ANSWER_TIME_MAX)).expect("a time-out");
    // A server that refuses early may close before all is sent: its answer is what counts.
    let _ = socket.write_all(bytes);
    answer(socket)
}

/// Sends bytes as they are, says that no more will come, and reads until the other side closes.
pub fn cut(to: SocketAddr, bytes: &[u8]) -> Answer {
    let mut socket = TcpStream::connect(to).expect("the listener");
    socket.set_read_timeout(Some(ANSWER_TIME_MAX)).expect("a time-out");
    let _ = socket.write_all(bytes);
    let _ = socket.shutdown(Shutdown::Write);
    answer(socket)
}

/// A connection from an address of this machine: of `127.0.0.0/8` all are.
pub fn connect_from(from: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        let stream = socket.connect(to).await?.into_std()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    })
}

/// Reads what comes until the other side closes.
pub fn answer(mut socket: TcpStream) -> Answer {
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, headers: head.to_owned(), body: body.to_owned() }
}

/// A request with a body and the given headers.
pub fn request(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut text =
        format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    raw(to, &[text.as_bytes(), b"\r\n", body].concat())
}

/// A GET.
pub fn get(to: SocketAddr, path: &str) -> Answer {
    request(to, "GET", path, &[], b"")
}

/// Posts JSON records to a topic, as the original emulators did.
pub fn post(to: SocketAddr, topic: &str, body: &str) -> Answer {
    let headers = [("content-type", "application/vnd.kafka.json.v2+json")];
    request(to, "POST", &format!("/topics/{topic}"), &headers, body.as_bytes())
}

/// Posts records whose values are any bytes, each in base64.
pub fn post_binary(to: SocketAddr, topic: &str, body: &str) -> Answer {
    let headers = [("content-type", "application/vnd.kafka.binary.v2+json")];
    request(to, "POST", &format!("/topics/{topic}"), &headers, body.as_bytes())
}

/// Posts values one a line, `batch` in a request; all must be taken.
pub fn post_lines<'a>(to: SocketAddr, topic: &str, lines: impl IntoIterator<Item = &'a str>, batch: usize) {
    let lines: Vec<&str> = lines.into_iter().collect();
    for lines in lines.chunks(batch) {
        let records: Vec<String> = lines.iter().map(|line| format!("{{\"value\":{line}}}")).collect();
        let answer = post(to, topic, &format!("{{\"records\":[{}]}}", records.join(",")));
        assert_eq!(answer.status, 200, "{answer:?}");
        let taken = answer.json()["offsets"].as_array().map_or(0, Vec::len);
        assert_eq!(taken, lines.len(), "{answer:?}");
        assert!(!answer.body.contains("\"error_code\":5"), "{answer:?}");
    }
}
