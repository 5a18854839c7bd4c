//! The whole project: services, and the resources they share.

use super::context::Context;
use super::files;
use super::service;
use super::values;
use crate::compose::canonical::Canonical;
use crate::compose::diagnostic::Report;
use crate::compose::model::Network;
use crate::compose::model::Project;
use crate::compose::model::Subnet;
use crate::compose::model::Volume;
use crate::compose::yaml::Entry;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;
use crate::id::NetworkName;
use crate::id::VolumeName;
use indexmap::IndexMap;

/// Reads a canonical tree.
pub fn project(canonical: &Canonical, report: &mut Report) -> Project {
    let mut cx = Context::new(report, canonical);
    let services = section(&mut cx, "services", |cx, key, entry| {
        let outer = cx.report.scope.replace(key.to_owned());
        let service = service::read(cx, key, entry);
        cx.report.scope = outer;
        service
    });
    let services = services.into_values();
    Project {
        name: canonical.name.clone(),
        directory: canonical.directory.clone(),
        files: canonical.files.clone(),
        services: services.map(|one| (one.name.clone(), one)).collect(),
        disabled: canonical.disabled.clone(),
        networks: section(&mut cx, "networks", network),
        volumes: section(&mut cx, "volumes", volume),
        secrets: section(&mut cx, "secrets", files::object),
        configs: section(&mut cx, "configs", files::object),
    }
}

fn section<T>(
    cx: &mut Context<'_>,
    name: &str,
    read: impl Fn(&mut Context<'_>, &str, &Entry) -> Option<T>,
) -> IndexMap<String, T> {
    let mut all = IndexMap::new();
    let canonical = cx.canonical;
    let Some(node) = canonical.root.get(name) else {
        return all;
    };
    cx.within(name, |cx| {
        cx.entries(node, |cx, key, entry| {
            if !entry.value.is_broken() {
                all.extend(read(cx, key, entry).map(|value| (key.to_owned(), value)));
            }
        });
    });
    all
}

fn flag(node: &Node, key: &str) -> bool {
    node.get(key).map(|node| &node.value) == Some(&Value::Bool(true))
}

/// The driver, unless it is the default; any but `known` is not there yet.
fn driver(cx: &mut Context<'_>, node: &Node, known: &[&str]) -> Option<String> {
    let driver = node.get("driver")?;
    let name = driver.as_str()?;
    if !known.contains(&name) {
        cx.within("driver", |cx| {
            cx.unsupported(driver.span, format!("driver `{name}`"));
        });
    }
    Some(name.to_owned()).filter(|name| name != "default")
}

fn texts(cx: &mut Context<'_>, node: &Node, key: &str) -> IndexMap<String, String> {
    node.get(key)
        .map(|node| cx.labels(node))
        .unwrap_or_default()
}

fn network(cx: &mut Context<'_>, key: &str, entry: &Entry) -> Option<Network> {
    let node = &entry.value;
    let name = node.text_at("name").unwrap_or(key);
    let place = node.get("name").map_or(entry.key, |node| node.span);
    let name = NetworkName::new(name).map_err(|error| error.to_string());
    let name = name.map_err(|problem| cx.invalid(place, problem)).ok()?;
    Some(Network {
        name,
        external: flag(node, "external"),
        driver: driver(
            cx,
            node,
            &["bridge", "host", "none", "default", "macvlan", "ipvlan"],
        ),
        driver_opts: texts(cx, node, "driver_opts"),
        internal: flag(node, "internal"),
        enable_ipv4: node.get("enable_ipv4").map(|node| &node.value) != Some(&Value::Bool(false)),
        enable_ipv6: flag(node, "enable_ipv6"),
        subnets: ipam(cx, node),
        labels: texts(cx, node, "labels"),
    })
}

fn ipam(cx: &mut Context<'_>, node: &Node) -> Vec<Subnet> {
    let mut subnets = Vec::new();
    let Some(ipam) = node.get("ipam") else {
        return subnets;
    };
    if let Some(driver) = ipam.get("driver") {
        cx.within("ipam.driver", |cx| cx.one_of(driver, &[("default", ())]));
    }
    let Some(pools) = ipam.get("config") else {
        return subnets;
    };
    cx.within("ipam.config", |cx| {
        cx.items(pools, |cx, item| {
            let mut subnet = Subnet {
                subnet: None,
                ip_range: None,
                gateway: None,
                aux_addresses: IndexMap::new(),
            };
            cx.fields(item, |cx, key, node| {
                subnet_field(cx, &mut subnet, key, node);
            });
            subnets.push(subnet);
        });
    });
    subnets
}

fn subnet_field(cx: &mut Context<'_>, subnet: &mut Subnet, key: &str, node: &Node) {
    match key {
        "subnet" => subnet.subnet = cx.parsed(node, values::cidr),
        "ip_range" => subnet.ip_range = cx.parsed(node, values::cidr),
        "gateway" => subnet.gateway = cx.parsed(node, values::address),
        _ => cx.entries(node, |cx, host, entry| {
            if let Some(address) = cx.parsed(&entry.value, values::address) {
                subnet.aux_addresses.insert(host.to_owned(), address);
            }
        }),
    }
}

fn volume(cx: &mut Context<'_>, key: &str, entry: &Entry) -> Option<Volume> {
    let node = &entry.value;
    let name = node.text_at("name").unwrap_or(key);
    let place = node.get("name").map_or(entry.key, |node| node.span);
    let name = VolumeName::new(name).map_err(|error| error.to_string());
    let name = name.map_err(|problem| cx.invalid(place, problem)).ok()?;
    Some(Volume {
        name,
        external: flag(node, "external"),
        driver: driver(cx, node, &["local", "default"]),
        driver_opts: texts(cx, node, "driver_opts"),
        labels: texts(cx, node, "labels"),
    })
}
