//! The whole document: services, and the resources they share.

use super::context::Context;
use super::context::KeyValues;
use super::files;
use super::files::Origin;
use super::service;
use super::service::Draft;
use super::shape;
use super::values;
use crate::compose::model::Network;
use crate::compose::model::Subnet;
use crate::compose::model::Volume;
use crate::compose::yaml::Entry;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;
use crate::id::InvalidName;
use crate::id::NetworkName;
use crate::id::VolumeName;
use indexmap::IndexMap;
use std::collections::BTreeSet;

/// The entries of one top-level attribute.
pub struct Section<T> {
    /// By key, in the order of the text.
    pub entries: IndexMap<String, T>,
    /// Keys of entries that could not be parsed; they are there all the same.
    pub broken: BTreeSet<String>,
}

impl<T> Default for Section<T> {
    fn default() -> Self {
        Self {
            entries: IndexMap::new(),
            broken: BTreeSet::new(),
        }
    }
}

/// A parsed document.
#[derive(Default)]
pub struct Document {
    /// `services`
    pub services: Section<Draft>,
    /// `networks`
    pub networks: Section<Network>,
    /// `volumes`
    pub volumes: Section<Volume>,
    /// `secrets`: full name and origin.
    pub secrets: Section<(String, Origin)>,
    /// `configs`: full name and origin.
    pub configs: Section<(String, Origin)>,
}

/// Parses a merged tree.
pub fn parse(cx: &mut Context<'_>, root: &Node) -> Document {
    let mut document = Document::default();
    cx.fields(root, &shape::PROJECT, |cx, key, node| match key {
        "services" => section(cx, node, &mut document.services, service::parse),
        "networks" => section(cx, node, &mut document.networks, network),
        "volumes" => section(cx, node, &mut document.volumes, volume),
        "secrets" => section(cx, node, &mut document.secrets, |cx, key, entry| {
            object(cx, key, entry, &shape::SECRET)
        }),
        "configs" => section(cx, node, &mut document.configs, |cx, key, entry| {
            object(cx, key, entry, &shape::CONFIG)
        }),
        "version" => {
            cx.report
                .warning("obsolete", "`version` is obsolete and has no effect")
                .at(node.span)
                .hint("remove it");
        }
        // `name` and `include` are dealt with before.
        _ => {}
    });
    document
}

