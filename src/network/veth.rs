//! The pairs that join containers to bridges, and what is set at the container's end.
//!
//! A pair is made by one message: the host's end named, up and a port of the bridge, the other end born inside the
//! container's namespace, named. (That one cannot be born up: the kernel opens it before it has a peer, ENOTCONN.) It is never deleted alone (16 ms of RCU waits each): it goes with the namespace.

use super::bridge::DEFAULT_MTU;
use super::bridge::Link;
use super::bridge::address_message;
use super::bridge::by_name;
use super::bridge::check;
use super::bridge::link_of;
use super::bridge::refused;
use super::error::Error;
use super::netlink::Batch;
use super::netlink::Socket;
use super::spec::InterfaceSpec;
use super::spec::NetworkSpec;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::InfoBridgePort;
use netlink_packet_route::link::InfoData;
use netlink_packet_route::link::InfoKind;
use netlink_packet_route::link::InfoPortData;
use netlink_packet_route::link::InfoPortKind;
use netlink_packet_route::link::InfoVeth;
use netlink_packet_route::link::LinkAttribute;
use netlink_packet_route::link::LinkFlags;
use netlink_packet_route::link::LinkInfo;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::RouteAddress;
use netlink_packet_route::route::RouteAttribute;
use netlink_packet_route::route::RouteHeader;
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::route::RouteScope;
use netlink_packet_route::route::RouteType;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::os::fd::RawFd;

const CREATE: u16 = libc::NLM_F_CREATE as u16;
const EXCLUSIVE: u16 = libc::NLM_F_EXCL as u16;

/// Marks groups of links that are about to be deleted; the lower bits are our pid, so that two sweeps do not meet.
const SWEEP_GROUP: u32 = 0x6800_0000;

/// One interface on its network.
#[derive(Clone, Copy)]
pub(super) struct Membership<'a> {
    pub interface: &'a InterfaceSpec,
    pub network: &'a NetworkSpec,
}

/// Appends the message that makes a pair: host end `name` on the bridge with index `bridge`, the other in the
/// namespace `netns`.
pub(super) fn push_pair(
    batch: &mut Batch,
    member: Membership<'_>,
    name: &str,
    bridge: u32,
    netns: RawFd,
) {
    let mtu = member.network.mtu.unwrap_or(DEFAULT_MTU);
    let mac = member.interface.hardware_address();

    let mut peer = end(&member.interface.name, mtu);
    peer.attributes.push(LinkAttribute::Address(mac.to_vec()));
    peer.attributes.push(LinkAttribute::NetNsFd(netns));

    let mut host = end(name, mtu);
    set_up(&mut host);
    host.attributes.push(LinkAttribute::Controller(bridge));
    host.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    batch.route(RouteNetlinkMessage::NewLink(host), CREATE | EXCLUSIVE);
}

/// Appends the message that lets a bridge send a frame back where it came from. Needed only with br_netfilter, which
/// rewrites published ports on the bridge itself: a container's way to its own port.
pub(super) fn push_hairpin(batch: &mut Batch, name: &str) {
    push_port(batch, name, InfoBridgePort::HairpinMode(true));
}

/// Appends the message that keeps a port of a bridge from talking with other such ports.
pub(super) fn push_isolation(batch: &mut Batch, name: &str) {
    push_port(batch, name, InfoBridgePort::Isolated(true));
}

fn push_port(batch: &mut Batch, name: &str, setting: InfoBridgePort) {
    let mut message = by_name(name);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::PortKind(InfoPortKind::Bridge),
        LinkInfo::PortData(InfoPortData::BridgePort(vec![setting])),
    ]));
    batch.route(RouteNetlinkMessage::NewLink(message), 0);
}

