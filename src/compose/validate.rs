//! What must hold between the parts of a project.
//!
//! Invariant: everything is checked; one problem does not hide another.

use super::diagnostic::Report;
use super::diagnostic::did_you_mean;
use super::model::Mount;
use super::model::NetworkMode;
use super::parse::Document;
use super::parse::Draft;
use super::parse::Reference;
use super::parse::Section;
use super::parse::Target;
use super::source::Span;
use crate::id::ServiceName;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// Checks the services that are on; `disabled` are those that are not.
pub fn check(document: &mut Document, disabled: &[ServiceName], report: &mut Report) {
    drop_optional(document);
    let services = &document.services.entries;
    for draft in services.values() {
        source_of_image(draft, report);
        for reference in &draft.references {
            resolve(reference, draft, document, disabled, report);
        }
        networking(draft, report);
        mounts(draft, report);
        replicas(draft, report);
    }
    container_names(services, report);
    cycles(services, report);
}

/// A dependency that is not required and not there is no dependency.
fn drop_optional(document: &mut Document) {
    let names: BTreeSet<String> = document.services.entries.keys().cloned().collect();
    for draft in document.services.entries.values_mut() {
        let service = &mut draft.service;
        let mut dropped = BTreeSet::new();
        service.depends_on.retain(|name, dependency| {
            let keep = dependency.required || names.contains(name.as_str());
            if !keep {
                dropped.insert(name.to_string());
            }
            keep
        });
        draft.references.retain(|reference| {
            reference.target != Target::Dependency || !dropped.contains(&reference.name)
        });
    }
}

fn source_of_image(draft: &Draft, report: &mut Report) {
    let name = &draft.service.name;
    match (draft.place("image"), draft.place("build")) {
        (Some(_), None) => {}
        (Some(_), Some(build)) => {
            report
                .warning(
                    "build-ignored",
                    format!(
                        "service `{name}`: images cannot be built yet, `image` is used as it is"
                    ),
                )
                .at(build);
        }
        (None, Some(build)) => {
            report
                .error(
                    "unsupported",
                    format!("service `{name}`: building images is not supported yet"),
                )
                .at(build)
                .hint("build the image elsewhere and name it with `image`");
        }
        // What it extends is missing, and that is reported already.
        (None, None) if draft.place("extends").is_some() => {}
        (None, None) => {
            report
                .error("no-image", format!("service `{name}` has no image"))
                .at(draft.span)
                .hint("add `image`");
        }
    }
}

fn resolve(
    reference: &Reference,
    draft: &Draft,
    document: &Document,
    disabled: &[ServiceName],
    report: &mut Report,
) {
    let name = reference.name.as_str();
    let (known, kind, verb): (&dyn Names, _, _) = match reference.target {
        Target::Dependency => (&document.services, "service", "depends on"),
        Target::Service => (&document.services, "service", "refers to"),
        Target::Network => (&document.networks, "network", "refers to"),
        Target::Volume => (&document.volumes, "volume", "refers to"),
        Target::Secret => (&document.secrets, "secret", "refers to"),
        Target::Config => (&document.configs, "config", "refers to"),
    };
    if known.has(name) || (reference.target == Target::Network && name == "default") {
        return;
    }
    let service = &draft.service.name;
    let is_disabled = kind == "service" && disabled.iter().any(|other| other.as_str() == name);
    let state = if is_disabled { "disabled" } else { "undefined" };
    let near = known.near(name, report);
    let diagnostic = report.error(
        if is_disabled {
            "disabled-service"
        } else {
            "undefined"
        },
        format!("service `{service}` {verb} {state} {kind} `{name}`"),
    );
    diagnostic.at(reference.span);
    match near {
        _ if is_disabled => diagnostic.hint(format!(
            "activate a profile of `{name}`, or write `required: false`"
        )),
        Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
        None if kind == "service" => diagnostic.hint(format!("define `{name}` below `services`")),
        None => diagnostic.hint(format!("define `{name}` below the top-level `{kind}s`")),
    };
}

/// The names of a section, whatever they name.
trait Names {
    fn has(&self, name: &str) -> bool;
    /// What `name` was probably meant to be.
    fn near(&self, name: &str, report: &Report) -> Option<&str>;
}

impl<T> Names for Section<T> {
    fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name) || self.broken.contains(name)
    }

    fn near(&self, name: &str, report: &Report) -> Option<&str> {
        let all = self.entries.keys().chain(&self.broken);
        report
            .is_short()
            .then(|| did_you_mean(name, all.map(String::as_str)))
            .flatten()
    }
}

fn networking(draft: &Draft, report: &mut Report) {
    let service = &draft.service;
    let name = &service.name;
    if service.network_mode == NetworkMode::Networks {
        return;
    }
    if let (Some(span), false) = (draft.place("networks"), service.networks.is_empty()) {
        report
            .error(
                "contradiction",
                format!("service `{name}` has both `network_mode` and `networks`"),
            )
            .at(span)
            .hint("remove one of them");
    }
    let elsewhere = matches!(
        service.network_mode,
        NetworkMode::Service(_) | NetworkMode::Container(_)
    );
    if elsewhere && !service.ports.is_empty() {
        report
            .error(
                "contradiction",
                format!(
                    "service `{name}` publishes ports, but the network of another container is used"
                ),
            )
            .at(draft.place("ports").unwrap_or(draft.span))
            .hint("publish the ports where the network belongs");
    }
}

