//! What a REST proxy or a stream answers: a receipt for each record, or a refusal.

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Error, Kind, OrFail, Result};

/// The proxy's code for an error that may pass.
const RETRIABLE: i64 = 50003;
/// A stream's errors that may pass.
const MAY_PASS: [&str; 4] =
    ["ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException", "InternalFailure"];
/// Characters of a refusal's text that are shown, where it is not in the proxy's form.
const SHOWN_MAX: usize = 200;

/// A receipt for each record of a request, in its order.
#[derive(Debug, Deserialize)]
pub(super) struct Receipts {
    offsets: Vec<Receipt>,
}

#[derive(Debug, Deserialize)]
struct Receipt {
    error_code: Option<i64>,
    error: Option<String>,
}

/// A request's body.
#[derive(Deserialize, Serialize)]
struct Body<'a> {
    #[serde(borrow)]
    records: Vec<&'a RawValue>,
}

/// What a stream answers to one record.
pub(super) enum Put {
    Taken,
    /// It was not taken, as its words tell, but may be later.
    MayPass(String),
    /// Anything else.
    Refused,
}

#[derive(Deserialize)]
struct Refusal {
    error_code: i64,
    message: String,
}

impl Put {
    pub(super) fn read(text: &str) -> Self {
        let Ok(answer) = serde_json::from_str::<serde_json::Value>(text) else { return Self::Refused };
        let word = |name: &str| answer.get(name).and_then(serde_json::Value::as_str);
        // The type may have its name-space in front.
        match word("__type").map(|kind| kind.rsplit('#').next().unwrap_or_default()) {
            Some(kind) if MAY_PASS.contains(&kind) => {
                Self::MayPass(format!("{kind}: {}", word("message").unwrap_or("no reason given")))
            }
            None if word("SequenceNumber").is_some() => Self::Taken,
            _ => Self::Refused,
        }
    }
}

impl Receipts {
    pub(super) fn read(url: &str, text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .or_fail(Kind::Unavailable, || format!("server {url:?}: its answer is not a REST proxy's"))
    }

    /// How many records were taken.
    pub(super) fn taken(&self) -> u64 {
        self.offsets.iter().filter(|receipt| receipt.error_code.is_none()).count() as u64
    }

    /// The first error that may pass, if any; an error that stays is returned as one.
    pub(super) fn failed(&self, url: &str) -> Result<Option<Error>> {
        let mut may_pass = None;
        for receipt in &self.offsets {
            let Some(code) = receipt.error_code else { continue };
            let said = receipt.error.as_deref().unwrap_or("no reason given");
            let error =
                Error::new(Kind::Unavailable, format!("server {url:?}: a record was not taken: {code}: {said}"));
            if code != RETRIABLE {
                return Err(error);
            }
            may_pass.get_or_insert(error);
        }
        Ok(may_pass)
    }
}

/// A body of just the records that were not taken.
pub(super) fn remaining(url: &str, body: &[u8], receipts: &Receipts) -> Result<Vec<u8>> {
    let body: Body<'_> = serde_json::from_slice(body).or_fail(Kind::Input, || "records to post")?;
    if body.records.len() != receipts.offsets.len() {
        let (sent, answered) = (body.records.len(), receipts.offsets.len());
        return Err(Error::new(
            Kind::Unavailable,
            format!("server {url:?}: it answered for {answered} records of {sent}"),
        ));
    }
    let both = body.records.into_iter().zip(&receipts.offsets);
    let records = both.filter(|(_, receipt)| receipt.error_code.is_some()).map(|(record, _)| record).collect();
    serde_json::to_vec(&Body { records }).or_fail(Kind::Internal, || "records to post again")
}

/// What an operator's page says instead of an answer, in its own words where it has some.
pub(super) fn plain_refusal(url: &str, status: StatusCode, text: &str) -> Error {
    let kind = match status {
        StatusCode::NOT_FOUND => Kind::Missing,
        StatusCode::CONFLICT => Kind::Conflict,
        StatusCode::UNPROCESSABLE_ENTITY => Kind::Input,
        _ => Kind::Unavailable,
    };
    match serde_json::from_str::<Refusal>(text) {
        Ok(_) if key_wanted(status) => with_key(Error::new(kind, format!("server {url:?}: refused with {status}"))),
        Ok(Refusal { message, .. }) => Error::new(kind, message),
        Err(_) => Error::new(kind, format!("server {url:?}: refused with {status}")),
    }
}

fn key_wanted(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

fn with_key(error: Error) -> Error {
    error.hint("put a key with the scope for it into TIDEMILL_KEY, or its file's path into TIDEMILL_KEY_FILE")
}

/// A refusal of the whole request, in the server's words.
pub(super) fn refusal(url: &str, status: StatusCode, text: &str) -> Error {
    let said = match serde_json::from_str(text) {
        Ok(Refusal { error_code, message }) => format!("{error_code}: {message}"),
        Err(_) => text.chars().take(SHOWN_MAX).collect(),
    };
    let kind = match status {
        StatusCode::NOT_FOUND => Kind::Missing,
        status if status.is_server_error() => Kind::Unavailable,
        _ => Kind::Input,
    };
    let error = Error::new(kind, format!("server {url:?}: refused with {status}: {said}"));
    if key_wanted(status) {
        with_key(error)
    } else if kind == Kind::Missing {
        error.hint("name the pipeline's topics, and the address that it takes posts at")
    } else {
        error
    }
}
