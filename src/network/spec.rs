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
    /// IPv4 subnet.
    pub subnet4: (Ipv4Addr, u8),
    /// Bridge address in `subnet4`.
    pub gateway4: Ipv4Addr,
    /// IPv6 subnet, if enabled.
    pub subnet6: Option<(Ipv6Addr, u8)>,
    /// Bridge address in `subnet6`.
    pub gateway6: Option<Ipv6Addr>,
    /// No way out of the host: no default route, no masquerade, no published ports.
    pub internal: bool,
    /// MTU of bridge and veth; `None` = 1500.
    pub mtu: Option<u32>,
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
    /// Address.
    pub ipv4: Ipv4Addr,
    /// Address, if the network has IPv6.
    pub ipv6: Option<Ipv6Addr>,
    /// MAC address; `None` = derived from the IPv4 address as docker does (`02:42:…`).
    pub mac: Option<[u8; 6]>,
    /// Whether the default route goes here.
    pub default_route: bool,
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
