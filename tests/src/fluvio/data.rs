//! The data server: takes batches, and streams them.

use std::io;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fluvio_protocol::api::{Request, RequestHeader};
use fluvio_protocol::bytes::{Buf, BufMut};
use fluvio_protocol::link::ErrorCode;
use fluvio_protocol::link::versions::ApiVersionsRequest;
use fluvio_protocol::{Decoder, Encoder, Version};
use fluvio_spu_schema::fetch::FetchablePartitionResponse;
use fluvio_spu_schema::produce::{
    DefaultProduceRequest, PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use fluvio_spu_schema::server::fetch_offset::{
    FetchOffsetPartitionResponse, FetchOffsetTopicResponse, FetchOffsetsRequest, FetchOffsetsResponse,
};
use fluvio_spu_schema::server::stream_fetch::{DefaultStreamFetchRequest, StreamFetchResponse};
use fluvio_spu_schema::server::update_offset::{UpdateOffsetsRequest, UpdateOffsetsResponse};

use super::connection::{Connection, range, read_frame, versions};
use super::script::spend;
use super::topic::Partition;
use super::{Shared, State};

/// The acknowledgements of a connection's streams.
type Acks = Arc<Mutex<Vec<Ack>>>;

#[derive(Clone, Copy)]
struct Ack {
    stream: u32,
    offset: i64,
}

/// Answers requests until the other side hangs up.
pub(super) fn serve(shared: &Arc<Shared>, connection: &Arc<Connection>, mut stream: TcpStream) -> io::Result<()> {
    if let Some(bytes) = shared.change(|state| state.script.connection_bytes.pop_front()) {
        connection.close_after(bytes);
    }
    let acks = Acks::default();
    while let Some(frame) = read_frame(&mut stream)? {
        let mut body = frame.as_slice();
        let header = RequestHeader::decode_from(&mut body, 0)?;
        let version = header.api_version();
        match header.api_key() {
            ApiVersionsRequest::API_KEY => connection.answer(&header, able()?)?,
            DefaultProduceRequest::API_KEY => {
                let asked = DefaultProduceRequest::decode_from(&mut body, version)?;
                connection.answer(&header, shared.change(|state| produce(state, asked))?)?;
            }
            FetchOffsetsRequest::API_KEY => {
                let asked = FetchOffsetsRequest::decode_from(&mut body, version)?;
                let found = offsets(&shared.lock(), asked);
                connection.answer(&header, found)?;
            }
            DefaultStreamFetchRequest::API_KEY => {
                let asked = DefaultStreamFetchRequest::decode_from(&mut body, version)?;
                fetch(shared, connection, &acks, header, asked)?;
            }
            UpdateOffsetsRequest::API_KEY => {
                let asked = UpdateOffsetsRequest::decode_from(&mut body, version)?;
                let new = asked.offsets.iter().map(|ack| Ack { stream: ack.session_id, offset: ack.offset });
                shared.change(|_| lock(&acks).extend(new));
                connection.answer(&header, UpdateOffsetsResponse::default())?;
            }
            other => return Err(io::Error::other(format!("a request that is not served: {other}"))),
        }
    }
    Ok(())
}

fn able() -> io::Result<fluvio_protocol::link::versions::ApiVersionsResponse> {
    versions(&[
        range::<ApiVersionsRequest>(),
        range::<DefaultProduceRequest>(),
        range::<FetchOffsetsRequest>(),
        range::<DefaultStreamFetchRequest>(),
        range::<UpdateOffsetsRequest>(),
    ])
}

fn produce(state: &mut State, asked: DefaultProduceRequest) -> io::Result<ProduceResponse> {
    let mut response = ProduceResponse::default();
    for topic in asked.topics {
        let mut partitions = Vec::new();
        for data in topic.partitions {
            let mut done = PartitionProduceResponse {
                partition_index: data.partition_index,
                ..PartitionProduceResponse::default()
            };
            match find(state, &topic.name, data.partition_index) {
                Some(partition) => {
                    done.base_offset = partition.end();
                    for batch in data.records.batches {
                        partition.store(batch)?;
                    }
                }
                None => done.error_code = ErrorCode::NotLeaderForPartition,
            }
            partitions.push(done);
        }
        response.responses.push(TopicProduceResponse { name: topic.name, partitions });
    }
    Ok(response)
}

fn offsets(state: &State, asked: FetchOffsetsRequest) -> FetchOffsetsResponse {
    let mut response = FetchOffsetsResponse::default();
    for topic in asked.topics {
        let mut partitions = Vec::new();
        for index in topic.partitions.iter().map(|p| p.partition_index) {
            let known = state.topics.get(&topic.name).and_then(|all| all.get(index as usize));
            let mut found = FetchOffsetPartitionResponse { partition_index: index, ..Default::default() };
            match known {
                Some(partition) => {
                    (found.start_offset, found.last_stable_offset) = (partition.start(), partition.end())
                }
                None => found.error_code = ErrorCode::NotLeaderForPartition,
            }
            partitions.push(found);
        }
        response.topics.push(FetchOffsetTopicResponse { name: topic.name, partitions });
    }
    response
}

/// Begins a stream, in a thread of its own.
fn fetch(
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
    acks: &Acks,
    header: RequestHeader,
    asked: DefaultStreamFetchRequest,
) -> io::Result<()> {
    let (id, refused, silent) = shared.change(|state| {
        state.streams += 1;
        let refused = spend(&mut state.script.not_leader);
        (state.streams, refused, !refused && spend(&mut state.script.silent_streams))
    });
    if refused {
        return connection.answer(&header, response(&asked, 0, ErrorCode::NotLeaderForPartition, Raw::default()));
    }
    if !silent {
        let (shared, connection, acks) = (Arc::clone(shared), Arc::clone(connection), Arc::clone(acks));
        std::thread::spawn(move || stream(&shared, &connection, &acks, &header, &asked, id));
    }
    Ok(())
}

/// Sends what there is from an offset on, and more from where the client acknowledges.
///
/// As in the real one, an acknowledgement decides alone where the next answer begins, and a client that does not
/// acknowledge gets nothing more.
fn stream(
    shared: &Shared,
    connection: &Connection,
    acks: &Acks,
    header: &RequestHeader,
    asked: &DefaultStreamFetchRequest,
    id: u32,
) -> io::Result<()> {
    let mut next = Some(asked.fetch_offset);
    let mut state = shared.lock();
    while !connection.is_closed() {
        if let Some(ack) = lock(acks).iter().rev().find(|ack| ack.stream == id) {
            next = Some(ack.offset.max(asked.fetch_offset));
        }
        let jumps = state.script.jumps;
        let bytes_max = state.script.response_bytes_max.unwrap_or(usize::MAX).min(asked.max_bytes as usize);
        let partition = find(&mut state, &asked.topic, asked.partition);
        let answer = match (next, partition) {
            (Some(next), Some(partition)) if next < partition.start() && !jumps => {
                let evicted = ErrorCode::OffsetEvicted { offset: next, next_available: partition.start() };
                Some((evicted, Raw::default()))
            }
            (Some(next), Some(partition)) if next < partition.end() => {
                Some((ErrorCode::None, Raw(partition.slice(next, bytes_max))))
            }
            _ => None,
        };
        match answer {
            Some((code, bytes)) => {
                lock(acks).retain(|ack| ack.stream != id);
                drop(state);
                connection.answer(header, response(asked, id, code, bytes))?;
                next = None;
                state = shared.lock();
            }
            None => state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }
    Ok(())
}

fn response(
    asked: &DefaultStreamFetchRequest,
    stream_id: u32,
    error_code: ErrorCode,
    records: Raw,
) -> StreamFetchResponse<Raw> {
    let partition_index = asked.partition;
    let partition =
        FetchablePartitionResponse { partition_index, error_code, records, ..FetchablePartitionResponse::default() };
    StreamFetchResponse { topic: asked.topic.clone(), stream_id, partition }
}

fn find<'a>(state: &'a mut State, topic: &str, partition: u32) -> Option<&'a mut Partition> {
    state.topics.get_mut(topic)?.get_mut(partition as usize)
}

fn lock(acks: &Acks) -> MutexGuard<'_, Vec<Ack>> {
    acks.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Batches as they lie in the file, perhaps cut.
#[derive(Debug, Default)]
struct Raw(Vec<u8>);

impl Encoder for Raw {
    fn write_size(&self, _: Version) -> usize {
        4 + self.0.len()
    }

    fn encode<T: BufMut>(&self, out: &mut T, _: Version) -> io::Result<()> {
        out.put_i32(self.0.len() as i32);
        out.put_slice(&self.0);
        Ok(())
    }
}

impl Decoder for Raw {
    fn decode<T: Buf>(&mut self, from: &mut T, _: Version) -> io::Result<()> {
        let len = from.try_get_i32().map_err(io::Error::other)?;
        self.0 = from.copy_to_bytes(from.remaining().min(len as usize)).to_vec();
        Ok(())
    }
}
