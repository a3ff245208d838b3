//! The client of a Kafka REST proxy or of streams: it sends records, waits when it is asked to, tries again what may pass.

mod answer;
mod outside;
mod producer;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt as _;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};

use self::answer::{Put, Receipts, remaining};
pub use self::outside::Outside;
pub use self::producer::Producer;
use crate::access::Secret;
use crate::error::{Error, Kind, OrFail, Result};

/// The type of the body.
const JSON_V2: &str = "application/vnd.kafka.json.v2+json";
/// The header in which gateways ask for a key.
const API_KEY: &str = "x-api-key";
/// How long a connection may take to come about.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// How long one may take that has much to do.
const LONG_TIME_MAX: Duration = Duration::from_hours(24);
/// How often a request is tried again after its connection failed or some of its records did.
const RETRIES_MAX: u32 = 5;
/// How often a request is sent again because the server asked for it.
const WAITS_MAX: u32 = 100;
/// The longest wait that a server can ask for.
const WAIT_TIME_MAX: Duration = Duration::from_secs(60);
/// The wait where a server names none.
const WAIT_TIME: Duration = Duration::from_secs(1);
/// The first wait between two tries; each is twice the one before.
const BACKOFF: Duration = Duration::from_millis(100);

/// Connections to one server or several, kept open between requests.
pub struct Client {
    http: reqwest::Client,
    backoff: Duration,
}

/// What came of a post.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Posted {
    /// Records that the server acknowledged.
    pub records: u64,
    /// How many times the request was sent again, or a part of it.
    pub retries: u64,
}

/// Why an attempt was not the last.
enum Again {
    /// The server asked for a pause.
    Asked(Duration),
    /// The connection failed, or some records were not taken by a server that knows repeats.
    Broken(Error),
    /// Some records were not taken; this body holds just those.
    Rest(Vec<u8>, Error),
}

/// How often a request was tried again, and waited for.
#[derive(Default)]
struct Patience {
    tries: u32,
    waits: u32,
}

