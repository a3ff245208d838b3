//! A producer: it sends a topic one request at a time, under a name and a count by which the server knows a repeat.

use rand::RngExt as _;
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;

use crate::time::Clock;

const ID: &str = "producer-id";
const EPOCH: &str = "producer-epoch";
const SEQUENCE: &str = "producer-sequence";

/// A producer of requests to one topic.
#[derive(Debug)]
pub struct Producer {
    id: String,
    epoch: u32,
    sequence: u32,
}

impl Producer {
    /// One that nobody else is; its epoch is the second in which it began, which is later than all that are forgotten.
    pub fn new() -> Self {
        let id: u128 = rand::rng().random();
        let seconds = Clock::System.now().0 / 1_000_000;
        Self { id: format!("{id:032x}"), epoch: u32::try_from(seconds).unwrap_or(0), sequence: 0 }
    }

    /// Names the producer and the request that is its turn.
    pub(super) fn sign(&self, request: RequestBuilder) -> RequestBuilder {
        request.header(ID, &self.id).header(EPOCH, self.epoch).header(SEQUENCE, self.sequence)
    }

    /// Whether the server that answered so knows repeats: it says for which request the answer is.
    pub(super) fn is_known(&self, answer: &HeaderMap) -> bool {
        let said = answer.get(SEQUENCE).and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
        said == Some(self.sequence)
    }

    /// Goes on to the next request.
    pub(super) fn advance(&mut self) {
        let next = self.sequence.checked_add(1);
        self.epoch += u32::from(next.is_none());
        self.sequence = next.unwrap_or(0);
    }
}

impl Default for Producer {
    fn default() -> Self {
        Self::new()
    }
}
