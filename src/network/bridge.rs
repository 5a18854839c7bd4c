//! The bridge of a network: one link, its addresses, and who is on it.

use super::error::Error;
use super::netlink::Answer;
use super::netlink::Batch;
use super::netlink::Socket;
use super::netlink::parse_route;
use super::spec::NetworkSpec;
use super::spec::mac_of;
use super::sysctl;
use netlink_packet_core::Emitable;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressAttribute;
use netlink_packet_route::address::AddressFlags;
use netlink_packet_route::address::AddressHeaderFlags;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::BridgeStpState;
use netlink_packet_route::link::InfoBridge;
use netlink_packet_route::link::InfoData;
use netlink_packet_route::link::InfoKind;
use netlink_packet_route::link::LinkAttribute;
use netlink_packet_route::link::LinkFlags;
use netlink_packet_route::link::LinkInfo;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::link::State;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;

const CREATE: u16 = libc::NLM_F_CREATE as u16;
const REPLACE: u16 = libc::NLM_F_REPLACE as u16;
const RTM_GETLINK: u16 = 18;
/// MTU of bridge and veth when the network names none.
pub(super) const DEFAULT_MTU: u32 = 1500;

/// A link of this namespace, as far as we care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub index: u32,
    pub name: String,
    /// What somebody called it; ours say whose they are.
    pub alias: String,
    /// Index of the bridge it is a port of.
    pub master: Option<u32>,
    /// Whether packets pass: up, with carrier, and both taken note of.
    pub operational: bool,
}

/// Refuses a bridge of that name that somebody else made: the user may choose names that are taken.
pub(super) fn unless_foreign(socket: &mut Socket, network: &NetworkSpec) -> Result<(), Error> {
    match find(socket, &network.bridge)? {
        Some(link) if link.alias != alias(network) => Err(Error::LinkTaken {
            link: network.bridge.clone(),
            network: network.name.to_string(),
        }),
        _ => Ok(()),
    }
}

fn alias(network: &NetworkSpec) -> String {
    format!("hoist network {}", network.name)
}

/// Makes the bridge or brings it into shape; returns its index.
pub(super) fn create(socket: &mut Socket, network: &NetworkSpec) -> Result<u32, Error> {
    let mut batch = Batch::default();
    batch.route(
        RouteNetlinkMessage::NewLink(bridge_message(network)),
        CREATE,
    );
    check(socket, &batch, "create bridge", &network.bridge)?;
    set_sysctls(network)?;

    let mut batch = Batch::default();
    batch.route(RouteNetlinkMessage::SetLink(up_message(network)), 0);
    let query = batch.route(RouteNetlinkMessage::GetLink(by_name(&network.bridge)), 0);
    let answers = check(socket, &batch, "bring up bridge", &network.bridge)?;
    let link = answers[query]
        .reply
        .as_deref()
        .and_then(link_of)
        .ok_or_else(|| missing(&network.bridge))?;

    let mut batch = Batch::default();
    for (address, prefix) in addresses(network) {
        let message = address_message(link.index, address, prefix);
        batch.route(RouteNetlinkMessage::NewAddress(message), CREATE | REPLACE);
    }
    check(socket, &batch, "set the address of bridge", &network.bridge)?;
    Ok(link.index)
}

/// Removes the bridge if it exists.
pub(super) fn remove(socket: &mut Socket, name: &str) -> Result<(), Error> {
    let mut batch = Batch::default();
    batch.route(RouteNetlinkMessage::DelLink(by_name(name)), 0);
    let answers = exchange(socket, &batch, "remove bridge", name)?;
    match &answers[0].refusal {
        Some(refusal) if refusal.errno == libc::ENODEV => Ok(()),
        _ => refused(&answers, "remove bridge", name).map_or(Ok(()), Err),
    }
}

/// The link of that name.
pub(super) fn find(socket: &mut Socket, name: &str) -> Result<Option<Link>, Error> {
    let mut batch = Batch::default();
    batch.route(RouteNetlinkMessage::GetLink(by_name(name)), 0);
    let answers = exchange(socket, &batch, "look up link", name)?;
    match &answers[0].refusal {
        Some(refusal) if refusal.errno == libc::ENODEV => Ok(None),
        Some(_) => Err(refused(&answers, "look up link", name).expect("it was refused")),
        None => Ok(answers[0].reply.as_deref().and_then(link_of)),
    }
}

/// Index of the link of that name.
pub(super) fn index_of(socket: &mut Socket, name: &str) -> Result<u32, Error> {
    find(socket, name)?
        .map(|link| link.index)
        .ok_or_else(|| missing(name))
}

/// All links of this namespace.
pub(super) fn list(socket: &mut Socket) -> Result<Vec<Link>, Error> {
    let message = LinkMessage::default();
    let mut body = vec![0; message.buffer_len()];
    message.emit(&mut body);
    let messages = socket
        .dump(RTM_GETLINK, &body)
        .map_err(Error::system("list", "links"))?;
    Ok(messages.iter().filter_map(|bytes| link_of(bytes)).collect())
}

/// A message that selects a link by name.
pub(super) fn by_name(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::IfName(name.to_owned()));
    message
}

