//! What nobody writes but everybody means: the default network, dependencies that follow from shared namespaces, full
//! names, the context of a build.
//!
//! Invariant: idempotent: what comes out changes nothing when it comes in again.

use super::source::Span;
use super::yaml::Node;
use super::yaml::Step;
use super::yaml::Value;
use crate::id::ProjectName;

/// The variables of the project: name to value.
pub type Environment = std::collections::BTreeMap<String, String>;

/// The sections of what services share.
const RESOURCES: [&str; 4] = ["networks", "volumes", "secrets", "configs"];

/// A resource without a value is one with nothing to say.
pub fn resources(root: &mut Node) {
    for section in RESOURCES {
        let resources = root.entry_mut(section).and_then(Node::map_mut);
        for (_, entry) in resources.into_iter().flatten() {
            let node = &mut entry.value;
            if node.is_null() && !node.is_broken() {
                node.value = Value::Map(Box::default());
            }
        }
    }
}

/// Completes a checked tree whose [`resources`] are mappings.
pub fn normalize(root: &mut Node, project: &ProjectName, environment: &Environment) {
    let mut default_used = false;
    if let Some(services) = root.entry_mut("services").and_then(Node::map_mut) {
        for entry in services.values_mut() {
            let service = &mut entry.value;
            if service.as_map().is_none() {
                if !service.is_null() || service.is_broken() {
                    continue;
                }
                service.value = Value::Map(Box::default());
            }
            default_used |= networks(service);
            dependencies(service);
            build(service, environment);
            devices(service);
            replicas(service);
            provider(service);
            if service.text_at("pull_policy") == Some("if_not_present") {
                put(service, "pull_policy", text("missing"));
            }
        }
    }
    if default_used {
        default_network(root);
    }
    names(root, project);
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// Sets a value that nobody wrote.
fn put(node: &mut Node, key: &str, value: Value) {
    let mut value = Node::new(value, node.span);
    value.history.add(Step::Default);
    node.put(key, value);
}

/// Joins the default network if there is no other; whether the service is in it.
fn networks(service: &mut Node) -> bool {
    if service.get("network_mode").is_some() || service.get("provider").is_some() {
        return false;
    }
    match service.get("networks") {
        Some(networks) => networks.get("default").is_some(),
        None => {
            let member = Node::mapping(service.span, [("default", Value::Null)]);
            put(service, "networks", member.value);
            true
        }
    }
}

fn default_network(root: &mut Node) {
    let span = root.span;
    let network = || Node::mapping(span, []);
    match root.entry_mut("networks") {
        Some(networks) if networks.get("default").is_some() => {}
        Some(networks) => networks.put("default", network()),
        None => root.put(
            "networks",
            Node::mapping(span, [("default", network().value)]),
        ),
    }
}

/// Using another service's name or namespace means to need it.
fn dependencies(service: &mut Node) {
    let mut needed: Vec<(String, Span, bool)> = Vec::new();
    for link in service.get("links").map_or(&[][..], Node::items) {
        if let Some(text) = link.as_str() {
            let name = text.split(':').next().unwrap_or(text);
            needed.push((name.to_owned(), link.span, true));
        }
    }
    for key in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        let node = service.get(key);
        let name = node.and_then(|node| node.as_str()?.strip_prefix("service:"));
        if let (Some(name), Some(node)) = (name, node) {
            needed.push((name.to_owned(), node.span, true));
        }
    }
    for from in service.get("volumes_from").map_or(&[][..], Node::items) {
        if let Some(text) = from.as_str().filter(|text| !text.starts_with("container:")) {
            let name = text.split(':').next().unwrap_or(text);
            needed.push((name.to_owned(), from.span, false));
        }
    }
    for (name, span, restart) in needed {
        depend(service, &name, span, restart);
    }
}

