//! The IPv4 subnets this host already uses, as its main routing table and its addresses tell.

use super::error::Error;
use super::netlink::Socket;
use super::netlink::parse_route;
use netlink_packet_core::Emitable;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressAttribute;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::route::RouteAddress;
use netlink_packet_route::route::RouteAttribute;
use netlink_packet_route::route::RouteMessage;
use std::net::IpAddr;
use std::net::Ipv4Addr;

const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;

/// Destinations of routes and subnets of addresses, without the default route, sorted.
pub(super) fn used(socket: &mut Socket) -> Result<Vec<(Ipv4Addr, u8)>, Error> {
    let mut route = RouteMessage::default();
    route.header.address_family = AddressFamily::Inet;
    let mut address = AddressMessage::default();
    address.header.family = AddressFamily::Inet;
    let mut messages = dump(socket, RTM_GETROUTE, &route, "routes")?;
    messages.extend(dump(socket, RTM_GETADDR, &address, "addresses")?);
    let mut subnets: Vec<_> = messages.iter().filter_map(|bytes| subnet(bytes)).collect();
    subnets.sort_unstable();
    subnets.dedup();
    Ok(subnets)
}

fn dump(
    socket: &mut Socket,
    kind: u16,
    message: &impl Emitable,
    what: &str,
) -> Result<Vec<Vec<u8>>, Error> {
    let mut body = vec![0; message.buffer_len()];
    message.emit(&mut body);
    socket
        .dump(kind, &body)
        .map_err(Error::system("list", what))
}

fn subnet(bytes: &[u8]) -> Option<(Ipv4Addr, u8)> {
    let (address, prefix) = match parse_route(bytes)? {
        RouteNetlinkMessage::NewRoute(route) => {
            let prefix = route.header.destination_prefix_length;
            let destination =
                route
                    .attributes
                    .into_iter()
                    .find_map(|attribute| match attribute {
                        RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(address),
                        _ => None,
                    })?;
            (destination, prefix)
        }
        RouteNetlinkMessage::NewAddress(message) => {
            let prefix = message.header.prefix_len;
            let address = message
                .attributes
                .into_iter()
                .find_map(|attribute| match attribute {
                    AddressAttribute::Address(IpAddr::V4(address)) => Some(address),
                    _ => None,
                })?;
            (address, prefix)
        }
        _ => return None,
    };
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    let network = Ipv4Addr::from(u32::from(address) & mask);
    (prefix > 0 && !network.is_loopback() && !network.is_multicast()).then_some((network, prefix))
}