/// A message that adds an address without duplicate detection, which would keep IPv6 unusable for a second.
pub(super) fn address_message(index: u32, address: IpAddr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = prefix;
    message.attributes.push(AddressAttribute::Local(address));
    message.attributes.push(AddressAttribute::Address(address));
    match address {
        IpAddr::V4(address) => {
            message.header.family = AddressFamily::Inet;
            message
                .attributes
                .push(AddressAttribute::Broadcast(broadcast(address, prefix)));
        }
        IpAddr::V6(_) => {
            message.header.family = AddressFamily::Inet6;
            message.header.flags = AddressHeaderFlags::Nodad;
            message
                .attributes
                .push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
    }
    message
}

/// The link in a reply.
pub(super) fn link_of(bytes: &[u8]) -> Option<Link> {
    let Some(RouteNetlinkMessage::NewLink(message)) = parse_route(bytes) else {
        return None;
    };
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        alias: String::new(),
        master: None,
        operational: false,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::IfAlias(alias) => link.alias = alias,
            LinkAttribute::Controller(master) => link.master = Some(master),
            LinkAttribute::OperState(state) => link.operational = state == State::Up,
            _ => {}
        }
    }
    Some(link)
}

/// Sends a batch of which nothing may be refused.
pub(super) fn check(
    socket: &mut Socket,
    batch: &Batch,
    action: &'static str,
    name: &str,
) -> Result<Vec<Answer>, Error> {
    let answers = exchange(socket, batch, action, name)?;
    refused(&answers, action, name).map_or(Ok(answers), Err)
}

fn exchange(
    socket: &mut Socket,
    batch: &Batch,
    action: &'static str,
    name: &str,
) -> Result<Vec<Answer>, Error> {
    socket.exchange(batch).map_err(Error::system(action, name))
}

/// The first refusal among the answers as an error.
pub(super) fn refused(answers: &[Answer], action: &'static str, name: &str) -> Option<Error> {
    let refusal = answers.iter().find_map(|answer| answer.refusal.as_ref())?;
    Some(Error::Netlink {
        action,
        name: name.to_owned(),
        detail: refusal.text.clone(),
        source: io::Error::from_raw_os_error(refusal.errno),
    })
}

fn missing(name: &str) -> Error {
    Error::Netlink {
        action: "look up link",
        name: name.to_owned(),
        detail: None,
        source: io::Error::from_raw_os_error(libc::ENODEV),
    }
}

fn bridge_message(network: &NetworkSpec) -> LinkMessage {
    let mut message = by_name(&network.bridge);
    message.attributes.extend([
        // Its own address: else the bridge takes the lowest of its ports', and changes with them.
        LinkAttribute::Address(mac_of(network.gateway4, network.gateway6).to_vec()),
        LinkAttribute::Mtu(network.mtu.unwrap_or(DEFAULT_MTU)),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Bridge),
            LinkInfo::Data(InfoData::Bridge(vec![
                InfoBridge::StpState(BridgeStpState::Disabled),
                InfoBridge::ForwardDelay(0),
                // Snooping without a querier only costs: membership timers, and floods anyway.
                InfoBridge::MulticastSnooping(false),
            ])),
        ]),
    ]);
    message
}

fn up_message(network: &NetworkSpec) -> LinkMessage {
    let mut message = by_name(&network.bridge);
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message
        .attributes
        .push(LinkAttribute::IfAlias(alias(network)));
    message
}

fn set_sysctls(network: &NetworkSpec) -> Result<(), Error> {
    let bridge = &network.bridge;
    if network.subnet6.is_some() {
        sysctl::set_if_present(&format!("net/ipv6/conf/{bridge}/accept_dad"), "0")?;
        sysctl::set_if_present(&format!("net/ipv6/conf/{bridge}/accept_ra"), "0")?;
    } else {
        // No link-local address: nothing on this link speaks IPv6.
        sysctl::set_if_present(&format!("net/ipv6/conf/{bridge}/addr_gen_mode"), "1")?;
    }
    if network.internal {
        return Ok(());
    }
    // Lets answers to connections from 127.0.0.1 come back over the bridge. The ruleset drops what a container itself
    // sends to 127.0.0.0/8.
    sysctl::set(&format!("net/ipv4/conf/{bridge}/route_localnet"), "1")?;
    sysctl::set("net/ipv4/ip_forward", "1")?;
    if network.subnet6.is_some() {
        sysctl::set_if_present("net/ipv6/conf/all/forwarding", "1")?;
    }
    Ok(())
}

fn addresses(network: &NetworkSpec) -> Vec<(IpAddr, u8)> {
    let mut addresses = Vec::new();
    if let (Some((_, prefix)), Some(gateway)) = (network.subnet4, network.gateway4) {
        addresses.push((IpAddr::V4(gateway), prefix));
    }
    if let (Some((_, prefix)), Some(gateway)) = (network.subnet6, network.gateway6) {
        addresses.push((IpAddr::V6(gateway), prefix));
    }
    addresses
}

fn broadcast(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let hosts = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    Ipv4Addr::from(u32::from(address) | hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broadcast_address_fills_the_host_part() {
        let address = Ipv4Addr::new(172, 18, 0, 1);
        assert_eq!(broadcast(address, 16), Ipv4Addr::new(172, 18, 255, 255));
        assert_eq!(broadcast(address, 32), address);
        assert_eq!(broadcast(address, 0), Ipv4Addr::BROADCAST);
    }
}
