//! Waiting until the first packet passes. What the kernel leaves to its workers is not done when a request is answered, and
//! a packet lost meanwhile is sent again a second later.
//!
//! - An end of a pair that was up before its peer gets its carrier, its queue and its state as a bridge port from a
//!   worker (linkwatch); so does a bridge with its first port. Since Linux 6.8 asking for the link does the work at once.
//! - An IPv6 address can be asked for once its solicited-node group is joined, which is left to the worker of duplicate
//!   detection even where there is none.
//!
//! Best effort: after a second there is nothing to win.

use super::bridge::by_name;
use super::bridge::link_of;
use super::netlink::Batch;
use super::netlink::Socket;
use super::netlink::find_attribute;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkAttribute;
use netlink_packet_route::link::LinkExtentMask;
use std::collections::HashSet;
use std::net::Ipv6Addr;
use std::thread;
use std::time::Duration;
use std::time::Instant;

const LONGEST: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_micros(500);
const RTM_GETMULTICAST: u16 = 58;
const IFA_MULTICAST: u16 = 7;
/// `struct nlmsghdr` and `struct ifaddrmsg`.
const HEADERS: usize = 16 + 8;
/// The last field of the latter.
const LINK_INDEX: usize = HEADERS - 4;

/// Waits until packets pass through the links.
pub(super) fn links(socket: &mut Socket, mut names: Vec<String>) {
    until(|| {
        let answers = socket.exchange(&queries(&names)).unwrap_or_default();
        let mut answers = answers.iter();
        names.retain(|_| {
            let link = answers
                .next()
                .and_then(|answer| link_of(answer.reply.as_deref()?));
            link.is_some_and(|link| !link.operational)
        });
        names.is_empty()
    });
}

/// Waits until the addresses, each with the index of its link, can be asked for; `socket` was opened in their namespace.
pub(super) fn addresses6(socket: &mut Socket, addresses: &[(u32, Ipv6Addr)]) {
    if addresses.is_empty() {
        return;
    }
    let mut query = vec![0; HEADERS - 16];
    query[0] = libc::AF_INET6 as u8;
    until(|| {
        let Ok(messages) = socket.dump(RTM_GETMULTICAST, &query) else {
            return true;
        };
        let memberships: HashSet<_> = messages
            .iter()
            .filter_map(|bytes| membership(bytes))
            .collect();
        addresses
            .iter()
            .all(|(link, address)| memberships.contains(&(*link, solicited_node(*address))))
    });
}

/// Link and group of one answer.
fn membership(message: &[u8]) -> Option<(u32, Ipv6Addr)> {
    let link = message.get(LINK_INDEX..HEADERS)?.try_into().ok()?;
    let group: [u8; 16] = find_attribute(message.get(HEADERS..)?, IFA_MULTICAST)?
        .try_into()
        .ok()?;
    Some((u32::from_ne_bytes(link), group.into()))
}

fn until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONGEST;
    while !done() && Instant::now() < deadline {
        thread::sleep(STEP);
    }
}

fn queries(names: &[String]) -> Batch {
    let mut batch = Batch::default();
    for name in names {
        let mut query = by_name(name);
        let without_counters = vec![LinkExtentMask::SkipStats];
        query
            .attributes
            .push(LinkAttribute::ExtMask(without_counters));
        batch.route(RouteNetlinkMessage::GetLink(query), 0);
    }
    batch
}

/// The group in which an address is asked for (RFC 4291, 2.7.1).
fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., high, low] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | high & 0xff, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_solicited_node_group_has_the_last_three_bytes() {
        let address = "fd00::1:2:3456:789a".parse().unwrap();
        let group: Ipv6Addr = "ff02::1:ff56:789a".parse().unwrap();
        assert_eq!(solicited_node(address), group);
    }
}
