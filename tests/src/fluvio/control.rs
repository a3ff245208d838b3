//! The controller: which topics, partitions and data servers there are.

use std::fmt::Debug;
use std::io;
use std::net::TcpStream;
use std::sync::{Arc, PoisonError};

use fluvio_controlplane_metadata::partition::{PartitionResolution, PartitionStatus, ReplicaStatus};
use fluvio_controlplane_metadata::spu::{IngressPort, SpuStatus};
use fluvio_controlplane_metadata::topic::{TopicResolution, TopicStatus};
use fluvio_protocol::api::{ApiMessage, RequestHeader, RequestMessage};
use fluvio_protocol::link::ErrorCode;
use fluvio_protocol::link::versions::ApiVersionsRequest;
use fluvio_protocol::{Decoder, Encoder};
use fluvio_sc_schema::objects::{
    CreateRequest, ListRequest, ListResponse, Metadata, MetadataUpdate, ObjectApiCreateRequest, ObjectApiListRequest,
    ObjectApiListResponse, ObjectApiWatchRequest, ObjectApiWatchResponse, WatchRequest, WatchResponse,
};
use fluvio_sc_schema::partition::PartitionSpec;
use fluvio_sc_schema::spu::SpuSpec;
use fluvio_sc_schema::topic::TopicSpec;
use fluvio_sc_schema::{AdminPublicDecodedRequest, AdminSpec, Status, TryEncodableFrom};

use super::connection::{Connection, range, read_frame, versions};
use super::script::spend;
use super::topic::Partition;
use super::{Shared, State};

/// The data server's name for itself.
pub(super) const SPU: i32 = 5001;

/// Answers requests until the other side hangs up.
pub(super) fn serve(shared: &Arc<Shared>, connection: &Arc<Connection>, mut stream: TcpStream) -> io::Result<()> {
    let silent = shared.change(|state| spend(&mut state.script.silent_connections));
    while let Some(frame) = read_frame(&mut stream)? {
        if silent {
            continue;
        }
        match AdminPublicDecodedRequest::decode_from(&mut frame.as_slice())? {
            AdminPublicDecodedRequest::ApiVersionsRequest(asked) => connection.answer(&asked.header, able()?)?,
            AdminPublicDecodedRequest::ListRequest(asked) => {
                list::<TopicSpec>(shared, connection, &asked, topics)?;
                list::<PartitionSpec>(shared, connection, &asked, partitions)?;
            }
            AdminPublicDecodedRequest::WatchRequest(asked) => {
                watch::<TopicSpec>(shared, connection, &asked, topics)?;
                watch::<PartitionSpec>(shared, connection, &asked, partitions)?;
                watch::<SpuSpec>(shared, connection, &asked, spus)?;
            }
            AdminPublicDecodedRequest::CreateRequest(asked) => create(shared, connection, &asked)?,
            other => return Err(io::Error::other(format!("a request that is not served: {other:?}"))),
        }
    }
    Ok(())
}

fn able() -> io::Result<fluvio_protocol::link::versions::ApiVersionsResponse> {
    versions(&[
        range::<ApiVersionsRequest>(),
        range::<ObjectApiListRequest>(),
        range::<ObjectApiWatchRequest>(),
        range::<ObjectApiCreateRequest>(),
    ])
}

fn list<S>(
    shared: &Shared,
    connection: &Connection,
    asked: &RequestMessage<ObjectApiListRequest>,
    all: fn(&State, u16) -> Vec<Metadata<S>>,
) -> io::Result<()>
where
    S: AdminSpec,
    S::Status: Encoder + Decoder + Debug,
    ListRequest<S>: Encoder + Decoder + Debug,
{
    let of_this_kind: Option<ListRequest<S>> = asked.request.downcast().map_err(io::Error::other)?;
    if of_this_kind.is_none() {
        return Ok(());
    }
    let found = shared.change(|state| {
        state.lists += 1;
        all(state, shared.data_port)
    });
    let version = asked.header.api_version();
    let response = ObjectApiListResponse::try_encode_from(ListResponse::new(found), version);
    connection.answer(&asked.header, response.map_err(io::Error::other)?)
}

