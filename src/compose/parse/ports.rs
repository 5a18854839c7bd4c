//! `ports` in both forms, and `expose`.

use super::context::Context;
use super::shape;
use super::values;
use crate::compose::model::PortMapping;
use crate::compose::model::Protocol;
use crate::compose::model::Publish;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;
use std::net::IpAddr;

/// Parses `ports`; an entry that says the same as an earlier one is dropped.
pub fn parse(cx: &mut Context<'_>, node: &Node) -> Vec<PortMapping> {
    let mut ports: Vec<PortMapping> = Vec::new();
    cx.items(node, |cx, item| {
        let entry = match &item.value {
            Value::Map(_) => long(cx, item).map(|port| vec![port]),
            _ => short(cx, item),
        };
        for port in entry.unwrap_or_default() {
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
    });
    ports
}

/// Parses `expose`.
pub fn expose(cx: &mut Context<'_>, node: &Node) -> Vec<String> {
    let mut ports = Vec::new();
    cx.items(node, |cx, item| {
        let Some(port) = cx.text_or_number(item) else {
            return;
        };
        let (range, protocol) = port.split_once('/').unwrap_or((&port, "tcp"));
        let problem = values::port_range(range).err().or(match protocol {
            "tcp" | "udp" | "sctp" => None,
            _ => Some(format!("`{protocol}` is not a protocol")),
        });
        if let Some(problem) = problem {
            cx.invalid(item.span, problem);
        } else if !ports.contains(&port) {
            ports.push(port);
        }
    });
    ports
}

fn short(cx: &mut Context<'_>, node: &Node) -> Option<Vec<PortMapping>> {
    let text = cx.text_or_number(node)?;
    let parsed = short_text(&text);
    cx.checked(node, parsed)
}

/// `[IP:][HOST[-HOST]:]CONTAINER[-CONTAINER][/PROTOCOL]`
fn short_text(text: &str) -> Result<Vec<PortMapping>, String> {
    let (rest, protocol) = match text.split_once('/') {
        Some((rest, protocol)) => (rest, self::protocol(protocol)?),
        None => (text, Protocol::Tcp),
    };
    let (rest, container) = rest.rsplit_once(':').unwrap_or(("", rest));
    let (ip, host) = match rest.rsplit_once(':') {
        Some((ip, host)) => (ip, host),
        None => ("", rest),
    };
    if container.is_empty() {
        return Err(format!("`{text}` names no container port"));
    }
    let host_ip = host_address(ip)?;
    let (first, last) = values::port_range(container)?;
    let published = match host {
        "" => None,
        range => Some(values::port_range(range)?),
    };
    spread((first, last), published)
        .ok_or_else(|| format!("the port ranges of `{text}` are not equally long"))
        .map(|pairs| {
            pairs
                .into_iter()
                .map(|(target, published)| PortMapping {
                    target,
                    protocol,
                    host_ip,
                    published,
                })
                .collect()
        })
}

/// Pairs container ports with host ports.
fn spread(container: (u16, u16), host: Option<(u16, u16)>) -> Option<Vec<(u16, Publish)>> {
    let targets = container.0..=container.1;
    let Some((first, last)) = host else {
        return Some(targets.map(|target| (target, Publish::Random)).collect());
    };
    if container.0 == container.1 {
        return Some(vec![(container.0, publish(first, last))]);
    }
    if container.1 - container.0 != last - first {
        return None;
    }
    Some(
        targets
            .zip((first..=last).map(|port| publish(port, port)))
            .collect(),
    )
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
        "sctp" => Err("protocol `sctp` is not supported yet".to_owned()),
        _ => Err(format!("`{text}` is not a protocol: use `tcp` or `udp`")),
    }
}

fn long(cx: &mut Context<'_>, node: &Node) -> Option<PortMapping> {
    let mut target = None;
    let mut port = PortMapping {
        target: 0,
        protocol: Protocol::Tcp,
        host_ip: None,
        published: Publish::Random,
    };
    let before = cx.report.len();
    cx.fields(node, &shape::PORT, |cx, key, node| match key {
        "target" => target = cx.integer(node),
        "published" => {
            if let Some(text) = cx.text_or_number(node).filter(|text| !text.is_empty())
                && let Some((first, last)) = cx.checked(node, values::port_range(&text))
            {
                port.published = publish(first, last);
            }
        }
        "host_ip" => port.host_ip = cx.parsed(node, host_address).flatten(),
        "protocol" => port.protocol = cx.parsed(node, protocol).unwrap_or(Protocol::Tcp),
        "mode" => {
            cx.one_of(node, &[("host", ()), ("ingress", ())]);
        }
        // `name` and `app_protocol` are documentation, for us as for docker compose.
        _ => {
            cx.text(node);
        }
    });
    match target {
        Some(target) => port.target = target,
        None if cx.report.len() == before => cx.invalid(node.span, "`target` is missing"),
        None => {}
    }
    target.map(|_| port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match short_text(text) {
            Err(problem) => problem,
            Ok(ports) => ports
                .iter()
                .map(|p| {
                    format!(
                        "{:?} {:?} {} {:?}",
                        p.host_ip, p.published, p.target, p.protocol
                    )
                })
                .collect::<Vec<_>>()
                .join("; "),
        }
    }

    #[test]
    fn short_forms() {
        for (text, wanted) in [
            ("80", "None Random 80 Tcp"),
            ("8080:80", "None Fixed(8080) 80 Tcp"),
            ("0.0.0.0:8080:80/udp", "None Fixed(8080) 80 Udp"),
            ("127.0.0.1::80", "Some(127.0.0.1) Random 80 Tcp"),
            ("[::1]:8080:80", "Some(::1) Fixed(8080) 80 Tcp"),
            ("::1:8080:80", "Some(::1) Fixed(8080) 80 Tcp"),
            ("8000-8001:80", "None Range(8000, 8001) 80 Tcp"),
            ("1-2:3-4", "None Fixed(1) 3 Tcp; None Fixed(2) 4 Tcp"),
            ("3-4", "None Random 3 Tcp; None Random 4 Tcp"),
            (
                "1-2:3-5",
                "the port ranges of `1-2:3-5` are not equally long",
            ),
            ("99999:80", "`99999` is not a port number (0 to 65535)"),
            ("x:80", "`x` is not a port number (0 to 65535)"),
            ("80:", "`80:` names no container port"),
            ("9-8", "the range `9-8` ends before it begins"),
            ("80/icmp", "`icmp` is not a protocol: use `tcp` or `udp`"),
            ("1.2.3:1:2", "`1.2.3` is not an IP address"),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
    }
}