fn depend(service: &mut Node, name: &str, span: Span, restart: bool) {
    let mut fields = vec![("condition", text("service_started"))];
    if restart {
        fields.push(("restart", Value::Bool(true)));
    }
    fields.push(("required", Value::Bool(true)));
    let mut dependency = Node::mapping(span, fields);
    dependency.history.add(Step::Default);
    match service.entry_mut("depends_on") {
        Some(all) if all.get(name).is_some() => {}
        Some(all) => all.put(name, dependency),
        None => {
            put(service, "depends_on", Value::Map(Box::default()));
            if let Some(all) = service.entry_mut("depends_on") {
                all.put(name, dependency);
            }
        }
    }
}

fn build(service: &mut Node, environment: &Environment) {
    let Some(build) = service.entry_mut("build") else {
        return;
    };
    if build.as_map().is_none() {
        return;
    }
    if build.get("dockerfile").is_none() && build.get("dockerfile_inline").is_none() {
        put(build, "dockerfile", text("Dockerfile"));
    }
    if let Some(Value::List(arguments)) = build.entry_mut("args").map(|node| &mut node.value) {
        arguments.retain_mut(|item| match item.as_str() {
            Some(name) if !name.contains('=') => match environment.get(name) {
                Some(value) => {
                    item.value = Value::String(format!("{name}={value}"));
                    true
                }
                None => false,
            },
            _ => true,
        });
    }
    if let Some(arguments) = build.entry_mut("args").and_then(Node::map_mut) {
        arguments.retain(|name, entry| {
            if let (true, Some(value)) = (entry.value.is_null(), environment.get(name)) {
                entry.value.value = Value::String(value.clone());
            }
            !entry.value.is_null()
        });
        if arguments.is_empty()
            && let Some(build) = build.map_mut()
        {
            build.shift_remove("args");
        }
    }
}

/// A request of devices that names neither a number nor devices is one of all.
fn devices(service: &mut Node) {
    let path = ["resources", "reservations", "devices"];
    let mut lists = Vec::new();
    for (key, entry) in service.map_mut().into_iter().flatten() {
        lists.extend(match key.as_str() {
            "gpus" => Some(&mut entry.value),
            "deploy" => path
                .iter()
                .try_fold(&mut entry.value, |node, key| node.entry_mut(key)),
            _ => None,
        });
    }
    for list in lists {
        let Value::List(requests) = &mut list.value else {
            continue;
        };
        for request in requests {
            if request.get("count").is_none() && request.get("device_ids").is_none() {
                put(request, "count", Value::Int(-1));
            }
        }
    }
}

/// `scale` is an older word for `deploy.replicas`.
fn replicas(service: &mut Node) {
    let number = |scale: &&Node| matches!(scale.value, Value::Int(_));
    let scale = service.get("scale").filter(number);
    if let Some(scale) = scale.map(|scale| scale.value.clone())
        && let Some(deploy) = service.entry_mut("deploy")
        && deploy.as_map().is_some()
        && deploy.get("replicas").is_none()
    {
        put(deploy, "replicas", scale);
    }
}

/// Each option of a provider is a list.
fn provider(service: &mut Node) {
    let options = service
        .entry_mut("provider")
        .and_then(|provider| provider.entry_mut("options"));
    for (_, entry) in options.and_then(Node::map_mut).into_iter().flatten() {
        if let Value::String(_) = entry.value.value {
            let item = entry.value.clone();
            entry.value.value = Value::List(vec![item]);
        }
    }
}

/// `<project>_<key>`, unless there is a name; what others made has the key itself for a name.
fn names(root: &mut Node, project: &ProjectName) {
    for section in RESOURCES {
        let Some(map) = root.entry_mut(section).and_then(Node::map_mut) else {
            continue;
        };
        for (key, entry) in map.iter_mut() {
            let node = &mut entry.value;
            if node.as_map().is_none() || node.get("name").is_some() {
                continue;
            }
            let external = node.get("external").map(|node| &node.value) == Some(&Value::Bool(true));
            let name = match external {
                true => key.clone(),
                false => format!("{project}_{key}"),
            };
            put(node, "name", Value::String(name));
        }
    }
}
