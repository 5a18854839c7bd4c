//! Networks and ports.

use crate::id::NetworkName;
use crate::id::ServiceName;
use indexmap::IndexMap;
use std::net::IpAddr;

/// A network below the top-level `networks:`.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// `<project>_<key>`, or the explicit `name`.
    pub name: NetworkName,
    /// Made by somebody else: must exist, is never removed.
    pub external: bool,
    /// `bridge` (default), `host`, `none`.
    pub driver: Option<String>,
    /// Driver options as written.
    pub driver_opts: IndexMap<String, String>,
    /// No way out of the host.
    pub internal: bool,
    /// `enable_ipv4`.
    pub enable_ipv4: bool,
    /// `enable_ipv6`.
    pub enable_ipv6: bool,
    /// `ipam.config`: wanted subnets; empty = ours to choose.
    pub subnets: Vec<Subnet>,
    /// Labels.
    pub labels: IndexMap<String, String>,
}

/// One `ipam.config` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// `172.28.0.0/16` as address and prefix length.
    pub subnet: Option<(IpAddr, u8)>,
    /// Part of the subnet that addresses are taken from.
    pub ip_range: Option<(IpAddr, u8)>,
    /// Address of the bridge.
    pub gateway: Option<IpAddr>,
    /// Addresses never given to containers, by name.
    pub aux_addresses: IndexMap<String, IpAddr>,
}

/// How a container is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkMode {
    /// Member of the service's `networks`.
    Networks,
    /// A namespace with only `lo`.
    None,
    /// The host's namespace.
    Host,
    /// The namespace of another service's container.
    Service(ServiceName),
    /// The namespace of any container, by name or id.
    Container(String),
}

/// A service's membership in one network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceNetwork {
    /// Further DNS names on this network.
    pub aliases: Vec<String>,
    /// Static address.
    pub ipv4_address: Option<IpAddr>,
    /// Static address.
    pub ipv6_address: Option<IpAddr>,
    /// Further addresses, of the link only.
    pub link_local_ips: Vec<IpAddr>,
    /// Options of the endpoint, as written.
    pub driver_opts: IndexMap<String, String>,
    /// Interface MAC, `aa:bb:…`.
    pub mac_address: Option<String>,
    /// Larger first: order of attachment, hence of `eth0`, `eth1`, ….
    pub priority: i32,
    /// Larger first: which network has the default route.
    pub gw_priority: i32,
    /// Interface name instead of `ethN`.
    pub interface_name: Option<String>,
}

/// A published container port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PortMapping {
    /// Port inside the container.
    pub target: u16,
    /// tcp or udp.
    pub protocol: Protocol,
    /// Host address; `None` = every address, v4 and v6.
    pub host_ip: Option<IpAddr>,
    /// Port on the host.
    pub published: Publish,
}

/// Which host port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Publish {
    /// Any free one.
    Random,
    /// Exactly this one.
    Fixed(u16),
    /// Any free one from first to last (a replica each).
    Range(u16, u16),
}

/// Transport protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
}