impl Client {
    /// A client that shows `key` where it has one, also as gateways ask for it, and finds the named host at the address
    /// beside it.
    ///
    /// Its connections go straight to the server, whatever proxy the environment names, and to no other that it points to.
    pub fn new(key: Option<&Secret>, found: Option<(&str, SocketAddr)>) -> Result<Self> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let value = HeaderValue::try_from(format!("Bearer {}", key.expose()));
            let mut value = value.map_err(|_| no_key())?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
            let mut value = HeaderValue::try_from(key.expose()).map_err(|_| no_key())?;
            value.set_sensitive(true);
            headers.insert(API_KEY, value);
        }
        let builder = || {
            let builder = reqwest::Client::builder().connect_timeout(CONNECT_TIME_MAX).timeout(ANSWER_TIME_MAX);
            let builder = builder.tcp_nodelay(true).no_proxy().redirect(Policy::none());
            let builder = builder.default_headers(headers.clone());
            found.iter().fold(builder, |builder, (host, at)| builder.resolve(host, *at))
        };
        // A machine that knows no certificate authority can still speak plain HTTP.
        let http = builder().build().or_else(|_| builder().tls_certs_only([]).build());
        let http = http.or_fail(Kind::Internal, || "HTTP client")?;
        Ok(Self { http, backoff: BACKOFF })
    }

    /// Asks once for a page's text.
    pub async fn get(&self, url: &str) -> Result<String> {
        let answer = self.http.get(url).send().await.map_err(|cause| unreachable(url, &cause))?;
        said(url, answer).await
    }

    /// Sends bytes once, asking for something by names and values; gives the answer's text.
    pub async fn send(&self, url: &str, asked: &[(&str, &str)], body: Vec<u8>) -> Result<String> {
        let full = reqwest::Url::parse_with_params(url, asked).or_fail(Kind::Input, || format!("server {url:?}"))?;
        let answer = self.http.post(full).body(body).send().await.map_err(|cause| unreachable(url, &cause))?;
        said(url, answer).await
    }

    /// The same where the answer may take long.
    pub async fn send_long(&self, url: &str, asked: &[(&str, &str)], body: Vec<u8>) -> Result<String> {
        let full = reqwest::Url::parse_with_params(url, asked).or_fail(Kind::Input, || format!("server {url:?}"))?;
        let request = self.http.post(full).timeout(LONG_TIME_MAX).body(body);
        said(url, request.send().await.map_err(|cause| unreachable(url, &cause))?).await
    }

    /// Posts a body `{"records":[{"value":..}, ..]}` as a producer's next request until all of its records are acknowledged.
    ///
    /// When a connection breaks, nobody knows whether the server had taken what it was sent; this one tells a repeat
    /// by its producer, and each record arrives once. Where another server does not, one may arrive twice.
    /// Errors: `Unavailable` when the server cannot be reached or goes on refusing, or what it says is wrong.
    pub async fn post(&self, producer: &mut Producer, url: &str, mut body: Vec<u8>) -> Result<Posted> {
        let (mut posted, mut patience) = (Posted::default(), Patience::default());
        loop {
            let (taken, again) = self.attempt(producer, url, &body).await?;
            posted.records += taken;
            let Some(again) = again else {
                producer.advance();
                return Ok(posted);
            };
            posted.retries += 1;
            if let Some(rest) = self.wait(url, again, &mut patience).await? {
                body = rest;
            }
        }
    }

    /// Puts a record `{"StreamName":..,"Data":..,"PartitionKey":..}` into a stream behind a gateway, until it is acknowledged.
    ///
    /// After a connection broke it may be there twice.
    /// Errors: those of [`Client::post`].
    pub async fn put(&self, url: &str, body: Vec<u8>) -> Result<Posted> {
        let (mut posted, mut patience) = (Posted::default(), Patience::default());
        while let Some(again) = self.attempt_put(url, &body).await? {
            posted.retries += 1;
            self.wait(url, again, &mut patience).await?;
        }
        posted.records = 1;
        Ok(posted)
    }

    /// Puts it once: why to do it again, if that is needed.
    async fn attempt_put(&self, url: &str, body: &[u8]) -> Result<Option<Again>> {
        let request = self.http.put(url).header(CONTENT_TYPE, "application/json").body(body.to_vec());
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(cause) => return Ok(Some(Again::Broken(unreachable(url, &cause)))),
        };
        if let Some(asked) = asked(&answer) {
            return Ok(Some(asked));
        }
        let status = answer.status();
        let text = match answer.text().await {
            Ok(text) => text,
            Err(cause) => return Ok(Some(Again::Broken(unreachable(url, &cause)))),
        };
        // A gateway may answer 200 where the stream refuses.
        match Put::read(&text) {
            Put::Taken if status.is_success() => Ok(None),
            Put::MayPass(said) => {
                let error = Error::new(Kind::Unavailable, format!("server {url:?}: the record was not taken: {said}"));
                Ok(Some(Again::Broken(error)))
            }
            _ => Err(answer::refusal(url, status, &text)),
        }
    }

    /// Waits before a request is sent again; gives what is left of its body, where that is not all of it.
    async fn wait(&self, url: &str, again: Again, patience: &mut Patience) -> Result<Option<Vec<u8>>> {
        let (error, rest) = match again {
            Again::Asked(_) if patience.waits == WAITS_MAX => return Err(still_busy(url)),
            Again::Asked(pause) => {
                patience.waits += 1;
                tokio::time::sleep(jitter(pause)).await;
                return Ok(None);
            }
            Again::Broken(error) => (error, None),
            Again::Rest(rest, error) => (error, Some(rest)),
        };
        if patience.tries == RETRIES_MAX {
            return Err(error);
        }
        tracing::warn!(url, %error, "trying again");
        tokio::time::sleep(jitter(self.backoff * 2_u32.pow(patience.tries))).await;
        patience.tries += 1;
        Ok(rest)
    }

    /// Sends the body once: how many records were taken, and why to send again if that is needed.
    async fn attempt(&self, producer: &Producer, url: &str, body: &[u8]) -> Result<(u64, Option<Again>)> {
        let request = self.http.post(url).header(CONTENT_TYPE, JSON_V2).body(body.to_vec());
        let answer = match producer.sign(request).send().await {
            Ok(answer) => answer,
            Err(cause) => return Ok((0, Some(Again::Broken(unreachable(url, &cause))))),
        };
        if let Some(asked) = asked(&answer) {
            return Ok((0, Some(asked)));
        }
        let status = answer.status();
        let knows_repeats = producer.is_known(answer.headers());
        let text = match answer.text().await {
            Ok(text) => text,
            Err(cause) => return Ok((0, Some(Again::Broken(unreachable(url, &cause))))),
        };
        if !status.is_success() {
            return Err(answer::refusal(url, status, &text));
        }
        let receipts = Receipts::read(url, &text)?;
        let failed = receipts.failed(url)?;
        let taken = receipts.taken();
        match failed {
            None => Ok((taken, None)),
            // All of it again: the server keeps the request together and answers for what it has.
            Some(error) if knows_repeats => Ok((0, Some(Again::Broken(error)))),
            Some(error) => Ok((taken, Some(Again::Rest(remaining(url, body, &receipts)?, error)))),
        }
    }
}

/// The text of an answer that is no refusal.
async fn said(url: &str, answer: Response) -> Result<String> {
    let (status, text) = (answer.status(), answer.text().await.map_err(|cause| unreachable(url, &cause))?);
    if status.is_success() { Ok(text) } else { Err(answer::plain_refusal(url, status, &text)) }
}

/// That long or up to half more, so that many who wait do not come back together.
pub(super) fn jitter(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(1.0..1.5))
}

/// How long the server asks to wait, if it does.
fn asked(answer: &Response) -> Option<Again> {
    if !matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Some(Again::Asked(asked.map_or(WAIT_TIME, Duration::from_secs).min(WAIT_TIME_MAX)))
}

/// The cause is left out: it could say something of what the key holds.
fn no_key() -> Error {
    Error::new(Kind::Input, "key: it has characters that no key has")
}

/// What is said when no answer came. The innermost cause is the one that tells.
fn unreachable(url: &str, cause: &reqwest::Error) -> Error {
    let mut inner: &dyn std::error::Error = cause;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let said = if cause.is_timeout() { "no answer in time".to_owned() } else { inner.to_string() };
    let error = Error::new(Kind::Unavailable, format!("server {url:?}: {said}"));
    error.hint("start a pipeline with `tidemill run`, or name the address of one that runs")
}

fn still_busy(url: &str) -> Error {
    let error = Error::new(Kind::Busy, format!("server {url:?}: busy still after {WAITS_MAX} tries"));
    error.hint("post more slowly or with fewer requests at a time")
}
