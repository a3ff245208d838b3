//! The way of a stream's records into their topic: as they come, together with what has come with them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use futures_util::StreamExt as _;
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::receipt::Target;
use super::record::{self, Shape};
use super::split::{Cut, Splitter};
use crate::access::Grant;
use crate::http::Door;
use crate::http::answer::Refusal;
use crate::http::body::Room;
use crate::http::connection::{Line, by};
use crate::http::records::{Records, Sent};
use crate::http::rest::parse::bad;
use crate::http::server::Peer;

/// Groups of one stream that wait for the disk, or for their receipts to be taken. While so many do, the next one grows.
pub(super) const GROUPS_MAX: usize = 4;
/// A group that holds so much grows no more, and neither is more read.
const GROUP_BYTES_MAX: usize = 128 << 10;
/// The same in records.
const GROUP_RECORDS_MAX: usize = 4_096;
/// The part of the body that is not yet a record is told apart in pieces of this size.
const ROOM_BYTES: usize = 64 << 10;

/// Records of a stream that go to their topic together, with what their receipts need.
pub(super) struct Group {
    /// One for each record, in order.
    pub(super) slots: Vec<Slot>,
    /// Those that were sent.
    pub(super) sent: Option<Sent>,
    _place: Option<OwnedSemaphorePermit>,
    _room: Option<OwnedSemaphorePermit>,
}

/// A record's place among the receipts.
pub(super) enum Slot {
    /// It was handed to its partition.
    Sent(Shape),
    /// It could not be read.
    Refused(Refusal),
}

/// A stream that is being read.
pub(super) struct Intake {
    door: Arc<Door>,
    target: Target,
    grant: Grant,
    line: Arc<Line>,
    frames: BodyDataStream,
    buffer: Vec<u8>,
    splitter: Splitter,
    room: Room,
    group: Growing,
    /// Since when the record that has begun comes, or nothing does.
    since: Instant,
}

/// A group before it is sent.
#[derive(Default)]
struct Growing {
    slots: Vec<Slot>,
    records: Option<Records>,
    /// Nothing comes after it.
    is_last: bool,
}

impl Intake {
    /// Waits for the first byte that is no white space, by which it is known that there is a record.
    pub(super) async fn begin(
        door: Arc<Door>,
        target: Target,
        grant: Grant,
        peer: &Peer,
        body: Body,
        mut room: Room,
    ) -> Result<Self, Refusal> {
        room.grow(ROOM_BYTES.min(door.ingest.body_bytes_max))?;
        peer.line.body();
        let mut frames = body.into_data_stream();
        let mut buffer = Vec::new();
        let end = Instant::now() + door.runtime.pipeline().listen.limits.body_pause_max;
        while buffer.iter().all(u8::is_ascii_whitespace) {
            buffer.clear();
            let Some(frame) = by(end, frames.next()).await else { return Err(too_slow()) };
            let Some(frame) = frame else {
                let message = "Payload error. Request body is empty. Data is required.";
                return Err(Refusal::coded(StatusCode::UNPROCESSABLE_ENTITY, 42206, message));
            };
            buffer.extend_from_slice(&frame.map_err(|cause| bad(format!("the body broke off: {cause}")))?);
        }
        let (line, since) = (Arc::clone(&peer.line), Instant::now());
        let (splitter, group) = (Splitter::default(), Growing::default());
        Ok(Self { door, target, grant, line, frames, buffer, splitter, room, group, since })
    }

    /// Reads to the end of the stream. Ends early, too, when nobody takes the receipts.
    pub(super) async fn run(mut self, groups: Sender<Group>) {
        let places = Arc::new(Semaphore::new(GROUPS_MAX));
        let line = Arc::clone(&self.line);
        let mut ended = std::pin::pin!(line.ended());
        self.cut().await;
        loop {
            let (is_full, is_last) = (self.group.is_full(), self.group.is_last);
            let end = self.end();
            tokio::select! {
                biased;
                // What has come goes along; then what there is goes on its way, as soon as there is a place.
                frame = by(end, self.frames.next()), if !is_full && !is_last => match frame {
                    None => self.close(Some(too_slow())),
                    Some(None) if self.splitter.is_inside() => self.close(Some(bad("EOF while parsing an object"))),
                    Some(None) => self.close(None),
                    // The client has gone, and what it sent by half is no record.
                    Some(Some(Err(_))) => self.close(None),
                    Some(Some(Ok(frame))) => {
                        let was_inside = self.splitter.is_inside();
                        self.buffer.extend_from_slice(&frame);
                        self.cut().await;
                        if !was_inside && self.splitter.is_inside() {
                            self.since = Instant::now();
                        }
                    }
                },
                place = Arc::clone(&places).acquire_owned(), if !self.group.slots.is_empty() => {
                    let group = self.group.take();
                    let Some(group) = send(&self.door, group, place.ok()).await else { return };
                    if groups.send(group).await.is_err() {
                        return;
                    }
                    if !is_last {
                        self.cut().await;
                    }
                }
                () = groups.closed() => return,
                () = ended.as_mut(), if !is_last => self.close(None),
            }
            if self.group.is_last && self.group.slots.is_empty() {
                return;
            }
        }
    }

