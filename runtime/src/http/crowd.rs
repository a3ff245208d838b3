//! The connections of a listener: how many there are, from where, which of them goes when there are too many.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::{Line, within};
use crate::config::plan::ListenLimits;

/// How long a place is waited for before another connection is asked to give up its own.
const CHOICE_TIME: Duration = Duration::from_millis(10);

/// Those that are open.
pub(super) struct Crowd {
    room: Arc<Semaphore>,
    address_connections_max: usize,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    next: u64,
    lines: BTreeMap<u64, Arc<Line>>,
    by_address: BTreeMap<IpAddr, usize>,
}

/// The place of a connection; dropped, it is free again.
pub(super) struct Place {
    crowd: Arc<Crowd>,
    number: u64,
    address: IpAddr,
    /// The connection as others see it.
    pub(super) line: Arc<Line>,
    _permit: OwnedSemaphorePermit,
}

impl Crowd {
    /// One with room for as many as the limits say.
    pub(super) fn new(limits: &ListenLimits) -> Arc<Self> {
        let room = Arc::new(Semaphore::new(limits.connections_max));
        let address_connections_max = limits.address_connections_max;
        Arc::new(Self { room, address_connections_max, inside: Mutex::default() })
    }

    /// A place for a connection from `address`; none where that has as many as it may have.
    ///
    /// Where all places are taken, the connection that has waited longest for its client gives its own up. While none
    /// waits for its client, this one waits.
    pub(super) async fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let (address, shared) = (network(address), shared(address));
        let taken = |crowd: &Self| *crowd.inside().by_address.get(&address).unwrap_or(&0);
        if !shared && taken(self) >= self.address_connections_max {
            return None;
        }
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() {
                break permit;
            }
            self.close_longest_waiting();
            // Who was to go may have been heard from just then: after a while another is chosen.
            if let Some(permit) = within(CHOICE_TIME, Arc::clone(&self.room).acquire_owned()).await {
                break permit.ok()?;
            }
        };
        let line = Arc::new(Line::new());
        let mut inside = self.inside();
        let number = inside.next;
        inside.next += 1;
        inside.lines.insert(number, Arc::clone(&line));
        *inside.by_address.entry(address).or_default() += 1;
        drop(inside);
        Some(Place { crowd: Arc::clone(self), number, address, line, _permit: permit })
    }

    fn close_longest_waiting(&self) {
        let inside = self.inside();
        let waiting = inside.lines.values().filter_map(|line| Some((line.waiting_since()?, line)));
        if let Some((_, line)) = waiting.min_by_key(|(since, _)| *since) {
            line.close();
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.crowd.inside();
        inside.lines.remove(&self.number);
        if let Some(count) = inside.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                inside.by_address.remove(&self.address);
            }
        }
    }
}

/// Whether an address stands for many clients: every program on this machine has it, and every proxy.
pub(super) fn shared(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address == Ipv4Addr::LOCALHOST || address == Ipv6Addr::LOCALHOST
}

/// The address that is counted: of IPv6 its /64, all of which one client has.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    fn crowd(connections_max: usize, address_connections_max: usize) -> Arc<Crowd> {
        Crowd::new(&ListenLimits { connections_max, address_connections_max, ..ListenLimits::default() })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn an_address_has_so_many_and_no_more() {
        let crowd = crowd(100, 2);
        let count = async |addresses: &[&str]| {
            let mut places = Vec::new();
            for text in addresses {
                places.extend(crowd.enter(address(text)).await);
            }
            places.len()
        };
        assert_eq!(count(&["10.0.0.1", "10.0.0.1", "10.0.0.1"]).await, 2);
        assert_eq!(count(&["10.0.0.1", "10.0.0.2", "10.0.0.1"]).await, 3, "places were given back");
        assert_eq!(count(&["::ffff:10.0.0.1", "10.0.0.1", "10.0.0.1"]).await, 2);
        assert_eq!(count(&["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::"]).await, 3);
        assert_eq!(count(&["127.0.0.1", "127.0.0.1", "127.0.0.1", "::1", "::1", "::1"]).await, 6);
        assert_eq!(count(&["127.0.0.2", "127.0.0.2", "127.0.0.2"]).await, 2);
    }

    #[tokio::test]
    async fn who_has_waited_longest_goes() {
        let crowd = crowd(3, 3);
        let mut places = Vec::new();
        for _ in 0..3 {
            places.push(crowd.enter(address("127.0.0.1")).await.unwrap());
        }
        places[0].line.work();
        let (oldest, entering) = (Arc::clone(&places[1].line), crowd.enter(address("127.0.0.1")));
        let mut entering = std::pin::pin!(entering);
        assert!(within(SOON, entering.as_mut()).await.is_none(), "there is no place yet");
        assert!(within(SOON, oldest.closed()).await.is_some(), "the first that waits for its client");
        assert!(within(SOON, places[2].line.closed()).await.is_none());
        places.remove(1);
        assert!(within(SOON, entering).await.is_some());
    }
}
