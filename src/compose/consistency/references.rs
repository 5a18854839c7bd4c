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
    /// The section it must be in.
    section: &'static str,
    name: &'a str,
    span: Span,
    verb: &'static str,
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
    let mut all = Vec::new();
    let mut add = |section, name, span, verb| {
        all.push(Reference {
            section,
            name,
            span,
            verb,
        });
    };
    let first = |text: &'a str| text.split(':').next().unwrap_or(text);
    for link in service.items("links") {
        if let Some(text) = link.as_str() {
            add("services", first(text), link.span, "refers to");
        }
    }
    for key in ["network_mode", "ipc", "pid", "uts"] {
        let Some(node) = service.get(key) else {
            continue;
        };
        if let Some(name) = node.as_str().and_then(|text| text.strip_prefix("service:")) {
            add("services", name, node.span, "refers to");
        }
    }
    for from in service.items("volumes_from") {
        if let Some(text) = from.as_str().filter(|text| !text.starts_with("container:")) {
            add("services", first(text), from.span, "refers to");
        }
    }
    for (name, entry) in service.entries("depends_on") {
        add("services", name, entry.key, "depends on");
    }
    for section in ["networks", "models"] {
        for (name, entry) in service.entries(section) {
            add(section, name, entry.key, "refers to");
        }
    }
    for mount in service.items("volumes") {
        let source = mount.get("source");
        if let (Some("volume"), Some(source)) = (mount.text_at("type"), source)
            && let Some(name) = source.as_str()
        {
            add("volumes", name, source.span, "refers to");
        }
    }
    let built = service.get("build").and_then(|build| build.get("secrets"));
    for mount in built.map_or(&[][..], Node::items) {
        if let Some((source, name)) = mount.get("source").and_then(|n| Some((n, n.as_str()?))) {
            add("secrets", name, source.span, "is built with");
        }
    }
    for section in ["secrets", "configs"] {
        for mount in service.items(section) {
            if let Some((source, name)) = mount.get("source").and_then(|n| Some((n, n.as_str()?))) {
                add(section, name, source.span, "refers to");
            }
        }
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
        service.name, reference.verb
    );
    let diagnostic = report.error(code, message);
    diagnostic.at(reference.span);
    match (near, off) {
        (_, Some(off)) => diagnostic.hint(format!(
            "switch it on with `--profile {}`, or write `required: false`",
            off.profile
        )),
        (Some(near), _) => diagnostic.hint(format!("did you mean `{near}`?")),
        (None, _) if kind == "service" => {
            diagnostic.hint(format!("define `{name}` below `services`"))
        }
        (None, _) => diagnostic.hint(format!("define `{name}` below the top-level `{kind}s`")),
    };
}
