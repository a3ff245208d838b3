//! What of Kinesis is not offered, and what to do instead.

use super::fault::Fault;

/// Actions that Kinesis has and this does not, and what to do instead.
const NOT_OFFERED: [(&[&str], &str); 6] = [
    (
        &["IncreaseStreamRetentionPeriod", "DecreaseStreamRetentionPeriod"],
        "how long records are kept is the topic's retention in the pipeline file",
    ),
    (
        &["SplitShard", "MergeShards", "UpdateShardCount", "UpdateStreamMode"],
        "a topic can be given more partitions in the pipeline file, and never fewer",
    ),
    (
        &[
            "RegisterStreamConsumer",
            "DeregisterStreamConsumer",
            "DescribeStreamConsumer",
            "ListStreamConsumers",
            "SubscribeToShard",
        ],
        "enhanced fan-out is not offered, read with GetRecords",
    ),
    (&["StartStreamEncryption", "StopStreamEncryption"], "encrypt the disk that holds the data folder"),
    (&["EnableEnhancedMonitoring", "DisableEnhancedMonitoring"], "the figures are at /metrics of the admin listener"),
    (
        &[
            "AddTagsToStream",
            "RemoveTagsFromStream",
            "TagResource",
            "UntagResource",
            "ListTagsForResource",
            "PutResourcePolicy",
            "GetResourcePolicy",
            "DeleteResourcePolicy",
            "UpdateMaxRecordSize",
            "UpdateStreamWarmThroughput",
            "DescribeAccountSettings",
            "UpdateAccountSettings",
        ],
        "a topic is set up in the pipeline file, and access in the file of access keys",
    ),
];

/// What Kinesis has and this does not, or nobody has.
pub(super) fn not_offered(action: &str) -> Fault {
    match NOT_OFFERED.iter().find(|(actions, _)| actions.contains(&action)) {
        Some((_, instead)) => {
            Fault::new("UnsupportedOperationException", format!("{action} is not offered: {instead}."))
        }
        None => Fault::new("UnknownOperationException", format!("{action} is no action of Kinesis_20131202.")),
    }
}
