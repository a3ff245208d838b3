//! An S3 server that follows a script of faults, and keeps the history of each key.

mod fault;
mod store;
mod wire;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

pub use self::fault::{Fault, Reply, When};
use self::store::Store;
pub use self::store::{Conditions, Habits, Version};
use self::wire::{Answer, Connection, Request};

/// The only bucket.
pub const BUCKET: &str = "lake-of-faults";
/// Nothing is held back for longer, so that a test which fails ends.
const HOLD_TIME_MAX: Duration = Duration::from_secs(60);

/// The running server; it ends when it is dropped.
pub struct Server {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

/// A request that came, and what was done to it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `PUT`, `HEAD`, `GET`.
    pub method: String,
    /// The object's key; empty for the bucket itself.
    pub key: String,
    /// What stood behind the question mark.
    pub query: String,
    /// The fault, where it met one.
    pub fault: Option<Fault>,
}

#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    store: Store,
    /// The faults of the next requests, by table: the first word of their keys.
    scripts: HashMap<String, VecDeque<Fault>>,
    /// The fault of all requests of a table, after those of its script.
    lasting: HashMap<String, Fault>,
    /// The fault of all requests whatsoever.
    outage: Option<Fault>,
    seen: Vec<Seen>,
}

impl Server {
    /// Listens on a free port of loopback.
    pub fn start(habits: Habits) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let addr = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared::default());
        shared.state().store.habits = habits;
        let serving = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection that a client breaks is no news.
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { addr, shared, _runtime: runtime }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The next requests of a table meet these faults, in their order.
    pub fn script(&self, table: &str, faults: impl IntoIterator<Item = Fault>) {
        self.shared.state().scripts.entry(table.to_owned()).or_default().extend(faults);
    }

    /// All requests of a table meet this fault, or none any more.
    pub fn lasting(&self, table: &str, fault: Option<Fault>) {
        let mut state = self.shared.state();
        match fault {
            Some(fault) => _ = state.lasting.insert(table.to_owned(), fault),
            None => _ = state.lasting.remove(table),
        }
    }

    /// All requests meet this fault, or none any more.
    pub fn outage(&self, fault: Option<Fault>) {
        self.shared.state().outage = fault;
    }

    /// All that was ever stored, by key, oldest first.
    pub fn history(&self) -> BTreeMap<String, Vec<Version>> {
        self.shared.state().store.history.clone()
    }

    /// What is there now, by key.
    pub fn objects(&self) -> BTreeMap<String, Version> {
        self.shared.state().store.objects.clone()
    }

    /// Removes an object, as a person does; its history is forgotten.
    pub fn remove(&self, key: &str) {
        let mut state = self.shared.state();
        state.store.objects.remove(key);
        state.store.history.remove(key);
    }

    /// The requests that came, in their order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.clone()
    }

    /// Faults that have not been met yet.
    pub fn left(&self) -> usize {
        self.shared.state().scripts.values().map(VecDeque::len).sum()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The fault that a request meets, which is noted.
    fn meet(&mut self, request: &Request) -> Option<Fault> {
        let table = request.key.split('/').next().unwrap_or_default();
        let script = self.scripts.get_mut(table);
        let scripted = || script.and_then(VecDeque::pop_front).or_else(|| self.lasting.get(table).copied());
        let fault = self.outage.or_else(scripted);
        let Request { method, key, query, .. } = request;
        self.seen.push(Seen { method: method.clone(), key: key.clone(), query: query.clone(), fault });
        fault
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let mut connection = Connection::new(stream);
    while let Some(mut request) = connection.head().await? {
        let fault = shared.state().meet(&request);
        if fault.is_some_and(|fault| fault.reply == Reply::ResetEarly) {
            return connection.reset();
        }
        connection.body(&mut request).await?;
        match fault {
            None => {
                let answer = shared.state().store.answer(&request);
                connection.send(&answer, &request).await?;
            }
            Some(fault) => {
                if !err(&mut connection, &shared, request, fault).await? {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Does to a request what its fault says; false where the connection is over.
async fn err(connection: &mut Connection, shared: &Arc<Shared>, request: Request, fault: Fault) -> io::Result<bool> {
    if fault.reply == Reply::Foreign {
        shared.state().store.plant(&request.key);
    }
    let done = (fault.when == When::After).then(|| shared.state().store.answer(&request));
    // What was to be said, had nothing gone wrong.
    let due = done.unwrap_or_else(|| Answer::status(200));
    match fault.reply {
        Reply::Foreign => {
            let answer = shared.state().store.answer(&request);
            connection.send(&answer, &request).await?;
        }
        Reply::Status(status, code) => connection.send(&Answer::error(status, code), &request).await?,
        Reply::Empty => connection.send(&Answer::status(200), &request).await?,
        Reply::ErrorBody => connection.send(&Answer::error(200, "InternalError"), &request).await?,
        Reply::OtherChecksum => connection.send(&due.with_other_checksum(), &request).await?,
        Reply::OtherEtag => connection.send(&due.with_other_etag(), &request).await?,
        Reply::Drip(pause_ms) => connection.drip(&due, &request, Duration::from_millis(pause_ms)).await?,
        Reply::Cut(bytes) => {
            connection.cut(&due, &request, bytes).await?;
            return Ok(false);
        }
        Reply::Hang => {
            connection.hang(HOLD_TIME_MAX).await;
            return Ok(false);
        }
        Reply::Straggle => {
            // The client has given up long before it is stored.
            connection.hang(HOLD_TIME_MAX).await;
            shared.state().store.answer(&request);
            return Ok(false);
        }
        Reply::Reset | Reply::ResetEarly => {
            connection.reset()?;
            return Ok(false);
        }
    }
    Ok(true)
}
