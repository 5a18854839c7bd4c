//! How a service is connected: `networks`, `network_mode`, names and DNS.

use super::context::Context;
use super::values;
use crate::compose::model::NetworkMode;
use crate::compose::model::Service;
use crate::compose::model::ServiceNetwork;
use crate::compose::source::Span;
use crate::compose::yaml::Node;
use crate::id::ServiceName;
use indexmap::IndexMap;
use std::net::IpAddr;

/// Reads one attribute of this topic.
pub fn attribute(cx: &mut Context<'_>, service: &mut Service, key: &str, node: &Node) {
    match key {
        "networks" => networks(cx, service, node),
        "network_mode" => service.network_mode = network_mode(cx, node),
        "hostname" => service.hostname = cx.parsed(node, host_name),
        "domainname" => service.domainname = cx.parsed(node, host_name),
        "dns_search" => service.dns_search = cx.texts(node),
        "mac_address" => service.mac_address = cx.parsed(node, mac_address),
        "dns_opt" => service.dns_opt = cx.texts(node),
        "dns" => cx.items(node, |cx, item| {
            service.dns.extend(cx.parsed(item, values::address));
        }),
        _ => service.extra_hosts = extra_hosts(cx, node),
    }
}

fn networks(cx: &mut Context<'_>, service: &mut Service, node: &Node) {
    cx.entries(node, |cx, name, entry| {
        let mut membership = ServiceNetwork::default();
        cx.fields(&entry.value, |cx, key, node| {
            membership_field(cx, &mut membership, key, node);
        });
        service.networks.insert(name.to_owned(), membership);
    });
}

fn membership_field(cx: &mut Context<'_>, to: &mut ServiceNetwork, key: &str, node: &Node) {
    match key {
        "aliases" => to.aliases = cx.texts(node),
        "ipv4_address" => to.ipv4_address = family(cx, node, IpAddr::is_ipv4, "an IPv4 address"),
        "ipv6_address" => to.ipv6_address = family(cx, node, IpAddr::is_ipv6, "an IPv6 address"),
        "mac_address" => to.mac_address = cx.parsed(node, mac_address),
        "priority" => to.priority = cx.integer(node).unwrap_or_default(),
        "gw_priority" => to.gw_priority = cx.integer(node).unwrap_or_default(),
        "driver_opts" => to.driver_opts = cx.labels(node),
        "link_local_ips" => cx.items(node, |cx, item| {
            to.link_local_ips.extend(cx.parsed(item, values::address));
        }),
        "interface_name" => to.interface_name = cx.parsed(node, interface_name),
        _ => {}
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

fn network_mode(cx: &mut Context<'_>, node: &Node) -> NetworkMode {
    let Some(text) = cx.text(node) else {
        return NetworkMode::Networks;
    };
    match text.split_once(':') {
        None if text == "none" => NetworkMode::None,
        None if text == "host" => NetworkMode::Host,
        None if text == "bridge" => {
            cx.unsupported(node.span, "the shared network `bridge`");
            NetworkMode::None
        }
        Some(("service", name)) => match service_name(cx, name, node.span) {
            Some(name) => NetworkMode::Service(name),
            None => NetworkMode::None,
        },
        Some(("container", name)) if !name.is_empty() => NetworkMode::Container(name.to_owned()),
        _ => {
            let message = format!("`{}` cannot be `{text}`", cx.path());
            cx.report
                .error("invalid-value", message)
                .at(node.span)
                .hint("it is one of `none`, `host`, `service:NAME`, `container:NAME`; networks are joined with `networks`");
            NetworkMode::None
        }
    }
}

/// The NAME of a `service:NAME`.
pub fn service_name(cx: &mut Context<'_>, name: &str, span: Span) -> Option<ServiceName> {
    ServiceName::new(name)
        .map_err(|error| cx.invalid(span, error.to_string()))
        .ok()
}

/// A list of `HOST=IP`.
fn extra_hosts(cx: &mut Context<'_>, node: &Node) -> IndexMap<String, Vec<String>> {
    let mut hosts: IndexMap<String, Vec<String>> = IndexMap::new();
    cx.items(node, |cx, item| {
        let Some((host, ip)) = item.as_str().and_then(|text| text.split_once('=')) else {
            return;
        };
        let ip = match ip {
            "host-gateway" => Ok(ip.to_owned()),
            _ => values::address(ip).map(|ip| ip.to_string()),
        };
        if let Some(ip) = cx.checked(item, ip) {
            let addresses = hosts.entry(host.to_owned()).or_default();
            if !addresses.contains(&ip) {
                addresses.push(ip);
            }
        }
    });
    hosts
}
