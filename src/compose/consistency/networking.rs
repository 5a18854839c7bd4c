//! What goes with the way a service is connected.

use super::Service;
use crate::compose::diagnostic::Report;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;
use std::net::Ipv4Addr;

/// What the container says whose network others use.
const OF_THE_OWNER: [&str; 5] = ["dns", "dns_search", "dns_opt", "extra_hosts", "mac_address"];

/// Checks one service.
pub fn check(service: &Service<'_>, root: &Node, report: &mut Report) {
    ports_without_ipv4(service, root, report);
    let Some(node) = service.get("network_mode") else {
        return;
    };
    let Some(mode) = node.as_str() else {
        return;
    };
    let name = service.name;
    if let Some(networks) = service.get("networks") {
        let message = format!("service `{name}` has both `network_mode` and `networks`");
        report
            .error("contradiction", message)
            .at(networks.span)
            .also(node.span, "`network_mode` is given here")
            .hint("remove one of them");
    }
    let elsewhere = mode.starts_with("service:") || mode.starts_with("container:");
    if let (true, Some(ports)) = (elsewhere, service.get("ports")) {
        let message = format!(
            "service `{name}` publishes ports, but the network of another container is used"
        );
        report
            .error("contradiction", message)
            .at(ports.span)
            .also(node.span, "its network is this one's")
            .hint("move `ports` to the service whose network it is");
    }
    let (without, why): (&[&str], _) = match mode {
        _ if elsewhere => (&OF_THE_OWNER, "the network of another container is used"),
        "host" => (&["ports", "mac_address"], "the host's network is used"),
        "none" => (&["ports", "mac_address"], "it has no network"),
        _ => return,
    };
    for key in without {
        if let Some(given) = service.get(key) {
            let message = format!("`services.{name}.{key}` has no effect, as {why}");
            report
                .warning("no-effect", message)
                .at(given.span)
                .also(node.span, "because of this");
        }
    }
}

/// A port of an IPv4 address leads nowhere if none of the service's networks has IPv4.
fn ports_without_ipv4(service: &Service<'_>, root: &Node, report: &mut Report) {
    let section = root.get("networks");
    let without = |key: &str| {
        let network = section.and_then(|networks| networks.get(key));
        let switch = network.and_then(|network| network.get("enable_ipv4"));
        switch.map(|node| &node.value) == Some(&Value::Bool(false))
    };
    let mut networks = service.entries("networks").peekable();
    if networks.peek().is_none() || !networks.all(|(key, _)| without(key)) {
        return;
    }
    for (index, port) in service.items("ports").iter().enumerate() {
        let Some(address) = port.get("host_ip") else {
            continue;
        };
        if address
            .as_str()
            .is_some_and(|text| text.parse::<Ipv4Addr>().is_ok())
        {
            let path = format!("services.{}.ports[{index}]", service.name);
            let message = format!("`{path}` has no effect, as the container has no IPv4 address");
            report.warning("no-effect", message).at(port.span);
        }
    }
}
