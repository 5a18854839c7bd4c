//! Networks and volumes as docker's tables show them.

use super::listing::Fields;
use crate::engine::{Network, Volume};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What is told of a volume.
pub const VOLUMES: Fields = Fields {
    all: &[
        ("Availability", "AVAILABILITY"),
        ("Driver", "DRIVER"),
        ("Group", "GROUP"),
        ("Labels", "LABELS"),
        ("Links", "LINKS"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Name", "VOLUME NAME"),
        ("Scope", "SCOPE"),
        ("Size", "SIZE"),
        ("Status", "STATUS"),
    ],
    table: &["Driver", "Name"],
    array: true,
};

/// What is told of a network.
pub const NETWORKS: Fields = Fields {
    all: &[
        ("Driver", "DRIVER"),
        ("ID", "NETWORK ID"),
        ("Internal", "INTERNAL"),
        ("Labels", "LABELS"),
        ("Name", "NAME"),
        ("Project", "PROJECT"),
        ("Scope", "SCOPE"),
        ("Subnets", "SUBNETS"),
    ],
    table: &["Name", "Driver", "Project", "Subnets"],
    array: false,
};

/// One volume as a row.
pub fn volume(volume: &Volume) -> Map<String, Value> {
    row(json!({
        "Availability": "N/A",
        "Driver": "local",
        "Group": "N/A",
        "Labels": joined(&volume.labels),
        "Links": volume.containers.len().to_string(),
        "Mountpoint": volume.path.display().to_string(),
        "Name": volume.name.as_str(),
        "Scope": "local",
        "Size": "N/A",
        "Status": "N/A",
    }))
}

/// All that is known of a volume, in docker's shape.
pub fn inspect_volume(volume: &Volume) -> Value {
    let created = volume
        .created
        .and_then(|at| jiff::Timestamp::from_second(at).ok());
    json!({
        "CreatedAt": created.map(|at| at.to_string()),
        "Driver": "local",
        "Labels": volume.labels,
        "Mountpoint": volume.path.display().to_string(),
        "Name": volume.name.as_str(),
        "Options": null,
        "Scope": "local",
        "Project": volume.project.as_ref().map(|p| p.as_str()),
        "UsedBy": volume.containers,
    })
}

/// One network as a row.
pub fn network(network: &Network) -> Map<String, Value> {
    let subnets: Vec<String> = network
        .subnets
        .iter()
        .map(|((net, bits), _)| format!("{net}/{bits}"))
        .collect();
    row(json!({
        "Driver": "bridge",
        "ID": network.bridge,
        "Internal": network.internal.to_string(),
        "Labels": joined(&network.labels),
        "Name": network.name.as_str(),
        "Project": network.project.as_str(),
        "Scope": "local",
        "Subnets": subnets.join(", "),
    }))
}

/// All that is known of a network, in docker's shape.
pub fn inspect_network(network: &Network) -> Value {
    let config: Vec<Value> = network
        .subnets
        .iter()
        .map(|((net, bits), gateway)| {
            json!({ "Subnet": format!("{net}/{bits}"), "Gateway": gateway.to_string() })
        })
        .collect();
    json!({
        "Name": network.name.as_str(),
        "Id": network.bridge,
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv6": network.subnets.len() > 1,
        "IPAM": { "Driver": "default", "Options": null, "Config": config },
        "Internal": network.internal,
        "Labels": network.labels,
        "Containers": network.containers,
        "Project": network.project.as_str(),
    })
}

/// `key=value,key=value`.
fn joined(labels: &BTreeMap<String, String>) -> String {
    let pairs = labels.iter().map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join(",")
}

fn row(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}
