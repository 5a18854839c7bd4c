//! One service: which topic an attribute belongs to.

use super::context::Context;
use super::context::KeyValues;
use super::depends;
use super::deploy;
use super::environment;
use super::environment::EnvFile;
use super::files;
use super::health;
use super::limits;
use super::mounts;
use super::networks;
use super::ports;
use super::process;
use super::security;
use super::shape;
use crate::compose::diagnostic::did_you_mean;
use crate::compose::model::Mount;
use crate::compose::model::Service;
use crate::compose::source::Span;
use crate::compose::yaml::Entry;
use crate::compose::yaml::Node;
use crate::id::ImageRef;
use crate::id::ServiceName;
use std::collections::BTreeMap;

/// A service that is parsed but not yet completed and checked.
pub struct Draft {
    /// What is known so far.
    pub service: Service,
    /// Its key.
    pub span: Span,
    /// `environment`, with places.
    pub environment: KeyValues,
    /// `env_file`, not read yet.
    pub env_files: Vec<EnvFile>,
    /// The names of other things, with places.
    pub references: Vec<Reference>,
    /// `tmpfs`, which comes behind `volumes` whatever their order.
    pub tmpfs: Vec<Mount>,
    /// Where each attribute's value is.
    pub places: BTreeMap<String, Span>,
    /// What `deploy` says, compared with the older attributes later.
    pub deploy: deploy::Deploy,
}

/// A name that must exist.
pub struct Reference {
    /// What kind of thing it names.
    pub target: Target,
    /// The name.
    pub name: String,
    /// Where it is written.
    pub span: Span,
}

/// What a name refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A service of the project, in `depends_on`.
    Dependency,
    /// A service of the project, in `links`, `network_mode`, `pid`, `ipc`.
    Service,
    /// A top-level network.
    Network,
    /// A top-level volume.
    Volume,
    /// A top-level secret.
    Secret,
    /// A top-level config.
    Config,
}

impl Draft {
    fn new(name: ServiceName, span: Span) -> Self {
        Self {
            service: Service::new(name, ""),
            span,
            environment: KeyValues::new(),
            env_files: Vec::new(),
            references: Vec::new(),
            tmpfs: Vec::new(),
            places: BTreeMap::new(),
            deploy: deploy::Deploy::default(),
        }
    }

    /// Where the value of an attribute is, if it is given.
    pub fn place(&self, attribute: &str) -> Option<Span> {
        self.places.get(attribute).copied()
    }

    /// Notes that `name` must exist.
    pub fn refer(&mut self, target: Target, name: &str, span: Span) {
        self.references.push(Reference {
            target,
            name: name.to_owned(),
            span,
        });
    }
}

/// Parses one entry of `services`.
pub fn parse(cx: &mut Context<'_>, key: &str, entry: &Entry) -> Option<Draft> {
    let name = match ServiceName::new(key) {
        Ok(name) => name,
        Err(error) => {
            cx.report
                .error("invalid-name", error.to_string())
                .at(entry.key);
            return None;
        }
    };
    let mut draft = Draft::new(name, entry.key);
    if entry.value.is_null() {
        return Some(draft);
    }
    cx.fields(&entry.value, &shape::SERVICE, |cx, key, node| {
        draft.places.insert(key.to_owned(), node.span);
        attribute(cx, &mut draft, key, node);
    });
    // Who wrote `imgae`, or no mapping at all, is told that, and not that an image is missing.
    let keys = entry.value.as_map().map(|map| map.keys());
    let misspelt = |key: &String| did_you_mean(key, ["image"]).is_some();
    if keys.is_none_or(|mut keys| keys.any(misspelt)) {
        draft.places.entry("image".to_owned()).or_insert(entry.key);
    }
    draft.service.mounts.append(&mut draft.tmpfs);
    deploy::reconcile(cx, &mut draft);
    Some(draft)
}

fn attribute(cx: &mut Context<'_>, draft: &mut Draft, key: &str, node: &Node) {
    match key {
        "image" => image(cx, draft, node),
        "build" => build(cx, node),
        // Dealt with before; what is left could not be had, and the report says why.
        "extends" => {}
        "environment" => draft.environment = environment::parse(cx, node),
        "env_file" => draft.env_files = environment::files(cx, node),
        "ports" => draft.service.ports = ports::parse(cx, node),
        "expose" => draft.service.expose = ports::expose(cx, node),
        "volumes" => mounts::volumes(cx, draft, node),
        "tmpfs" => mounts::tmpfs(cx, draft, node),
        "depends_on" => depends::depends_on(cx, draft, node),
        "links" => depends::links(cx, draft, node),
        "healthcheck" => draft.service.healthcheck = health::parse(cx, node),
        "deploy" => deploy::parse(cx, draft, node),
        "secrets" => files::secrets(cx, draft, node),
        "configs" => files::configs(cx, draft, node),
        "networks" | "network_mode" | "hostname" | "domainname" | "dns" | "dns_search"
        | "dns_opt" | "extra_hosts" => networks::attribute(cx, draft, key, node),
        "cpus" | "cpu_shares" | "cpuset" | "mem_limit" | "mem_reservation" | "memswap_limit"
        | "pids_limit" | "ulimits" | "shm_size" | "oom_score_adj" => {
            limits::attribute(cx, draft, key, node);
        }
        "privileged" | "read_only" | "cap_add" | "cap_drop" | "security_opt" | "pid" | "ipc"
        | "sysctls" | "devices" | "group_add" => security::attribute(cx, draft, key, node),
        _ => process::attribute(cx, draft, key, node),
    }
}

fn image(cx: &mut Context<'_>, draft: &mut Draft, node: &Node) {
    let Some(text) = cx.text(node) else {
        return;
    };
    match ImageRef::new(text) {
        Ok(image) => draft.service.image = with_absolute_path(cx, node, image.into()),
        Err(error) => {
            let problem = format!("`{}` {}", error.text, error.rule);
            cx.invalid(node.span, problem);
        }
    }
}

/// The paths of `oci:DIR[:TAG]` and of archives are relative to the file that names them, as all others are.
fn with_absolute_path(cx: &mut Context<'_>, node: &Node, image: String) -> String {
    let transports = ["oci:", "oci-archive:", "docker-archive:"];
    let found = transports
        .iter()
        .find_map(|transport| Some((transport, image.strip_prefix(transport)?)));
    match found {
        Some((transport, path)) => {
            format!("{transport}{}", cx.host_path(path, node.span).display())
        }
        None => image,
    }
}

fn build(cx: &mut Context<'_>, node: &Node) {
    if node.as_str().is_none() && node.as_map().is_none() {
        cx.wrong(node, "a text or a mapping");
    }
}
