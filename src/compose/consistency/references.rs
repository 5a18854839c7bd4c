//! Names of other things: they must exist.

use super::Service;
use crate::compose::diagnostic::Report;
use crate::compose::diagnostic::did_you_mean;
use crate::compose::profiles::Disabled;
use crate::compose::source::Span;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;
use std::collections::BTreeSet;

/// A name that must exist.
struct Reference<'a> {
    /// The attribute that it is in.
    key: &'static str,
    /// The section it must be in.
    section: &'static str,
    name: &'a str,
    span: Span,
}

impl Reference<'_> {
    fn verb(&self) -> &'static str {
        match self.key {
            "depends_on" => "depends on",
            "build" => "is built with",
            _ => "refers to",
        }
    }
}

/// Checks all names in a service.
pub fn check(service: &Service<'_>, root: &Node, disabled: &[Disabled], report: &mut Report) {
    let mut seen = BTreeSet::new();
    for reference in references(service) {
        if seen.insert((reference.section, reference.name, reference.span)) {
            resolve(&reference, service, root, disabled, report);
        }
    }
}

fn references<'a>(service: &Service<'a>) -> Vec<Reference<'a>> {
    let mut all = to_services(service);
    for section in ["networks", "models"] {
        for (name, entry) in service.entries(section) {
            all.push(Reference {
                key: section,
                section,
                name,
                span: entry.key,
            });
        }
    }
    let built = service.get("build").and_then(|build| build.get("secrets"));
    let volumes = service.items("volumes").iter();
    let volumes = volumes.filter(|mount| mount.text_at("type") == Some("volume"));
    all.extend(volumes.filter_map(|mount| mounted("volumes", "volumes", mount)));
    let built = built.map_or(&[][..], Node::items).iter();
    all.extend(built.filter_map(|mount| mounted("build", "secrets", mount)));
    for section in ["secrets", "configs"] {
        let mounts = service.items(section).iter();
        all.extend(mounts.filter_map(|mount| mounted(section, section, mount)));
    }
    all
}

/// The source of a mount.
fn mounted<'a>(key: &'static str, section: &'static str, mount: &'a Node) -> Option<Reference<'a>> {
    let source = mount.get("source")?;
    Some(Reference {
        key,
        section,
        name: source.as_str()?,
        span: source.span,
    })
}

fn to_services<'a>(service: &Service<'a>) -> Vec<Reference<'a>> {
    let mut all = Vec::new();
    let mut add = |key, name, span| {
        all.push(Reference {
            key,
            section: "services",
            name,
            span,
        });
    };
    let first = |text: &'a str| text.split(':').next().unwrap_or(text);
    for link in service.items("links") {
        if let Some(text) = link.as_str() {
            add("links", first(text), link.span);
        }
    }
    for key in ["network_mode", "ipc", "pid", "uts"] {
        let Some(node) = service.get(key) else {
            continue;
        };
        if let Some(name) = node.as_str().and_then(|text| text.strip_prefix("service:")) {
            add(key, name, node.span);
        }
    }
    for from in service.items("volumes_from") {
        if let Some(text) = from.as_str().filter(|text| !text.starts_with("container:")) {
            add("volumes_from", first(text), from.span);
        }
    }
    for (name, entry) in service.entries("depends_on") {
        add("depends_on", name, entry.key);
    }
    all
}

/// Whether a service can do without another one.
fn is_optional(service: &Service<'_>, name: &str) -> bool {
    let dependency = service.get("depends_on").and_then(|all| all.get(name));
    let required = dependency.and_then(|dependency| dependency.get("required"));
    required.map(|required| &required.value) == Some(&Value::Bool(false))
}

fn resolve(
    reference: &Reference<'_>,
    service: &Service<'_>,
    root: &Node,
    disabled: &[Disabled],
    report: &mut Report,
) {
    let (name, section) = (reference.name, reference.section);
    let known = root.get(section).and_then(Node::as_map);
    if known.is_some_and(|map| map.contains_key(name))
        || root.get(section).is_some_and(Node::is_broken)
        || (section == "networks" && name == "default")
    {
        return;
    }
    let kind = section.strip_suffix('s').unwrap_or(section);
    let off = disabled.iter().find(|other| other.name.as_str() == name);
    let off = off.filter(|_| section == "services");
    if off.is_some() && is_optional(service, name) {
        return;
    }
    let (code, state) = match off {
        Some(_) => ("disabled-service", "disabled"),
        None => ("undefined", "undefined"),
    };
    let near = match report.is_short() {
        true => known.and_then(|map| did_you_mean(name, map.keys().map(String::as_str))),
        false => None,
    };
    let message = format!(
        "service `{}` {} {state} {kind} `{name}`",
        service.name,
        reference.verb()
    );
    let diagnostic = report.error(code, message);
    diagnostic.at(reference.span);
    if let Some((span, how)) = service.detour(reference.key) {
        diagnostic.also(span, how);
    }
    diagnostic.hint(match (near, off) {
        (_, Some(off)) => {
            let profile = &off.profile;
            format!("switch it on with `--profile {profile}`, or write `required: false`")
        }
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, _) => defined(section, name),
    });
}

/// How something is defined.
fn defined(section: &str, name: &str) -> String {
    if section == "volumes" && name.starts_with(['.', '/', '~']) {
        return "a folder is mounted with `type: bind`".to_owned();
    }
    let example = match section {
        "services" => return format!("define `{name}` below `services`"),
        "secrets" | "configs" => format!("{{file: ./{name}.txt}}"),
        _ => "{}".to_owned(),
    };
    format!("define it at the top of the file: `{section}: {{{name}: {example}}}`")
}
