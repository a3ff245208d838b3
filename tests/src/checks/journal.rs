//! What clients sent, and what they were answered: the promise that everything is held against.

use std::net::SocketAddr;

use crate::http;

/// A record with what its sender knows of it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its topic.
    pub topic: &'static str,
    /// Its partition.
    pub partition: u32,
    /// Its value, JSON as it was sent; no other record has the same.
    pub value: String,
    /// The number by which its row is known; none where the record has to be rejected.
    pub ind: Option<i64>,
    /// The offsets that were acknowledged.
    pub acked: Vec<u64>,
    /// How many times it was sent without an answer that says what became of it: it may be there as many times more.
    pub unknown: usize,
}

/// All that was sent.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// In the order in which it was first planned.
    pub sent: Vec<Sent>,
}

/// How a request went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// All its records were acknowledged.
    Acked,
    /// Some were refused for now, with this reason.
    Refused(String),
    /// There was no answer.
    Silence,
}

impl Journal {
    /// Plans a record, to be sent later; its number in the journal.
    pub fn plan(&mut self, topic: &'static str, partition: u32, value: String, ind: Option<i64>) -> usize {
        self.sent.push(Sent { topic, partition, value, ind, acked: Vec::new(), unknown: 0 });
        self.sent.len() - 1
    }

    /// Sends those of the records that are not acknowledged yet, all of one topic, in one request.
    ///
    /// Panics where an answer is none that a client could make sense of.
    pub fn post(&mut self, to: SocketAddr, records: &[usize]) -> Posted {
        let records: Vec<usize> = records.iter().copied().filter(|&at| self.sent[at].acked.is_empty()).collect();
        let Some(&first) = records.first() else { return Posted::Acked };
        let line = |&at: &usize| {
            let Sent { partition, value, .. } = &self.sent[at];
            format!("{{\"partition\":{partition},\"value\":{value}}}")
        };
        let lines: Vec<String> = records.iter().map(line).collect();
        let answer = http::post(to, self.sent[first].topic, &format!("{{\"records\":[{}]}}", lines.join(",")));
        if answer.status != 200 {
            let refused = matches!(answer.status, 429 | 503 | 507);
            assert!(answer.status == 0 || refused, "{answer:?}");
            if refused {
                assert!(answer.headers.to_lowercase().contains("retry-after"), "{answer:?}");
                return Posted::Refused(answer.body);
            }
            records.iter().for_each(|&at| self.sent[at].unknown += 1);
            return Posted::Silence;
        }
        let Ok(serde_json::Value::Object(body)) = serde_json::from_str(&answer.body) else {
            // The answer was cut off.
            records.iter().for_each(|&at| self.sent[at].unknown += 1);
            return Posted::Silence;
        };
        let receipts = body["offsets"].as_array().expect("receipts");
        assert_eq!(receipts.len(), records.len(), "{answer:?}");
        let mut posted = Posted::Acked;
        for (&at, receipt) in records.iter().zip(receipts) {
            if let Some(offset) = receipt["offset"].as_u64() {
                assert_eq!(receipt["partition"], self.sent[at].partition, "{answer:?}");
                self.sent[at].acked.push(offset);
                continue;
            }
            let reason = receipt["error"].as_str().unwrap_or_default();
            assert_eq!(receipt["error_code"], 50003, "one may try again: {answer:?}");
            self.sent[at].unknown += usize::from(!reason.contains("nothing was kept"));
            posted = Posted::Refused(reason.to_owned());
        }
        posted
    }
}
