//! A Fluvio cluster in this process, which does wrong on demand.
//!
//! It speaks the protocol of the published schema crates over loopback, keeps topics in memory, and sends batches as
//! the real one does: as stored, cut at the size that the client asked for, from where the client acknowledged.
//! A [`script::Script`] says what goes wrong. Threads and blocking sockets only, so that a fault is where it is made.

mod connection;
mod control;
mod data;
pub mod script;
pub mod topic;

use std::collections::BTreeMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use self::connection::Connection;
use self::script::Script;
use self::topic::Partition;

/// A topic that is always there: the client takes an empty list of topics for no answer, and waits a minute for one.
const ALWAYS: &str = "always";

/// A cluster of one controller and one data server; stops when it is dropped.
pub struct Server {
    control: SocketAddr,
    shared: Arc<Shared>,
    acceptors: Vec<JoinHandle<()>>,
}

/// The two halves of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What knows the topics.
    Control,
    /// What keeps the records.
    Data,
}

/// What all connections see.
struct Shared {
    data_port: u16,
    state: Mutex<State>,
    /// Something in the state is another than before.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    topics: BTreeMap<String, Vec<Partition>>,
    script: Script,
    running: bool,
    open: Vec<(Part, TcpStream)>,
    streams: u32,
    lists: u64,
}

impl Server {
    /// Starts a cluster on free ports of loopback.
    pub fn start() -> io::Result<Self> {
        let control = TcpListener::bind("127.0.0.1:0")?;
        let data = TcpListener::bind("127.0.0.1:0")?;
        let topics = BTreeMap::from([(ALWAYS.to_owned(), vec![Partition::default()])]);
        let state = Mutex::new(State { topics, running: true, ..State::default() });
        let shared = Arc::new(Shared { data_port: data.local_addr()?.port(), state, changed: Condvar::new() });
        let address = control.local_addr()?;
        let acceptors = vec![accept(control, &shared, Part::Control), accept(data, &shared, Part::Data)];
        Ok(Self { control: address, shared, acceptors })
    }

    /// The address that clients connect to.
    pub fn address(&self) -> String {
        self.control.to_string()
    }

    /// Makes a topic with so many empty partitions, in place of one of the same name.
    pub fn create(&self, topic: &str, partitions: usize) {
        let partitions = (0..partitions).map(|_| Partition::default()).collect();
        self.shared.change(|state| state.topics.insert(topic.to_owned(), partitions));
    }

    /// Lets `work` change a partition: append to it, or let its beginning go.
    pub fn partition(&self, topic: &str, partition: usize, work: impl FnOnce(&mut Partition)) {
        self.shared.change(|state| {
            if let Some(partition) = state.topics.get_mut(topic).and_then(|all| all.get_mut(partition)) {
                work(partition);
            }
        });
    }

    /// Lets `work` change what goes wrong.
    pub fn script(&self, work: impl FnOnce(&mut Script)) {
        self.shared.change(|state| work(&mut state.script));
    }

    /// How many streams were asked for so far.
    pub fn streams(&self) -> u32 {
        self.shared.lock().streams
    }

    /// How often the controller was asked for a list so far.
    pub fn lists(&self) -> u64 {
        self.shared.lock().lists
    }

    /// Closes all connections and both ports; topics stay.
    pub fn stop(&mut self) {
        self.shared.change(|state| state.running = false);
        for port in [self.control.port(), self.shared.data_port] {
            // A connection of our own, so that the acceptor looks up.
            let _ = TcpStream::connect(("127.0.0.1", port));
        }
        for acceptor in self.acceptors.drain(..) {
            let _ = acceptor.join();
        }
        self.hang_up(&[Part::Control, Part::Data]);
    }

    /// Opens the same ports again.
    pub fn restart(&mut self) -> io::Result<()> {
        let control = TcpListener::bind(self.control)?;
        let data = TcpListener::bind(("127.0.0.1", self.shared.data_port))?;
        self.shared.change(|state| state.running = true);
        self.acceptors = vec![accept(control, &self.shared, Part::Control), accept(data, &self.shared, Part::Data)];
        Ok(())
    }

    /// Closes all connections to these parts that are open now.
    pub fn hang_up(&self, parts: &[Part]) {
        self.shared.change(|state| {
            state.open.retain(|(part, connection)| {
                let stays = !parts.contains(part);
                if !stays {
                    let _ = connection.shutdown(Shutdown::Both);
                }
                stays
            });
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let done = work(&mut self.lock());
        self.changed.notify_all();
        done
    }
}

fn accept(listener: TcpListener, shared: &Arc<Shared>, part: Part) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    let serve = match part {
        Part::Control => control::serve,
        Part::Data => data::serve,
    };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if !shared.lock().running {
                return;
            }
            let Ok((connection, stream)) = stream.and_then(|stream| Connection::open(stream, part, &shared)) else {
                continue;
            };
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                // An error is the end of the connection, and nothing else.
                let _ = serve(&shared, &connection, stream);
                connection.close();
                shared.changed.notify_all();
            });
        }
    })
}