fn section<T>(
    cx: &mut Context<'_>,
    node: &Node,
    into: &mut Section<T>,
    parse: impl Fn(&mut Context<'_>, &str, &Entry) -> Option<T>,
) {
    cx.entries(node, |cx, key, entry| match parse(cx, key, entry) {
        Some(value) => drop(into.entries.insert(key.to_owned(), value)),
        None => drop(into.broken.insert(key.to_owned())),
    });
}

fn object(
    cx: &mut Context<'_>,
    key: &str,
    entry: &Entry,
    shape: &shape::Shape,
) -> Option<(String, Origin)> {
    let (name, origin) = files::object(cx, entry, shape)?;
    let name = name.unwrap_or_else(|| format!("{}_{key}", cx.project));
    Some((name, origin))
}

/// What networks and volumes have in common.
#[derive(Default)]
struct Common {
    name: Option<String>,
    external: bool,
    driver: Option<String>,
    driver_opts: IndexMap<String, String>,
    labels: IndexMap<String, String>,
}

impl Common {
    /// Parses `key` if it is one of the common ones.
    fn field(&mut self, cx: &mut Context<'_>, key: &str, node: &Node) -> bool {
        match key {
            "name" => self.name = cx.text(node),
            "driver" => self.driver = cx.text(node),
            "driver_opts" => self.driver_opts = options(cx, node),
            "labels" => self.labels = cx.labels(node),
            "external" => match node.as_map() {
                Some(_) => {
                    self.external = true;
                    cx.fields(node, &shape::EXTERNAL, |cx, _, node| {
                        self.name = cx.text(node)
                    });
                }
                None => self.external = cx.boolean(node).unwrap_or_default(),
            },
            _ => return false,
        }
        true
    }

    /// The full name; nothing but a name goes with `external`.
    fn full_name<T>(
        &self,
        cx: &mut Context<'_>,
        key: &str,
        entry: &Entry,
        new: fn(String) -> Result<T, InvalidName>,
    ) -> Option<T> {
        if self.external {
            let others = entry.value.as_map().into_iter().flatten();
            for (other, entry) in others {
                // `ipam: {}` is what `config` prints for every network.
                let empty = entry.value.as_map().is_some_and(|map| map.is_empty());
                let fine = matches!(other.as_str(), "external" | "name") || other.starts_with("x-");
                if !fine && !empty {
                    cx.invalid(entry.key, format!("`{other}` cannot go with `external`"));
                }
            }
        }
        let name = match &self.name {
            Some(name) => name.clone(),
            None if self.external => key.to_owned(),
            None => format!("{}_{key}", cx.project),
        };
        let place = entry.value.get("name").map_or(entry.key, |node| node.span);
        new(name)
            .map_err(|error| cx.invalid(place, error.to_string()))
            .ok()
    }
}

/// Options of a driver: scalars become text.
fn options(cx: &mut Context<'_>, node: &Node) -> IndexMap<String, String> {
    let values: KeyValues = match node.value {
        Value::Map(_) => cx.key_values(node),
        _ => {
            cx.wrong(node, "a mapping");
            KeyValues::new()
        }
    };
    values
        .into_iter()
        .map(|(key, (value, _))| (key, value.unwrap_or_default()))
        .collect()
}

fn network(cx: &mut Context<'_>, key: &str, entry: &Entry) -> Option<Network> {
    let mut common = Common::default();
    let (mut internal, mut enable_ipv6, mut subnets) = (false, false, Vec::new());
    if !entry.value.is_null() {
        cx.fields(&entry.value, &shape::NETWORK, |cx, key, node| match key {
            "internal" => internal = cx.boolean(node).unwrap_or_default(),
            "enable_ipv6" => enable_ipv6 = cx.boolean(node).unwrap_or_default(),
            "ipam" => subnets = ipam(cx, node),
            key => {
                common.field(cx, key, node);
                let known = [
                    None,
                    Some("bridge"),
                    Some("host"),
                    Some("none"),
                    Some("default"),
                ];
                if key == "driver" && !known.contains(&common.driver.as_deref()) {
                    let driver = common.driver.clone().unwrap_or_default();
                    cx.unsupported(node.span, format!("driver `{driver}`"));
                }
            }
        });
    }
    let name = common.full_name(cx, key, entry, NetworkName::new)?;
    Some(Network {
        name,
        external: common.external,
        driver: common.driver.filter(|driver| driver != "default"),
        driver_opts: common.driver_opts,
        internal,
        enable_ipv6,
        subnets,
        labels: common.labels,
    })
}

fn ipam(cx: &mut Context<'_>, node: &Node) -> Vec<Subnet> {
    let mut subnets = Vec::new();
    cx.fields(node, &shape::IPAM, |cx, key, node| match key {
        "config" => cx.items(node, |cx, item| {
            let mut subnet = Subnet {
                subnet: None,
                ip_range: None,
                gateway: None,
                aux_addresses: IndexMap::new(),
            };
            cx.fields(item, &shape::SUBNET, |cx, key, node| {
                subnet_field(cx, &mut subnet, key, node);
            });
            subnets.push(subnet);
        }),
        "driver" => {
            cx.one_of(node, &[("default", ())]);
        }
        _ => {
            let _ = options(cx, node);
        }
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
    let mut common = Common::default();
    if !entry.value.is_null() {
        cx.fields(&entry.value, &shape::VOLUME, |cx, key, node| {
            common.field(cx, key, node);
            let known = [None, Some("local"), Some("default")];
            if key == "driver" && !known.contains(&common.driver.as_deref()) {
                let driver = common.driver.clone().unwrap_or_default();
                cx.unsupported(node.span, format!("driver `{driver}`"));
            }
        });
    }
    let name = common.full_name(cx, key, entry, VolumeName::new)?;
    Some(Volume {
        name,
        external: common.external,
        driver: common.driver.filter(|driver| driver != "default"),
        driver_opts: common.driver_opts,
        labels: common.labels,
    })
}