fn mounts(draft: &Draft, report: &mut Report) {
    let service = &draft.service;
    let kind = |mount: &Mount| match mount {
        Mount::Tmpfs(_) if draft.place("tmpfs").is_some() => "tmpfs",
        _ => "volumes",
    };
    let mounts = service
        .mounts
        .iter()
        .map(|mount| (mount.target(), kind(mount)));
    let secrets = service
        .secrets
        .iter()
        .map(|mount| (mount.target.as_str(), "secrets"));
    let configs = service
        .configs
        .iter()
        .map(|mount| (mount.target.as_str(), "configs"));
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (target, attribute) in mounts.chain(secrets).chain(configs) {
        let Some(first) = seen.insert(target, attribute) else {
            continue;
        };
        let message = format!("service `{}` mounts two things at `{target}`", service.name);
        let place = |attribute: &str| draft.place(attribute).unwrap_or(draft.span);
        report
            .error("mounted-twice", message)
            .at(place(attribute))
            .also(place(first), "one is here")
            .label("the other is here");
    }
}

fn replicas(draft: &Draft, report: &mut Report) {
    let service = &draft.service;
    if service.scale < 2 {
        return;
    }
    let number = service.scale;
    if let Some(span) = draft.place("container_name") {
        let message = format!(
            "service `{}` has {number} replicas, which cannot share one `container_name`",
            service.name
        );
        report
            .error("contradiction", message)
            .at(span)
            .hint("remove `container_name`");
    }
    let fixed = service
        .networks
        .values()
        .any(|network| network.ipv4_address.is_some() || network.ipv6_address.is_some());
    if fixed {
        let message = format!(
            "service `{}` has {number} replicas, which cannot share one address",
            service.name
        );
        report.error("contradiction", message).at(draft.span);
    }
}

fn container_names(services: &IndexMap<String, Draft>, report: &mut Report) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for draft in services.values() {
        let (Some(name), Some(span)) =
            (&draft.service.container_name, draft.place("container_name"))
        else {
            continue;
        };
        if let Some(first) = seen.insert(name, span) {
            report
                .error(
                    "name-taken",
                    format!("`{name}` is the name of two containers"),
                )
                .at(span)
                .also(first, "first used here");
        }
    }
}

/// Reports every cycle of dependencies once.
fn cycles(services: &IndexMap<String, Draft>, report: &mut Report) {
    let mut left: BTreeMap<&str, BTreeSet<&str>> = services
        .iter()
        .map(|(name, draft)| {
            let needs = draft.service.depends_on.keys().map(ServiceName::as_str);
            (
                name.as_str(),
                needs.filter(|need| services.contains_key(*need)).collect(),
            )
        })
        .collect();
    loop {
        prune(&mut left);
        let Some(cycle) = one_cycle(&left) else {
            return;
        };
        let shown: Vec<&str> = cycle.iter().chain(cycle.first()).copied().collect();
        let message = format!(
            "services depend on each other in a circle: {}",
            shown.join(" → ")
        );
        let diagnostic = report.error("dependency-cycle", message);
        for (index, name) in cycle.iter().enumerate() {
            let next = shown[index + 1];
            let Some(span) = services.get(*name).map(|draft| place_of(draft, next)) else {
                continue;
            };
            match index {
                0 => diagnostic
                    .at(span)
                    .label(format!("`{name}` needs `{next}`")),
                _ => diagnostic.also(span, format!("`{name}` needs `{next}`")),
            };
        }
        for name in cycle {
            left.remove(name);
        }
    }
}

/// Takes away, again and again, what depends on nothing that is left.
fn prune<'a>(left: &mut BTreeMap<&'a str, BTreeSet<&'a str>>) {
    let mut dependents: BTreeMap<&str, Vec<&'a str>> = BTreeMap::new();
    let mut missing: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, needs) in left.iter() {
        let present: Vec<&str> = needs
            .iter()
            .copied()
            .filter(|n| left.contains_key(n))
            .collect();
        missing.insert(name, present.len());
        for need in present {
            dependents.entry(need).or_default().push(name);
        }
    }
    let mut free: Vec<&str> = missing
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(name, _)| *name)
        .collect();
    while let Some(name) = free.pop() {
        left.remove(name);
        for dependent in dependents.remove(name).unwrap_or_default() {
            if let Some(count) = missing.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    free.push(dependent);
                }
            }
        }
    }
}

/// A cycle of what is left, beginning with its first name.
fn one_cycle<'a>(left: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Option<Vec<&'a str>> {
    let mut path: Vec<&str> = vec![left.keys().next()?];
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    loop {
        let name = *path.last()?;
        if let Some(start) = places.insert(name, path.len() - 1) {
            path.pop();
            let mut cycle = path.split_off(start);
            let first = cycle.iter().enumerate().min_by_key(|(_, name)| **name)?.0;
            cycle.rotate_left(first);
            return Some(cycle);
        }
        // After pruning, everything left needs something that is left.
        path.push(
            left.get(name)?
                .iter()
                .copied()
                .find(|n| left.contains_key(n))?,
        );
    }
}

fn place_of(draft: &Draft, name: &str) -> Span {
    draft
        .references
        .iter()
        .find(|r| matches!(r.target, Target::Dependency | Target::Service) && r.name == name)
        .map_or(draft.span, |reference| reference.span)
}
