//! A request to somebody outside, sent once.

use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Response};

use super::{Client, unreachable};
use crate::access::Secret;
use crate::error::{Error, Kind, OrFail, Result};

/// Bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: usize = 2 << 10;

/// What is asked of whom.
pub struct Outside<'a> {
    /// The method.
    pub method: &'a str,
    /// Where it goes.
    pub url: &'a str,
    /// Its headers.
    pub headers: &'a [(String, Secret)],
    /// Its body; none where it is empty.
    pub body: String,
    /// How long the answer may take.
    pub time_max: Duration,
}

impl Client {
    /// Sends a request, and gives the status and the beginning of what is answered. It follows no redirect.
    ///
    /// Errors with `Unavailable` where no answer comes in time.
    pub async fn outside(&self, asked: Outside<'_>) -> Result<(u16, String)> {
        let Outside { method, url, headers, body, time_max } = asked;
        let method = Method::from_bytes(method.as_bytes()).or_fail(Kind::Input, || format!("method {method:?}"))?;
        let mut request = self.http.request(method, url).timeout(time_max);
        for (name, value) in headers {
            let wrong = || Error::new(Kind::Input, format!("header {name:?}: it has a character that none has"));
            let named = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
            let mut value = HeaderValue::try_from(value.expose()).map_err(|_| wrong())?;
            value.set_sensitive(true);
            request = request.header(named, value);
        }
        if !body.is_empty() {
            request = request.body(body);
        }
        let answer = request.send().await.map_err(|cause| silent(url, &cause))?;
        let status = answer.status().as_u16();
        Ok((status, beginning(url, answer).await?))
    }
}

/// What is said when no answer came.
fn silent(url: &str, cause: &reqwest::Error) -> Error {
    unreachable(url, cause)
        .hint("look whether that server is up and can be reached from here; its `url` is in the pipeline's file")
}

/// The beginning of an answer's text, in one line.
async fn beginning(url: &str, mut answer: Response) -> Result<String> {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_BYTES_MAX {
        match answer.chunk().await.map_err(|cause| silent(url, &cause))? {
            Some(chunk) => bytes.extend_from_slice(&chunk),
            None => break,
        }
    }
    bytes.truncate(ANSWER_BYTES_MAX);
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
}
