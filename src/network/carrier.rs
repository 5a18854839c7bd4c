//! The interface of a container that its published ports lead to, and what becomes of their sockets there.

use super::endpoint::Published;
use super::nftables::ruleset::Mapping;
use super::publish::Reservation;
use super::spec::AttachmentSpec;
use super::spec::InterfaceSpec;
use super::spec::NetworkSpec;
use super::spec::PortSpec;
use super::spec::PublishedPort;
use super::veth::Membership;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

/// The interface that published ports lead to: that of the default route, else the first that leads out at all.
pub(super) fn carrier<'a>(members: &[Membership<'a>]) -> Option<Membership<'a>> {
    let open = || {
        members
            .iter()
            .filter(|member| !member.network.internal && member.network.has_bridge())
    };
    open()
        .find(|member| member.interface.default_route)
        .or_else(|| open().next())
        .copied()
}

pub(super) fn member<'a>(
    interface: &'a InterfaceSpec,
    networks: &'a [NetworkSpec],
) -> Option<Membership<'a>> {
    let network = networks
        .iter()
        .find(|network| network.name == interface.network)?;
    Some(Membership { interface, network })
}

/// The kernel mappings of the ports of a container.
pub(super) fn mappings(
    attachment: &AttachmentSpec,
    ports: &[PublishedPort],
    networks: &[NetworkSpec],
) -> Vec<Mapping> {
    mappings_of(attachment, ports, carrier(&members(attachment, networks)))
}

/// The memberships of a container in `networks`.
pub(super) fn members<'a>(
    attachment: &'a AttachmentSpec,
    networks: &'a [NetworkSpec],
) -> Vec<Membership<'a>> {
    let known = attachment.interfaces.iter();
    known
        .filter_map(|interface| member(interface, networks))
        .collect()
}

/// What of a port can be published for a container with that interface: nothing carries what comes to an IPv4 address of
/// the host to a container that has IPv6 alone.
pub(super) fn reachable(spec: &PortSpec, interface: &InterfaceSpec) -> Option<PortSpec> {
    let host_ip = match (interface.ipv4, spec.host_ip) {
        (None, None) => Some(Ipv6Addr::UNSPECIFIED.into()),
        (None, Some(IpAddr::V4(_))) => return None,
        (_, host_ip) => host_ip,
    };
    Some(PortSpec {
        host_ip,
        ..spec.clone()
    })
}

/// Tells the sockets that only reserve from those that a proxy serves.
pub(super) fn sort(reservations: Vec<Reservation>, carrier: &InterfaceSpec) -> Published {
    let mut published = Published {
        ports: reservations.iter().map(|r| r.port.clone()).collect(),
        ..Published::default()
    };
    for reservation in reservations {
        published.reservations.extend(reservation.ipv4);
        let Some(socket) = reservation.ipv6 else {
            continue;
        };
        let port = &reservation.port;
        match proxy_target(port, carrier) {
            Some(ip) => {
                let target = SocketAddr::new(ip, port.container_port);
                published.proxies.push((socket, port.tcp, target));
            }
            None => published.reservations.push(socket),
        }
    }
    published
}

/// The kernel mappings of ports that lead to `carrier`.
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
fn proxy_target(port: &PublishedPort, interface: &InterfaceSpec) -> Option<IpAddr> {
    let host = ipv6_host(port)?;
    match interface.ipv6 {
        Some(_) if !host.is_unspecified() && !host.is_loopback() => None,
        Some(ip) => Some(ip.into()),
        None => interface.ipv4.map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NetworkName;
    use std::net::Ipv4Addr;

    #[test]
    fn nothing_of_the_hosts_ipv4_leads_to_a_container_without() {
        let interface = |ipv4| InterfaceSpec {
            network: NetworkName::new("a").unwrap(),
            name: "eth0".to_owned(),
            ipv4,
            ipv6: Some(Ipv6Addr::LOCALHOST),
            link_local: Vec::new(),
            mac: None,
            default_route: true,
        };
        let both = interface(Some(Ipv4Addr::new(10, 0, 0, 2)));
        let six = interface(None);
        let any6 = Some(IpAddr::from(Ipv6Addr::UNSPECIFIED));
        let local4 = Some(IpAddr::from(Ipv4Addr::LOCALHOST));
        let local6 = Some(IpAddr::from(Ipv6Addr::LOCALHOST));
        let of = |host_ip, interface| {
            let spec = PortSpec {
                tcp: true,
                host_ip,
                host_ports: (80, 80),
                container_port: 80,
            };
            reachable(&spec, interface).map(|spec| spec.host_ip)
        };
        for host_ip in [None, local4, local6] {
            assert_eq!(of(host_ip, &both), Some(host_ip));
        }
        assert_eq!(of(None, &six), Some(any6));
        assert_eq!(of(local4, &six), None);
        assert_eq!(of(local6, &six), Some(local6));
    }
}
