//! The top level: resources, and what Compose has no words for.

use super::service::Fields;
use super::service::labels;
use super::service::service;
use crate::compose::model::FileContent;
use crate::compose::model::FileObject;
use crate::compose::model::Network;
use crate::compose::model::Project;
use crate::compose::model::Subnet;
use crate::compose::model::Volume;
use indexmap::IndexMap;
use serde_json::Value;
use std::path::Path;

/// The tree of a whole project.
pub fn project(project: &Project) -> Value {
    let mut fields = Fields::default();
    fields.put("name", project.name.as_str());
    let services = project.services.iter();
    let services: serde_json::Map<String, Value> = services
        .map(|(name, one)| (name.to_string(), service(one)))
        .collect();
    fields.put("services", Value::Object(services));
    fields.section("networks", &project.networks, network);
    fields.section("volumes", &project.volumes, volume);
    fields.section("secrets", &project.secrets, file_object);
    fields.section("configs", &project.configs, file_object);
    fields.into()
}

/// What `load_canonical` needs besides.
pub fn extension(project: &Project) -> Value {
    let path = |path: &Path| Value::from(path.to_string_lossy());
    let mut environment: IndexMap<String, String> = IndexMap::new();
    for object in project.secrets.values().chain(project.configs.values()) {
        if let FileContent::Environment(name, value) = &object.content {
            environment.insert(name.clone(), value.clone());
        }
    }
    let files: Vec<Value> = project.files.iter().map(|file| path(file)).collect();
    let disabled: Vec<Value> = project
        .disabled
        .iter()
        .map(|name| name.as_str().into())
        .collect();
    let mut fields = Fields::default();
    fields.put("directory", path(&project.directory));
    fields.put("files", files);
    fields.put("disabled", disabled);
    fields.put("environment", labels(&environment));
    fields.into()
}

fn network(network: &Network) -> Value {
    let mut fields = Fields::default();
    fields.put("name", network.name.as_str());
    fields.flag("external", network.external);
    fields.some("driver", network.driver.as_deref());
    fields.map("driver_opts", &network.driver_opts);
    fields.put("ipam", ipam(&network.subnets));
    fields.flag("internal", network.internal);
    fields.flag("enable_ipv6", network.enable_ipv6);
    fields.map("labels", &network.labels);
    fields.into()
}

fn ipam(subnets: &[Subnet]) -> Value {
    let mut fields = Fields::default();
    if !subnets.is_empty() {
        fields.put("config", subnets.iter().map(subnet).collect::<Vec<_>>());
    }
    fields.into()
}

fn subnet(subnet: &Subnet) -> Value {
    let cidr = |(ip, length): &(std::net::IpAddr, u8)| format!("{ip}/{length}");
    let mut fields = Fields::default();
    fields.some("subnet", subnet.subnet.as_ref().map(cidr));
    fields.some("ip_range", subnet.ip_range.as_ref().map(cidr));
    fields.some("gateway", subnet.gateway.map(|ip| ip.to_string()));
    let reserved = subnet.aux_addresses.iter();
    let reserved: IndexMap<String, String> = reserved
        .map(|(name, ip)| (name.clone(), ip.to_string()))
        .collect();
    fields.map("aux_addresses", &reserved);
    fields.into()
}

fn volume(volume: &Volume) -> Value {
    let mut fields = Fields::default();
    fields.put("name", volume.name.as_str());
    fields.flag("external", volume.external);
    fields.some("driver", volume.driver.as_deref());
    fields.map("driver_opts", &volume.driver_opts);
    fields.map("labels", &volume.labels);
    fields.into()
}

fn file_object(object: &FileObject) -> Value {
    let mut fields = Fields::default();
    fields.put("name", object.name.as_str());
    match &object.content {
        FileContent::File(path) => fields.put("file", path.to_string_lossy()),
        FileContent::Environment(name, _) => fields.put("environment", name.as_str()),
        FileContent::Inline(text) => fields.put("content", text.as_str()),
    }
    fields.into()
}
