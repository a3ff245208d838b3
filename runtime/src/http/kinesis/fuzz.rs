//! Records and numbers of Kinesis's clients under bytes that nobody meant.

use serde_json::{Map, Value};

use super::put::{Data, Entry};
use super::shard::{Sequence, Shard};

/// An entry of `PutRecords`: what any reader of JSON finds in it; its texts may be numbers of records and names of shards.
pub(crate) fn entry(bytes: &[u8]) {
    let Ok(entry) = serde_json::from_slice::<Entry<'_>>(bytes) else { return };
    // What is passed over may be a number that is too large for who reads it here.
    let Ok(object) = serde_json::from_slice::<Map<String, Value>>(bytes) else { return };
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let data = entry.data.as_ref().map(|data| match data {
        Data::Base64(text) => text.as_ref(),
        Data::Plain(_) => unreachable!("no request has plain data"),
    });
    assert_eq!(
        [data, entry.key.as_deref(), entry.hash.as_deref()],
        ["Data", "PartitionKey", "ExplicitHashKey"].map(text)
    );
    for text in [data, entry.key.as_deref(), entry.hash.as_deref()].into_iter().flatten() {
        if let Some(number) = Sequence::parse(text) {
            assert_eq!(number.to_string(), text);
        }
        if let Some(shard) = Shard::parse(text) {
            assert_eq!(shard.to_string(), text);
        }
        assert!((1..5).all(|shards| Shard::of_key(text, shards).0 < shards));
    }
}

/// What the target begins with.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let number = Sequence { shard: Shard(3), offset: u64::MAX };
    vec![
        br#"{"Data":"eyJpbmQiOjF9","PartitionKey":"a\u00e9","ExplicitHashKey":"340282366920938463463374607431768211455","More":[{}]}"#
            .to_vec(),
        format!(r#"{{"PartitionKey":"{number}","ExplicitHashKey":"{}","Data":null}}"#, Shard(7)).into_bytes(),
    ]
}