    /// Takes the records out of the buffer, as many as the group has room for.
    async fn cut(&mut self) {
        let mut taken = 0;
        while !self.group.is_full() && !self.group.is_last {
            let rest = self.buffer.get(taken..).unwrap_or_default();
            match self.splitter.next(rest) {
                Cut::Object(end) => {
                    let read = record::read(rest.get(..end).unwrap_or_default());
                    taken += end;
                    match read {
                        Ok(read) if read.id.is_some() => self.group.slots.push(Slot::Refused(unknown_id())),
                        Ok(read) => {
                            if self.group.records.is_none() {
                                let topic = self.door.topic(&self.target.topic, &self.grant).await;
                                self.group.records = topic.map(|topic| Records::new(&self.door, topic, None, 0));
                            }
                            match &mut self.group.records {
                                Some(records) => {
                                    records.push(&read.incoming());
                                    self.group.slots.push(Slot::Sent(read.shape));
                                }
                                None => self.group.slots.push(Slot::Refused(no_topic())),
                            }
                        }
                        Err(refusal) => self.group.slots.push(Slot::Refused(refusal)),
                    }
                    self.since = Instant::now();
                }
                Cut::Stray(at) => {
                    let text = String::from_utf8_lossy(rest.get(at..).unwrap_or_default());
                    let stray = text.chars().next().unwrap_or_default();
                    self.close(Some(bad(format!(
                        "{stray:?} begins no record: each is an object, nothing stands between"
                    ))));
                }
                Cut::More => break,
            }
        }
        self.buffer.drain(..taken);
        let bytes_max = self.door.ingest.body_bytes_max;
        if !self.splitter.is_inside() && !self.group.is_full() {
            // Nothing but white space is left.
            self.splitter.moved(self.buffer.len());
            self.buffer.clear();
        } else if self.buffer.len() > bytes_max {
            let message = format!("Produce request size is larger than allowed threshold of {bytes_max} bytes.");
            self.close(Some(Refusal::plain(StatusCode::PAYLOAD_TOO_LARGE, message)));
        } else if self.room.grow(self.buffer.len()).is_err() {
            self.close(Some(Refusal::busy()));
        }
    }

    /// Nothing more is read; the reason is the last receipt.
    fn close(&mut self, reason: Option<Refusal>) {
        self.group.slots.extend(reason.map(Slot::Refused));
        self.group.is_last = true;
    }

    /// When the client is too slow: a record that has begun has the time of a body, between two there may be as much.
    fn end(&self) -> Instant {
        let limits = &self.door.runtime.pipeline().listen.limits;
        let pause: Duration = if self.splitter.is_inside() { limits.body_pause_max } else { limits.body_time_max };
        (self.since + limits.body_time_max).min(Instant::now() + pause)
    }
}

impl Growing {
    fn is_full(&self) -> bool {
        let bytes = self.records.as_ref().map_or(0, Records::bytes);
        self.slots.len() >= GROUP_RECORDS_MAX || bytes >= GROUP_BYTES_MAX
    }

    /// What there is, leaving none.
    fn take(&mut self) -> Self {
        let rest = Self { is_last: self.is_last, ..Self::default() };
        std::mem::replace(self, rest)
    }
}

/// Hands a group to its topic; none where nobody is left who could.
async fn send(door: &Door, group: Growing, place: Option<OwnedSemaphorePermit>) -> Option<Group> {
    let Growing { slots, records, .. } = group;
    let Some(records) = records.filter(|records| !records.is_empty()) else {
        return Some(Group { slots, sent: None, _place: place, _room: None });
    };
    // Groups that are on their way give theirs back; meanwhile the client is not listened to.
    let kib = records.bytes().div_ceil(1024).clamp(1, door.stream_kib_max);
    let room = Arc::clone(&door.stream_room).acquire_many_owned(u32::try_from(kib).ok()?).await.ok()?;
    let sent = records.send().await.ok()?;
    Some(Group { slots, sent: Some(sent), _place: place, _room: Some(room) })
}

fn too_slow() -> Refusal {
    Refusal::plain(StatusCode::REQUEST_TIMEOUT, "The stream's next record did not come in time.")
}

fn no_topic() -> Refusal {
    Refusal::coded(StatusCode::NOT_FOUND, 40401, "Topic not found.")
}

fn unknown_id() -> Refusal {
    Refusal::plain(StatusCode::BAD_REQUEST, "Unrecognized field \"id\" (it is for the entries of a batch)")
}
