//! What the network layer is told. Serialised into records of the state folder.

use crate::id::ContainerId;
use crate::id::NetworkName;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A project network, fully decided (addresses chosen).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// User-visible name.
    pub name: NetworkName,
    /// Name of the bridge link, at most 15 bytes, derived from `name` and the state root.
    pub bridge: String,
    /// What joins containers.
    #[serde(default)]
    pub kind: NetworkKind,
    /// IPv4 subnet, if enabled.
    pub subnet4: Option<(Ipv4Addr, u8)>,
    /// Bridge address in `subnet4`.
    pub gateway4: Option<Ipv4Addr>,
    /// IPv6 subnet, if enabled.
    pub subnet6: Option<(Ipv6Addr, u8)>,
    /// Bridge address in `subnet6`.
    pub gateway6: Option<Ipv6Addr>,
    /// No way out of the host: no default route, no masquerade, no published ports.
    pub internal: bool,
    /// MTU of bridge and veth; `None` = 1500.
    pub mtu: Option<u32>,
    /// Packets leave the host with the containers' own addresses.
    #[serde(default)]
    pub unmasqueraded: bool,
    /// Containers reach the outside, but not each other.
    #[serde(default)]
    pub isolated: bool,
}

/// What joins the containers of a network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum NetworkKind {
    /// A bridge of ours.
    #[default]
    Bridge,
    /// Links on top of one of the host, each with its own MAC address.
    Macvlan {
        /// The host's link.
        parent: String,
        /// `bridge`, `private`, `vepa` or `passthru`.
        mode: String,
    },
    /// Links on top of one of the host, which share its MAC address.
    Ipvlan {
        /// The host's link.
        parent: String,
        /// `l2`, `l3` or `l3s`.
        mode: String,
    },
}

impl NetworkSpec {
    /// Whether it has a bridge, with rules, a gateway and published ports; the others are part of the host's own network.
    pub fn has_bridge(&self) -> bool {
        self.kind == NetworkKind::Bridge
    }
}

/// One container on its networks, fully decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentSpec {
    /// The container.
    pub container: ContainerId,
    /// Interfaces in the order `eth0`, `eth1`, ….
    pub interfaces: Vec<InterfaceSpec>,
    /// Ports to publish.
    pub ports: Vec<PortSpec>,
}

/// One interface of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceSpec {
    /// The network it is a member of.
    pub network: NetworkName,
    /// Name inside, e.g. `eth0`.
    pub name: String,
    /// Address, if the network has IPv4.
    pub ipv4: Option<Ipv4Addr>,
    /// Address, if the network has IPv6.
    pub ipv6: Option<Ipv6Addr>,
    /// Further addresses, of the link only.
    #[serde(default)]
    pub link_local: Vec<IpAddr>,
    /// MAC address; `None` = derived from the address as docker does (`02:42:…`).
    pub mac: Option<[u8; 6]>,
    /// Whether the default route goes here.
    pub default_route: bool,
}

impl InterfaceSpec {
    /// Its addresses of both families.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let ipv4 = self.ipv4.map(IpAddr::V4);
        ipv4.into_iter().chain(self.ipv6.map(IpAddr::V6))
    }

    /// The MAC address it gets: the one asked for, else as docker derives it.
    pub fn hardware_address(&self) -> [u8; 6] {
        self.mac.unwrap_or_else(|| mac_of(self.ipv4, self.ipv6))
    }
}

/// The MAC address docker would give an interface with these addresses.
pub(super) fn mac_of(ipv4: Option<Ipv4Addr>, ipv6: Option<Ipv6Addr>) -> [u8; 6] {
    let last = ipv6.map_or([0; 4], |ip| {
        let [.., a, b, c, d] = ip.octets();
        [a, b, c, d]
    });
    let [a, b, c, d] = ipv4.map_or(last, |ip| ip.octets());
    [0x02, 0x42, a, b, c, d]
}

/// One published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSpec {
    /// `tcp` (true) or `udp` (false).
    pub tcp: bool,
    /// Host address; `None` = all, v4 and v6.
    pub host_ip: Option<IpAddr>,
    /// Candidate host ports, first to last; (0, 0) = any free one.
    pub host_ports: (u16, u16),
    /// Port inside.
    pub container_port: u16,
}

/// A published port with the host port it got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// `tcp` (true) or `udp` (false).
    pub tcp: bool,
    /// Host address; `None` = all, v4 and v6.
    pub host_ip: Option<IpAddr>,
    /// The host port.
    pub host_port: u16,
    /// Port inside.
    pub container_port: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_address_is_dockers() {
        assert_eq!(
            mac_of(Some(Ipv4Addr::new(172, 17, 0, 2)), None),
            [0x02, 0x42, 172, 17, 0, 2]
        );
        let only6 = mac_of(None, "fd00::1:2:3456:789a".parse().ok());
        assert_eq!(only6, [0x02, 0x42, 0x34, 0x56, 0x78, 0x9a]);
    }
}
