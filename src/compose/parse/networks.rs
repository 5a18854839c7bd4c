//! How a service is connected: `networks`, `network_mode`, names and DNS.

use super::context::Context;
use super::service::Draft;
use super::service::Target;
use super::shape;
use super::values;
use crate::compose::model::NetworkMode;
use crate::compose::model::ServiceNetwork;
use crate::compose::source::Span;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;
use crate::id::ServiceName;
use indexmap::IndexMap;
use std::net::IpAddr;

/// Parses one attribute of this topic.
pub fn attribute(cx: &mut Context<'_>, draft: &mut Draft, key: &str, node: &Node) {
    let service = &mut draft.service;
    match key {
        "networks" => networks(cx, draft, node),
        "network_mode" => network_mode(cx, draft, node),
        "hostname" => service.hostname = cx.parsed(node, host_name),
        "domainname" => service.domainname = cx.parsed(node, host_name),
        "dns_search" => service.dns_search = cx.text_or_texts(node),
        "dns_opt" => service.dns_opt = cx.unique_texts(node),
        "dns" => {
            cx.each_text(node, |cx, item, text| {
                service.dns.extend(cx.checked(item, values::address(text)));
            });
        }
        _ => service.extra_hosts = extra_hosts(cx, node),
    }
}

fn networks(cx: &mut Context<'_>, draft: &mut Draft, node: &Node) {
    if !cx.list_or_mapping(node) {
        return;
    }
    if let Value::List(_) = node.value {
        cx.items(node, |cx, item| {
            if let Some(name) = cx.text(item) {
                join(draft, &name, item.span, ServiceNetwork::default());
            }
        });
        return;
    }
    cx.entries(node, |cx, name, entry| {
        let mut membership = ServiceNetwork::default();
        if !entry.value.is_null() {
            cx.fields(&entry.value, &shape::SERVICE_NETWORK, |cx, key, node| {
                membership_field(cx, &mut membership, key, node);
            });
        }
        join(draft, name, entry.key, membership);
    });
}

fn join(draft: &mut Draft, name: &str, span: Span, membership: ServiceNetwork) {
    draft.refer(Target::Network, name, span);
    draft.service.networks.insert(name.to_owned(), membership);
}

fn membership_field(cx: &mut Context<'_>, to: &mut ServiceNetwork, key: &str, node: &Node) {
    match key {
        "aliases" => to.aliases = cx.unique_texts(node),
        "ipv4_address" => to.ipv4_address = family(cx, node, IpAddr::is_ipv4, "an IPv4 address"),
        "ipv6_address" => to.ipv6_address = family(cx, node, IpAddr::is_ipv6, "an IPv6 address"),
        "mac_address" => to.mac_address = cx.parsed(node, mac_address),
        "priority" => to.priority = cx.integer(node).unwrap_or_default(),
        "gw_priority" => to.gw_priority = cx.integer(node).unwrap_or_default(),
        _ => to.interface_name = cx.parsed(node, interface_name),
    }
}

fn family(
    cx: &mut Context<'_>,
    node: &Node,
    wanted: fn(&IpAddr) -> bool,
    what: &str,
) -> Option<IpAddr> {
    cx.parsed(node, |text| {
        values::address(text)
            .ok()
            .filter(wanted)
            .ok_or_else(|| format!("`{text}` is not {what}"))
    })
}

fn mac_address(text: &str) -> Result<String, String> {
    let bytes: Vec<&str> = text.split([':', '-']).collect();
    let good = |byte: &&str| byte.len() == 2 && u8::from_str_radix(byte, 16).is_ok();
    if bytes.len() != 6 || !bytes.iter().all(good) {
        return Err(format!(
            "`{text}` is not a MAC address such as `02:42:ac:11:00:02`"
        ));
    }
    Ok(bytes.join(":").to_lowercase())
}

/// What the kernel takes as a name of a link.
fn interface_name(text: &str) -> Result<String, String> {
    let good = !matches!(text, "" | "." | "..")
        && text.len() < 16
        && !text.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control());
    match good {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "`{text}` is not an interface name (1 to 15 characters)"
        )),
    }
}

fn host_name(text: &str) -> Result<String, String> {
    let good = !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && label
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        });
    match good {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is not a host name")),
    }
}

fn network_mode(cx: &mut Context<'_>, draft: &mut Draft, node: &Node) {
    let Some(text) = cx.text(node) else {
        return;
    };
    let mode = match text.split_once(':') {
        None if text == "none" => NetworkMode::None,
        None if text == "host" => NetworkMode::Host,
        None if text == "bridge" => {
            cx.unsupported(node.span, "the shared network `bridge`");
            return;
        }
        Some(("service", name)) => match service_reference(cx, draft, name, node.span) {
            Some(name) => NetworkMode::Service(name),
            None => return,
        },
        Some(("container", name)) if !name.is_empty() => NetworkMode::Container(name.to_owned()),
        _ => {
            let message = format!("`{}` cannot be `{text}`", cx.path());
            cx.report
                .error("invalid-value", message)
                .at(node.span)
                .hint("it is one of `none`, `host`, `service:NAME`, `container:NAME`; networks are joined with `networks`");
            return;
        }
    };
    draft.service.network_mode = mode;
}

/// A `service:NAME`: notes that the service must exist.
pub fn service_reference(
    cx: &mut Context<'_>,
    draft: &mut Draft,
    name: &str,
    span: Span,
) -> Option<ServiceName> {
    draft.refer(Target::Service, name, span);
    ServiceName::new(name)
        .map_err(|error| cx.invalid(span, error.to_string()))
        .ok()
}

/// `[HOST=IP]`, `[HOST:IP]`, `{HOST: IP}` or `{HOST: [IP]}`.
fn extra_hosts(cx: &mut Context<'_>, node: &Node) -> IndexMap<String, Vec<String>> {
    let mut hosts: IndexMap<String, Vec<String>> = IndexMap::new();
    let mut add = |cx: &mut Context<'_>, host: &str, ip: &str, span: Span| {
        let ip = match ip {
            "host-gateway" => ip.to_owned(),
            _ => match values::address(ip) {
                Ok(ip) => ip.to_string(),
                Err(problem) => return cx.invalid(span, problem),
            },
        };
        let addresses = hosts.entry(host.to_owned()).or_default();
        if !addresses.contains(&ip) {
            addresses.push(ip);
        }
    };
    if !cx.list_or_mapping(node) {
        return hosts;
    }
    if let Value::List(_) = node.value {
        cx.items(node, |cx, item| {
            let Some(text) = cx.text(item) else {
                return;
            };
            match text.split_once('=').or_else(|| text.split_once(':')) {
                Some((host, ip)) if !host.is_empty() => add(cx, host.trim(), ip.trim(), item.span),
                _ => cx.invalid(item.span, format!("`{text}` is not `HOST=IP`")),
            }
        });
        return hosts;
    }
    cx.entries(node, |cx, host, entry| {
        cx.each_text(&entry.value, |cx, item, ip| add(cx, host, ip, item.span));
    });
    hosts
}