/// Sends all there is, at once and whenever the list is another.
fn watch<S>(
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
    asked: &RequestMessage<ObjectApiWatchRequest>,
    all: fn(&State, u16) -> Vec<Metadata<S>>,
) -> io::Result<()>
where
    S: AdminSpec + PartialEq + Send + 'static,
    S::Status: Encoder + Decoder + Send,
    WatchRequest<S>: Debug,
{
    let of_this_kind: Option<WatchRequest<S>> = asked.request.downcast().map_err(io::Error::other)?;
    if of_this_kind.is_none() {
        return Ok(());
    }
    let (shared, connection, header) = (Arc::clone(shared), Arc::clone(connection), asked.header.clone());
    std::thread::spawn(move || -> io::Result<()> {
        let mut sent = Vec::new();
        let mut state = shared.lock();
        while !connection.is_closed() {
            let found = all(&state, shared.data_port);
            if sent.len() == found.len() {
                state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            drop(state);
            send_all(&connection, &header, found.clone())?;
            sent = found;
            state = shared.lock();
        }
        Ok(())
    });
    Ok(())
}

fn send_all<S>(connection: &Connection, header: &RequestHeader, found: Vec<Metadata<S>>) -> io::Result<()>
where
    S: AdminSpec,
    S::Status: Encoder + Decoder,
{
    let update = WatchResponse::new(MetadataUpdate::with_all(0, found));
    let response = ObjectApiWatchResponse::try_encode_from(update, header.api_version());
    connection.answer(header, response.map_err(io::Error::other)?)
}

fn create(shared: &Shared, connection: &Connection, asked: &RequestMessage<ObjectApiCreateRequest>) -> io::Result<()> {
    let topic: Option<CreateRequest<TopicSpec>> = asked.request.downcast().map_err(io::Error::other)?;
    let Some((common, spec)) = topic.map(CreateRequest::parts) else {
        return Err(io::Error::other("only topics can be created"));
    };
    let partitions = spec.partitions();
    let made = shared.change(|state| {
        let fresh = !state.topics.contains_key(&common.name);
        let empty = || (0..partitions).map(|_| Partition::default()).collect();
        state.topics.entry(common.name.clone()).or_insert_with(empty);
        fresh
    });
    let code = if made { ErrorCode::None } else { ErrorCode::TopicAlreadyExists };
    connection.answer(&asked.header, Status::new(common.name, code, None))
}

fn topics(state: &State, _: u16) -> Vec<Metadata<TopicSpec>> {
    let known = state.topics.iter().map(|(name, partitions)| Metadata {
        name: name.clone(),
        spec: TopicSpec::new_computed(partitions.len() as u32, 1, None),
        status: TopicStatus { resolution: TopicResolution::Provisioned, ..TopicStatus::default() },
    });
    known.collect()
}

fn partitions(state: &State, _: u16) -> Vec<Metadata<PartitionSpec>> {
    let mut known = Vec::new();
    for (topic, partitions) in &state.topics {
        for (index, partition) in partitions.iter().enumerate() {
            let (start, end) =
                if state.script.blind_controller { (0, -1) } else { (partition.start(), partition.end()) };
            let leader = ReplicaStatus::new(SPU, end, end);
            let status = PartitionStatus::new2(leader, Vec::new(), 0, PartitionResolution::Online, start);
            known.push(Metadata { name: format!("{topic}-{index}"), spec: PartitionSpec::new(SPU, vec![SPU]), status });
        }
    }
    known
}

fn spus(_: &State, port: u16) -> Vec<Metadata<SpuSpec>> {
    let mut spec = SpuSpec::new(SPU).set_custom();
    spec.public_endpoint = IngressPort::from_port_host(port, "127.0.0.1".to_owned());
    let mut status = SpuStatus::default();
    status.set_online();
    vec![Metadata { name: format!("custom-spu-{SPU}"), spec, status }]
}
