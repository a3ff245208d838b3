//! Keys of a connector that mean nothing here, each with the reason; and those that must not be set.

use super::given::Given;

/// Keys and beginnings of keys, and why they mean nothing.
const IDLE: [(&str, &str); 33] = [
    ("tasks.max", "each partition has a worker"),
    ("storage.class", "the lake is S3"),
    ("schema.compatibility", "values have no schema here, so none changes"),
    ("schema.generator.class", "values have no schema here"),
    ("schemas.cache.config", "values have no schema here"),
    ("schema.cache.size", "values have no schema here"),
    ("key.converter", "keys are not landed"),
    ("header.converter", "headers are not landed"),
    ("value.converter.", "values are not converted"),
    ("timestamp.", "no time of a field names folders"),
    ("path.format", "folders are named otherwise"),
    ("partition.duration.ms", "folders are named otherwise"),
    ("partition.field.name", "folders are named otherwise"),
    ("locale", "folders are not named by time"),
    ("format.bytearray.", "values are not landed as bytes"),
    ("s3.part.", "an object is one request"),
    ("s3.retry.", "what the bucket does not take is sent again until it does; [lake] retry bounds the pause"),
    ("retry.backoff.ms", "what the bucket does not take is sent again until it does; [lake] retry bounds the pause"),
    ("s3.elastic.", "open objects are written out at 16 MiB in all"),
    ("s3.wan.mode", "requests go to the endpoint that [lake] names"),
    ("s3.http.", "requests are made in this program's own way"),
    ("s3.path.style.access.enabled", "the style follows from the endpoint"),
    ("s3.credentials.", "credentials come from the environment"),
    ("aws.", "credentials come from the environment, never from a file like this"),
    ("enable.conditional.writes", "every write is conditional"),
    ("max.files.scan.limit", "a key never has other bytes, so none is looked for"),
    ("partitioner.max.open.files", "with more than 1024 open objects in a partition all are ended"),
    ("report.null.values.to.dlq", "tombstones = \"reject\" makes dead letters of them"),
    ("errors.", "what cannot be landed is a dead letter, and never a stop"),
    ("consumer.override.", "topics are read from their beginning, and offsets kept in the pipeline's own commit"),
    ("producer.override.", "nothing is produced"),
    ("confluent.", "there is no licence to look for"),
    ("config.action.reload", "the file is read when the pipeline starts"),
];

/// Keys of which any value but this would make other objects, and what to do instead.
const REFUSED: [(&str, &str, &str); 7] = [
    ("store.kafka.keys", "false", "keys are not landed"),
    ("store.kafka.headers", "false", "headers are not landed"),
    ("s3.object.tagging", "false", "objects have no tags here; their metadata has their sha256"),
    ("s3.ssea.name", "", "set the encryption as the bucket's default"),
    ("s3.acl.canned", "", "set who may read as the bucket's policy"),
    ("s3.schema.partition.affix.type", "NONE", "values have no schema whose name could stand in a folder"),
    ("json.decimal.format", "BASE64", "values have no schema, and so no decimals"),
];

/// Refuses what would make other objects.
pub(super) fn refuse(given: &mut Given) {
    for (key, usual, instead) in REFUSED {
        if given.take(key).is_some_and(|value| !value.eq_ignore_ascii_case(usual)) {
            given.fault(key, instead);
        }
    }
    let transforms = given.take("transforms").is_some_and(|names| !names.trim().is_empty());
    if transforms {
        given.fault(
            "transforms",
            "they change records before they are landed; land the topic as it is, or clean it with a table",
        );
    }
    given.take_all("transforms.");
    given.take_all("predicates");
}

/// A line for each key that means nothing.
pub(super) fn comments(given: &mut Given) -> Vec<String> {
    let mut comments = Vec::new();
    for (key, why) in IDLE {
        comments.extend(given.take_all(key).into_iter().map(|key| format!("{key}: {why}")));
    }
    comments
}
