//! What must hold within a service.

use super::Service;
use crate::compose::conform::misplaced;
use crate::compose::diagnostic::Report;
use crate::compose::model::NativeTest;
use crate::compose::parse::values;
use crate::compose::source::Span;
use crate::compose::yaml::Map;
use crate::compose::yaml::Node;
use crate::compose::yaml::Value;
use std::collections::BTreeMap;

/// Checks one service.
pub fn check(service: &Service<'_>, report: &mut Report) {
    image(service, report);
    mounts(service, report);
    replicas(service, report);
    deploy(service, report);
    health(service, report);
    for (name, entry) in service.entries("environment") {
        if name.is_empty() || name.ends_with(char::is_whitespace) {
            let path = format!("services.{}.environment", service.name);
            let message = match name.is_empty() {
                true => format!("`{path}`: a value without a name"),
                false => format!("`{path}`: `{name}` is not a variable name"),
            };
            report.error("invalid-value", message).at(entry.key);
        }
    }
}

fn image(service: &Service<'_>, report: &mut Report) {
    // `extends` that could not be followed is reported already.
    let sources = ["image", "build", "provider", "extends"];
    if sources.iter().any(|key| service.get(key).is_some()) {
        return;
    }
    let message = format!("service `{}` has no image", service.name);
    let hint = misplaced(service.name);
    report
        .error("no-image", message)
        .at(service.entry.key)
        .hint(hint.unwrap_or_else(|| "add `image` or `build`".to_owned()));
}

fn mounts(service: &Service<'_>, report: &mut Report) {
    let mut all: Vec<(String, Span)> = Vec::new();
    for (index, mount) in service.items("volumes").iter().enumerate() {
        if mount.text_at("type") == Some("bind") && mount.get("source").is_none() {
            let path = format!("services.{}.volumes[{index}]", service.name);
            let message = format!("`{path}`: `source` is missing");
            report.error("invalid-value", message).at(mount.span);
        }
        if let Some(target) = mount.get("target") {
            all.extend(
                target
                    .as_str()
                    .map(|text| (values::clean(text), target.span)),
            );
        }
    }
    for mount in service.items("tmpfs") {
        if let Some(text) = mount.as_str() {
            let target = text.split(':').next().unwrap_or(text);
            all.push((target.to_owned(), mount.span));
        }
    }
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for (target, span) in &all {
        if let Some(first) = seen.insert(target, *span) {
            let message = format!("service `{}` mounts two things at `{target}`", service.name);
            report
                .error("mounted-twice", message)
                .at(*span)
                .also(first, "one is here")
                .label("the other is here");
        }
    }
}

fn replicas(service: &Service<'_>, report: &mut Report) {
    let scale = service.get("scale");
    let replicas = service
        .get("deploy")
        .and_then(|deploy| deploy.get("replicas"));
    let number = |node: Option<&Node>| match node.map(|node| &node.value) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    };
    let number = number(scale).or(number(replicas)).unwrap_or(1);
    if number < 2 {
        return;
    }
    if let Some(name) = service.get("container_name") {
        let message = format!(
            "service `{}` has {number} replicas, which cannot share one `container_name`",
            service.name
        );
        report
            .error("contradiction", message)
            .at(name.span)
            .hint("remove `container_name`");
    }
}

/// What `deploy` and older attributes say of the same thing must be the same.
fn deploy(service: &Service<'_>, report: &mut Report) {
    let Some(deploy) = service.get("deploy") else {
        return;
    };
    let pairs: [(&str, &[&str]); 5] = [
        ("scale", &["replicas"]),
        ("cpus", &["resources", "limits", "cpus"]),
        ("mem_limit", &["resources", "limits", "memory"]),
        ("pids_limit", &["resources", "limits", "pids"]),
        ("mem_reservation", &["resources", "reservations", "memory"]),
    ];
    for (old, path) in pairs {
        let Some(older) = service.get(old).filter(|older| !older.is_broken()) else {
            continue;
        };
        let (key, group) = path.split_last().unwrap_or((&old, &[]));
        let group = group.iter().try_fold(deploy, |node, key| node.get(key));
        match group.map(|group| (group, group.get(key))) {
            Some((_, Some(newer))) if newer.value != older.value && !newer.is_broken() => {
                contradiction(old, older, &path.join("."), newer, report);
            }
            // What stands beside says that this is not limited.
            Some((group, None)) if path.len() > 1 => {
                contradiction(old, older, &path.join("."), group, report);
            }
            _ => {}
        }
    }
}

fn contradiction(old: &str, older: &Node, path: &str, newer: &Node, report: &mut Report) {
    let (message, hint) = match newer.as_map() {
        None => (
            format!("`{old}` and `deploy.{path}` have different values"),
            "remove one of them".to_owned(),
        ),
        Some(_) => (
            format!("`{old}` is given, and what stands beside `deploy.{path}`, but not that"),
            format!("write `deploy.{path}` instead of `{old}`"),
        ),
    };
    report
        .error("contradiction", message)
        .at(newer.span)
        .also(older.span, format!("`{old}` is given here"))
        .hint(hint);
}

fn health(service: &Service<'_>, report: &mut Report) {
    let Some(test) = service
        .get("healthcheck")
        .and_then(|check| check.get("test"))
    else {
        return;
    };
    let words: Vec<&str> = test.items().iter().filter_map(Node::as_str).collect();
    let fine = match words.first() {
        None => test.is_broken() || words.len() != test.items().len(),
        // What they need is told when they are read.
        Some(word) => matches!(*word, "NONE" | "CMD" | "CMD-SHELL") || NativeTest::is_kind(word),
    };
    if !fine {
        let message = format!(
            "`services.{}.healthcheck.test` must start with `CMD`, `CMD-SHELL` or `NONE` (here also `HTTP`, `TCP` or `LOG`), and say what to run",
            service.name
        );
        report
            .error("invalid-value", message)
            .at(test.span)
            .hint("for example `[\"CMD\", \"curl\", \"-f\", \"http://localhost\"]`");
    }
}

/// No two services may give their container the same name.
pub fn container_names(services: &Map, report: &mut Report) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for entry in services.values() {
        let Some(node) = entry.value.get("container_name") else {
            continue;
        };
        let Some(name) = node.as_str() else {
            continue;
        };
        if let Some(first) = seen.insert(name, node.span) {
            let message = format!("`{name}` is the name of two containers");
            report
                .error("name-taken", message)
                .at(node.span)
                .also(first, "first used here");
        }
    }
}
