//! What the cluster does wrong, and how often.

use std::collections::VecDeque;

/// Faults to come; none by default.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// The most bytes of batches in an answer, where that is less than what the client asks for.
    pub response_bytes_max: Option<usize>,
    /// Each connection to the data server takes the first of these, and is closed when it has sent as many bytes.
    pub connection_bytes: VecDeque<usize>,
    /// So many connections to the controller are accepted and never answered.
    pub silent_connections: u32,
    /// So many streams are accepted and never served.
    pub silent_streams: u32,
    /// So many streams are refused, as by a data server that does not lead the partition.
    pub not_leader: u32,
    /// Whether the controller knows nothing of where partitions begin and end.
    pub blind_controller: bool,
    /// Whether a stream that asks for an offset which is gone begins at the earliest there is, in place of an error.
    pub jumps: bool,
}

/// Takes one from `count`, if there is one.
pub(super) fn spend(count: &mut u32) -> bool {
    let due = *count > 0;
    *count = count.saturating_sub(1);
    due
}
