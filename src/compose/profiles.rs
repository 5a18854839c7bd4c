//! Which services are on, and which of them are asked for.
//!
//! Invariant: a service without profiles is always on.

use super::diagnostic::Report;
use super::diagnostic::did_you_mean;
use super::yaml::Map;
use super::yaml::Node;
use super::yaml::Value;
use crate::id::ServiceName;
use std::collections::BTreeSet;
use std::collections::HashSet;

/// What switches services on.
pub struct Selection<'a> {
    /// Active profiles; `*` = all.
    pub profiles: Vec<String>,
    /// Services named on the command line: their profiles become active.
    pub services: &'a [String],
}

/// A service that is off.
pub struct Disabled {
    /// Its name.
    pub name: ServiceName,
    /// A profile that switches it on.
    pub profile: String,
}

/// Takes the services whose profiles are not active out of the tree, and returns them.
pub fn select(root: &mut Node, selection: &Selection<'_>, report: &mut Report) -> Vec<Disabled> {
    let Some(services) = root.entry_mut("services").and_then(Node::map_mut) else {
        return Vec::new();
    };
    let mut active: BTreeSet<String> = selection.profiles.iter().cloned().collect();
    for name in selection.services {
        match services.get(name.as_str()) {
            Some(entry) => active.extend(profiles(&entry.value).map(str::to_owned)),
            None => {
                let near = did_you_mean(name, services.keys().map(String::as_str));
                let diagnostic =
                    report.error("no-such-service", format!("no such service: `{name}`"));
                if let Some(near) = near {
                    diagnostic.hint(format!("did you mean `{near}`?"));
                }
            }
        }
    }
    unknown(&selection.profiles, services, report);
    let is_on = |service: &Node| {
        let mut all = profiles(service).peekable();
        all.peek().is_none() || active.contains("*") || all.any(|one| active.contains(one))
    };
    let mut disabled = Vec::new();
    services.retain(|name, entry| {
        let on = is_on(&entry.value);
        if let (false, Ok(name)) = (on, ServiceName::new(name.as_str())) {
            let profile = profiles(&entry.value).next().unwrap_or_default().to_owned();
            disabled.push(Disabled { name, profile });
        }
        on
    });
    disabled
}

/// Warns of profiles that no service has: they are probably mistyped.
fn unknown(asked: &[String], services: &Map, report: &mut Report) {
    for profile in asked
        .iter()
        .filter(|profile| !profile.is_empty() && *profile != "*")
    {
        let all = || services.values().flat_map(|entry| profiles(&entry.value));
        if all().any(|known| known == profile) {
            continue;
        }
        let message = format!("no service has the profile `{profile}`");
        let names: BTreeSet<&str> = all().collect();
        let hint = match did_you_mean(profile, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "no service has any profile".to_owned(),
            None => format!("there are `{}`", Vec::from_iter(names).join("`, `")),
        };
        report.warning("no-such-profile", message).hint(hint);
    }
}

fn profiles(service: &Node) -> impl Iterator<Item = &str> {
    let profiles = service.get("profiles").map_or(&[][..], Node::items);
    profiles.iter().filter_map(Node::as_str)
}

/// The names of the services that are wanted: those named with what they depend on, or all that are on.
pub fn wanted(root: &Node, named: &[String]) -> HashSet<String> {
    let services = root.get("services");
    let mut next: Vec<String> = match named {
        [] => {
            return services
                .into_iter()
                .flat_map(Node::entries)
                .map(|(n, _)| n.clone())
                .collect();
        }
        named => named.to_vec(),
    };
    let mut wanted = HashSet::new();
    while let Some(name) = next.pop() {
        let needs = services
            .and_then(|services| services.get(&name)?.get("depends_on"))
            .into_iter()
            .flat_map(Node::entries);
        if wanted.insert(name.clone()) {
            next.extend(needs.map(|(need, _)| need.clone()));
        }
    }
    wanted
}

/// Leaves what is wanted, without dependencies on the rest that are optional.
pub fn narrow(root: &mut Node, wanted: &HashSet<String>) {
    let Some(services) = root.entry_mut("services").and_then(Node::map_mut) else {
        return;
    };
    services.retain(|name, _| wanted.contains(name));
    let left: HashSet<String> = services.keys().cloned().collect();
    for entry in services.values_mut() {
        let service = entry.value.map_mut();
        let Some(needs) = service
            .and_then(|service| service.get_mut("depends_on"))
            .and_then(|entry| entry.value.map_mut())
        else {
            continue;
        };
        needs.retain(|name, need| {
            let required = need.value.get("required").map(|node| &node.value);
            left.contains(name) || required != Some(&Value::Bool(false))
        });
        if needs.is_empty()
            && let Some(service) = entry.value.map_mut()
        {
            service.shift_remove("depends_on");
        }
    }
}
