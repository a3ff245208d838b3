//! The gateway's mapping under bytes that nobody meant.

#![allow(clippy::unwrap_used, reason = "a body may panic: that is how it fails")]

use serde::de::IgnoredAny;

use super::mapping::{many, one, parameter};
use crate::config::plan::Quoting;
use crate::http::kinesis::{Data, Entry};

/// A body of one record and of many, with each way of quoting: what stays JSON is JSON. It is a query too.
pub(crate) fn mapped(bytes: &[u8]) {
    for quoting in [Quoting::Sample, Quoting::Json, Quoting::Plain, Quoting::Body] {
        let entries = many(quoting, bytes).ok().flatten().unwrap_or_default();
        for Entry { data, key, hash } in one(quoting, bytes).into_iter().chain(entries) {
            let Some(Data::Plain(data)) = data else { unreachable!("the gateway's data is plain") };
            assert!(key.is_some() && hash.is_none());
            if quoting == Quoting::Json && !data.is_empty() {
                serde_json::from_slice::<IgnoredAny>(&data).unwrap();
            }
        }
    }
    if let Ok(query) = std::str::from_utf8(bytes) {
        assert!(parameter(query, "shard-id").is_none_or(|value| value.len() <= query.len()));
    }
}

/// What the target begins with.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"StreamName":"x","Data":{"b": 1,"a":[ 2.50 ]},"PartitionKey":"k\u00e9"}"#,
        r#"{"records":[{"data":"some data","partition-key":7},{"data":{"a": 1,"b":{"c":"d"}},"partition-key":null}]}"#,
        "a=b&shard-id=shardId%2D000000000000&c",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
