//! One service: which topic an attribute belongs to.

use super::context::Context;
use super::depends;
use super::deploy;
use super::files;
use super::health;
use super::kernel;
use super::life;
use super::limits;
use super::models;
use super::mounts;
use super::networks;
use super::ports;
use super::process;
use super::security;
use crate::compose::model::Service;
use crate::compose::yaml::Entry;
use crate::compose::yaml::Node;
use crate::id::ImageRef;
use crate::id::ServiceName;
use indexmap::IndexMap;

/// Reads one entry of `services`.
pub fn read(cx: &mut Context<'_>, key: &str, entry: &Entry) -> Option<Service> {
    let name = match ServiceName::new(key) {
        Ok(name) => name,
        Err(error) => {
            cx.report
                .error("invalid-name", error.to_string())
                .at(entry.key);
            return None;
        }
    };
    let mut service = Service::new(name, "");
    let node = &entry.value;
    cx.fields(node, |cx, key, node| attribute(cx, &mut service, key, node));
    // These come behind what they add to or contradict, whatever the order of the file.
    if let Some(tmpfs) = node.get("tmpfs") {
        let tmpfs = cx.within("tmpfs", |cx| mounts::tmpfs(cx, tmpfs));
        service.mounts.extend(tmpfs);
    }
    if let Some(deploy) = node.get("deploy") {
        cx.within("deploy", |cx| deploy::deploy(cx, &mut service, deploy));
    }
    if let Some(models) = node.get("models") {
        cx.within("models", |cx| models::environment(cx, &mut service, models));
    }
    if let Some(own) = node.get("x-hoist") {
        cx.within("x-hoist", |cx| life::own(cx, &mut service, own));
    }
    Some(service)
}

fn attribute(cx: &mut Context<'_>, service: &mut Service, key: &str, node: &Node) {
    match key {
        "image" => image(cx, service, node),
        "environment" => service.environment = environment(cx, node),
        "ports" => service.ports = ports::ports(cx, node),
        "expose" => service.expose = ports::expose(cx, node),
        "volumes" => service.mounts = mounts::volumes(cx, node),
        "tmpfs" | "deploy" => {}
        "depends_on" => depends::depends_on(cx, service, node),
        "links" => depends::links(cx, service, node),
        "healthcheck" => service.healthcheck = health::read(cx, node),
        "secrets" => service.secrets = files::mounts(cx, node, "/run/secrets"),
        "configs" => service.configs = files::mounts(cx, node, ""),
        "networks" | "network_mode" | "hostname" | "domainname" | "dns" | "dns_search"
        | "dns_opt" | "extra_hosts" | "mac_address" => networks::attribute(cx, service, key, node),
        "cpus" | "cpu_shares" | "cpuset" | "mem_limit" | "mem_reservation" | "memswap_limit"
        | "pids_limit" | "ulimits" | "shm_size" | "oom_score_adj" | "cpu_quota" | "cpu_period"
        | "cpu_rt_runtime" | "cpu_rt_period" | "mem_swappiness" | "oom_kill_disable" => {
            limits::attribute(cx, service, key, node);
        }
        "privileged" | "read_only" | "cap_add" | "cap_drop" | "security_opt" | "pid" | "ipc"
        | "sysctls" | "devices" | "group_add" => security::attribute(cx, service, key, node),
        "annotations"
        | "cgroup"
        | "cgroup_parent"
        | "device_cgroup_rules"
        | "gpus"
        | "uts"
        | "userns_mode"
        | "isolation"
        | "runtime"
        | "storage_opt"
        | "blkio_config" => {
            kernel::attribute(cx, service, key, node);
        }
        "pre_start" | "post_start" | "pre_stop" | "logging" | "volumes_from" | "external_links" => {
            life::attribute(cx, service, key, node);
        }
        _ => process::attribute(cx, service, key, node),
    }
}

fn image(cx: &mut Context<'_>, service: &mut Service, node: &Node) {
    let Some(text) = cx.text(node) else {
        return;
    };
    match ImageRef::new(text) {
        Ok(image) => service.image = image.into(),
        Err(error) => {
            let problem = format!("`{}` {}", error.text, error.rule);
            cx.invalid(node.span, problem);
        }
    }
}

/// Reads variables; one without a value is nothing.
pub fn environment(cx: &mut Context<'_>, node: &Node) -> IndexMap<String, Option<String>> {
    let mut all = IndexMap::new();
    for (key, entry) in node.entries() {
        if key.is_empty() || key.contains(|c: char| c.is_whitespace() || c == '\0' || c == '=') {
            let problem = match key.as_str() {
                "" => "a value without a name".to_owned(),
                _ => format!("`{key}` is not a variable name"),
            };
            cx.invalid(entry.key, problem);
        }
        all.insert(key.to_owned(), entry.value.scalar());
    }
    all
}