/// Sets addresses and routes of all interfaces of a container; `socket` was opened inside its namespace. Returns the
/// IPv6 addresses, each with the index of its link.
pub(super) fn configure(
    socket: &mut Socket,
    members: &[Membership<'_>],
    container: &str,
) -> Result<Vec<(u32, Ipv6Addr)>, Error> {
    const ACTION: &str = "set the addresses of container";
    let mut queries = Batch::default();
    for member in members {
        let query = by_name(&member.interface.name);
        let mut up = query.clone();
        set_up(&mut up);
        queries.route(RouteNetlinkMessage::SetLink(up), 0);
        queries.route(RouteNetlinkMessage::GetLink(query), 0);
    }
    let answers = check(socket, &queries, ACTION, container)?;
    let mut batch = Batch::default();
    let mut ipv6 = Vec::new();
    for (member, answer) in members.iter().zip(answers.iter().skip(1).step_by(2)) {
        if let Some(link) = answer.reply.as_deref().and_then(link_of) {
            push_addresses(&mut batch, *member, link.index);
            let address = member
                .interface
                .ipv6
                .filter(|_| member.network.subnet6.is_some());
            ipv6.extend(address.map(|address| (link.index, address)));
        }
    }
    check(socket, &batch, ACTION, container).map(|_| ipv6)
}

/// Deletes links (pairs by their host ends) in one message: they are put in a group of their own, and the group deleted. One
/// by one, each would wait for RCU.
pub(super) fn delete_together(socket: &mut Socket, links: &[Link]) -> Result<(), Error> {
    if links.is_empty() {
        return Ok(());
    }
    let group = std::process::id() | SWEEP_GROUP;
    let mut batch = Batch::default();
    for link in links {
        let mut message = LinkMessage::default();
        message.header.index = link.index;
        message.attributes.push(LinkAttribute::Group(group));
        batch.route(RouteNetlinkMessage::SetLink(message), 0);
    }
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::Group(group));
    batch.route(RouteNetlinkMessage::DelLink(message), 0);
    let answers = socket
        .exchange(&batch)
        .map_err(Error::system("remove", "links"))?;
    // A pair whose namespace ends at this moment is gone already; if all are, so is the group.
    let real = answers.into_iter().filter(|answer| {
        answer
            .refusal
            .as_ref()
            .is_some_and(|refusal| refusal.errno != libc::ENODEV)
    });
    refused(&real.collect::<Vec<_>>(), "remove", "links").map_or(Ok(()), Err)
}

fn push_addresses(batch: &mut Batch, member: Membership<'_>, index: u32) {
    let Membership { interface, network } = member;
    let mut address = |address: IpAddr, prefix: u8| {
        let message = address_message(index, address, prefix);
        batch.route(RouteNetlinkMessage::NewAddress(message), CREATE | EXCLUSIVE);
    };
    let four = interface.ipv4.zip(network.subnet4);
    if let Some((ipv4, (_, prefix))) = four {
        address(ipv4.into(), prefix);
    }
    for ip in &interface.link_local {
        address(*ip, if ip.is_ipv4() { 16 } else { 64 });
    }
    let six = interface.ipv6.zip(network.subnet6);
    if let Some((ipv6, (_, prefix))) = six {
        // The namespace makes no link-local addresses by itself (see `netns`), and neighbours are asked from one.
        address(link_local(interface.hardware_address()).into(), 64);
        address(ipv6.into(), prefix);
    }
    if !interface.default_route || network.internal {
        return;
    }
    let gateway4 = four.and(network.gateway4).map(IpAddr::V4);
    let gateway6 = six.and(network.gateway6).map(IpAddr::V6);
    for gateway in gateway4.into_iter().chain(gateway6) {
        let route = default_route(gateway, index);
        batch.route(RouteNetlinkMessage::NewRoute(route), CREATE);
    }
}

fn set_up(message: &mut LinkMessage) {
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
}

/// One end of a pair. A single queue: each one more is two objects in sysfs.
fn end(name: &str, mtu: u32) -> LinkMessage {
    let mut message = by_name(name);
    message.attributes.extend([
        LinkAttribute::Mtu(mtu),
        LinkAttribute::NumTxQueues(1),
        LinkAttribute::NumRxQueues(1),
    ]);
    message
}

fn default_route(gateway: IpAddr, index: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = if gateway.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message
        .attributes
        .push(RouteAttribute::Gateway(RouteAddress::from(gateway)));
    message.attributes.push(RouteAttribute::Oif(index));
    message
}

/// The link-local address of a MAC address (RFC 4291, appendix A).
fn link_local(mac: [u8; 6]) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac;
    let pair = u16::from_be_bytes;
    Ipv6Addr::new(
        0xfe80,
        0,
        0,
        0,
        pair([a ^ 2, b]),
        pair([c, 0xff]),
        pair([0xfe, d]),
        pair([e, f]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_addresses_follow_the_mac_address() {
        let address = link_local([0x02, 0x42, 172, 18, 0, 2]);
        assert_eq!(address, "fe80::42:acff:fe12:2".parse::<Ipv6Addr>().unwrap());
    }
}
