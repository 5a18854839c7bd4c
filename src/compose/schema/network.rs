//! How a service is connected.

use super::shapes::*;
use super::*;

/// `networks.*` of a service.
pub const MEMBERSHIP: &[Attribute] = &[
    at("aliases", UNIQUE_TEXTS),
    at("driver_opts", OPTIONS).partly("`com.docker.network.endpoint.sysctls`"),
    at("gw_priority", TRUNCATED),
    at("interface_name", TEXT),
    at("ipv4_address", TEXT),
    at("ipv6_address", TEXT),
    at("link_local_ips", UNIQUE_TEXTS),
    at("mac_address", TEXT),
    at("priority", TRUNCATED),
];

/// `ports.[]`
pub const PORT: &[Attribute] = &[
    at("name", TEXT).note("documentation"),
    at("mode", TEXT)
        .or(Default::Text("ingress"))
        .note("there is no swarm: both words mean the same"),
    at("host_ip", scalar(Scalar::Address)),
    at("target", scalar(Scalar::Within(0, u32::MAX as i64)))
        .required()
        .keep(),
    at("published", scalar(Scalar::TextOrInt)),
    at("protocol", TEXT)
        .or(Default::Text("tcp"))
        .partly("tcp and udp"),
    at("app_protocol", TEXT).note("documentation"),
];
