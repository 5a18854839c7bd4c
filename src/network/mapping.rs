//! Which packets to a host port go to which container, and which of them the kernel leaves to a proxy.

use super::nftables::ruleset::Mapping;
use super::spec::AttachmentSpec;
use super::spec::InterfaceSpec;
use super::spec::PublishedPort;
use super::veth::Membership;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

pub(super) fn mappings_of(
    attachment: &AttachmentSpec,
    ports: &[PublishedPort],
    carrier: Option<Membership<'_>>,
) -> Vec<Mapping> {
    let Some(Membership { interface, network }) = carrier else {
        return Vec::new();
    };
    let mapping = |port: &PublishedPort, host: IpAddr, container: IpAddr| Mapping {
        bridge: network.bridge.clone(),
        tcp: port.tcp,
        host: SocketAddr::new(host, port.host_port),
        container: SocketAddr::new(container, port.container_port),
        comment: attachment.container.to_string(),
    };
    let mut mappings = Vec::new();
    for port in ports {
        if let (Some(host), Some(container)) = (ipv4_host(port), interface.ipv4) {
            mappings.push(mapping(port, host.into(), container.into()));
        }
        if let (Some(host), Some(container)) = (ipv6_host(port), interface.ipv6) {
            mappings.push(mapping(port, host.into(), container.into()));
        }
    }
    mappings
}

fn ipv4_host(port: &PublishedPort) -> Option<Ipv4Addr> {
    match port.host_ip {
        None => Some(Ipv4Addr::UNSPECIFIED),
        Some(IpAddr::V4(ip)) => Some(ip),
        Some(IpAddr::V6(_)) => None,
    }
}

fn ipv6_host(port: &PublishedPort) -> Option<Ipv6Addr> {
    match port.host_ip {
        None => Some(Ipv6Addr::UNSPECIFIED),
        Some(IpAddr::V6(ip)) => Some(ip),
        Some(IpAddr::V4(_)) => None,
    }
}

/// Where a proxy must carry a port's IPv6 traffic; `None` if the kernel does it all.
pub(super) fn proxy_target(port: &PublishedPort, interface: &InterfaceSpec) -> Option<IpAddr> {
    let host = ipv6_host(port)?;
    match interface.ipv6 {
        Some(_) if !host.is_unspecified() && !host.is_loopback() => None,
        Some(ip) => Some(ip.into()),
        None => interface.ipv4.map(IpAddr::V4),
    }
}
