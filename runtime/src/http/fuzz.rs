//! What clients send to the doors beside the REST proxy, under bytes that nobody meant.

pub(crate) use super::gateway::fuzz as gateway;
pub(crate) use super::kinesis::fuzz as kinesis;
