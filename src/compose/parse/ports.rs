//! `ports` and `expose`.

use super::context::Context;
use super::values;
use crate::compose::model::PortMapping;
use crate::compose::model::Protocol;
use crate::compose::model::Publish;
use crate::compose::yaml::Node;
use indexmap::IndexSet;
use std::net::IpAddr;

/// Reads `ports`; an entry that says the same as an earlier one is dropped.
pub fn ports(cx: &mut Context<'_>, node: &Node) -> Vec<PortMapping> {
    let mut ports: IndexSet<PortMapping> = IndexSet::new();
    cx.items(node, |cx, item| ports.extend(port(cx, item)));
    ports.into_iter().collect()
}

fn port(cx: &mut Context<'_>, node: &Node) -> Option<PortMapping> {
    let mut target = None;
    let mut port = PortMapping {
        target: 0,
        protocol: Protocol::Tcp,
        host_ip: None,
        published: Publish::Random,
    };
    cx.fields(node, |cx, key, node| match key {
        "target" => target = cx.integer(node),
        "published" => {
            if let Some((first, last)) = cx.parsed(node, values::port_range) {
                port.published = publish(first, last);
            }
        }
        "host_ip" => port.host_ip = cx.parsed(node, host_address).flatten(),
        "protocol" if node.as_str() == Some("sctp") => cx.unsupported(node.span, "`sctp`"),
        "protocol" => port.protocol = cx.parsed(node, protocol).unwrap_or(Protocol::Tcp),
        // `mode`, `name` and `app_protocol` are documentation, for us as for docker compose.
        _ => {}
    });
    port.target = target?;
    Some(port)
}

fn publish(first: u16, last: u16) -> Publish {
    match (first, last) {
        (0, 0) => Publish::Random,
        _ if first == last => Publish::Fixed(first),
        _ => Publish::Range(first, last),
    }
}

/// The address to publish on; every address if it is empty or a wildcard of IPv4, as docker has it.
fn host_address(text: &str) -> Result<Option<IpAddr>, String> {
    match text {
        "" | "0.0.0.0" => Ok(None),
        text => values::address(text).map(Some),
    }
}

fn protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        _ => Err(format!("`{text}` is not a protocol: use `tcp` or `udp`")),
    }
}

/// Reads `expose`.
pub fn expose(cx: &mut Context<'_>, node: &Node) -> Vec<String> {
    let mut ports = Vec::new();
    cx.items(node, |cx, item| {
        let Some(port) = cx.text(item) else {
            return;
        };
        let (range, protocol) = port.split_once('/').unwrap_or((&port, "tcp"));
        let problem = values::port_range(range).err().or(match protocol {
            "tcp" | "udp" | "sctp" => None,
            _ => Some(format!("`{protocol}` is not a protocol")),
        });
        match problem {
            Some(problem) => cx.invalid(item.span, problem),
            None => ports.push(port),
        }
    });
    ports
}
