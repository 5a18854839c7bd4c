//! A project as a picture: who needs whom, what is published, what is kept.
//!
//! Invariants: the same project gives the same picture; a name of the user cannot break out of the language it is drawn in.

mod dot;
mod layout;
mod mermaid;
mod svg;
mod tree;

pub use dot::Graph;
pub use dot::dot;
pub use mermaid::mermaid;
pub use svg::svg;
pub use tree::tree;

use crate::compose::model::Condition;
use crate::compose::model::Mount;
use crate::compose::model::PortMapping;
use crate::compose::model::Protocol;
use crate::compose::model::Publish;
use crate::compose::model::Service;

/// The host's side of a port; empty if it is any.
fn published(port: &PortMapping) -> String {
    match &port.published {
        Publish::Fixed(port) => port.to_string(),
        Publish::Range(first, last) => format!("{first}-{last}"),
        Publish::Random => String::new(),
    }
}

fn protocol(port: &PortMapping) -> &'static str {
    match port.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

/// `127.0.0.1:8080→80`
fn port(port: &PortMapping) -> String {
    let host = port.host_ip.map_or(String::new(), |ip| format!("{ip}:"));
    let published = match published(port) {
        any if any.is_empty() => "*".to_owned(),
        published => published,
    };
    let protocol = match protocol(port) {
        "tcp" => "",
        _ => "/udp",
    };
    format!("{host}{published}→{}{protocol}", port.target)
}

fn ports(service: &Service) -> Vec<String> {
    service.ports.iter().map(port).collect()
}

/// The named volumes of a service, with the paths they are at.
fn volumes(service: &Service) -> impl Iterator<Item = (&str, &str)> {
    service.mounts.iter().filter_map(|mount| match mount {
        Mount::Volume(volume) => Some((volume.source.as_deref()?, volume.target.as_str())),
        _ => None,
    })
}

/// What a dependent waits for, in a word; nothing for a mere start.
fn waits_for(condition: Condition) -> &'static str {
    match condition {
        Condition::Started => "",
        Condition::Healthy => "healthy",
        Condition::Completed => "completed",
    }
}
