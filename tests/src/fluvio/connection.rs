//! A connection as the server holds it: frames in, frames out, closed when its bytes are spent.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fluvio_protocol::api::{Request, RequestHeader, ResponseMessage};
use fluvio_protocol::link::versions::{ApiVersionKey, ApiVersionsResponse, PlatformVersion};
use fluvio_protocol::{Decoder, Encoder, Version};

use super::{Part, Shared};

const FRAME_BYTES_MAX: usize = 64 << 20;

/// The half that is written to, which several threads may do.
pub(super) struct Connection {
    out: Mutex<Out>,
    closed: AtomicBool,
}

struct Out {
    stream: TcpStream,
    /// What it may still send.
    bytes_left: Option<usize>,
}

impl Connection {
    /// Takes a connection in, together with the half that is read from.
    pub(super) fn open(stream: TcpStream, part: Part, shared: &Shared) -> io::Result<(Arc<Self>, TcpStream)> {
        stream.set_nodelay(true)?;
        let listed = stream.try_clone()?;
        shared.lock().open.push((part, listed));
        let out = Mutex::new(Out { stream: stream.try_clone()?, bytes_left: None });
        Ok((Arc::new(Self { out, closed: AtomicBool::new(false) }), stream))
    }

    /// Closes it after so many bytes more.
    pub(super) fn close_after(&self, bytes: usize) {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).bytes_left = Some(bytes);
    }

    /// Sends an answer.
    pub(super) fn answer<R: Encoder + Default>(&self, to: &RequestHeader, response: R) -> io::Result<()> {
        let mut body = Vec::new();
        ResponseMessage::from_header(to, response).encode(&mut body, to.api_version())?;
        let mut frame = Vec::new();
        (body.len() as i32).encode(&mut frame, 0)?;
        frame.append(&mut body);
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        match out.bytes_left {
            Some(left) if left < frame.len() => {
                frame.truncate(left);
                out.stream.write_all(&frame)?;
                self.close();
                out.stream.shutdown(Shutdown::Both)
            }
            left => {
                out.bytes_left = left.map(|left| left - frame.len());
                out.stream.write_all(&frame)
            }
        }
    }

    /// Tells the threads that write to it to end.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}

/// The next request's bytes; none when the other side has hung up.
pub(super) fn read_frame(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut len = [0; 4];
    if let Err(error) = stream.read_exact(&mut len) {
        return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
    }
    let len = u32::from_be_bytes(len) as usize;
    if len > FRAME_BYTES_MAX {
        return Err(io::Error::other(format!("a request of {len} bytes")));
    }
    let mut frame = vec![0; len];
    stream.read_exact(&mut frame)?;
    Ok(Some(frame))
}

/// A request's key with its least and greatest version.
pub(super) fn range<R: Request>() -> (u16, Version, Version) {
    (R::API_KEY, R::MIN_API_VERSION, R::MAX_API_VERSION)
}

/// What a server says it can do: each request's key with its least and greatest version.
pub(super) fn versions(keys: &[(u16, Version, Version)]) -> io::Result<ApiVersionsResponse> {
    let mut platform = Vec::new();
    "0.18.1".to_owned().encode(&mut platform, 0)?;
    let api_keys = keys.iter().map(|&(api_key, min_version, max_version)| ApiVersionKey {
        api_key: api_key as i16,
        min_version,
        max_version,
    });
    Ok(ApiVersionsResponse {
        api_keys: api_keys.collect(),
        platform_version: PlatformVersion::decode_from(&mut platform.as_slice(), 0)?,
        ..ApiVersionsResponse::default()
    })
}
