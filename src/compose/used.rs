//! Which networks, volumes, secrets and configs somebody uses.

use super::normalize::Environment;
use super::yaml::Node;
use indexmap::IndexMap;
use std::collections::HashSet;

/// The sections of what services share.
pub const SECTIONS: [&str; 5] = ["networks", "volumes", "secrets", "configs", "models"];

/// What the services use of which `of` holds, as section and key.
pub fn uses(root: &Node, of: impl Fn(&str) -> bool) -> HashSet<(&'static str, String)> {
    let mut used = HashSet::new();
    let services = root.get("services").into_iter().flat_map(Node::entries);
    for (_, entry) in services.filter(|(name, _)| of(name)) {
        let service = &entry.value;
        for section in ["networks", "models"] {
            for (name, _) in service.get(section).into_iter().flat_map(Node::entries) {
                used.insert((section, name.clone()));
            }
        }
        for section in ["volumes", "secrets", "configs"] {
            for mount in service.get(section).map_or(&[][..], Node::items) {
                let source = mount.text_at("source").map(str::to_owned);
                used.extend(source.map(|source| (section, source)));
            }
        }
        let built = service.get("build").and_then(|build| build.get("secrets"));
        for mount in built.map_or(&[][..], Node::items) {
            let source = mount.text_at("source").map(str::to_owned);
            used.extend(source.map(|source| ("secrets", source)));
        }
    }
    used
}

/// Takes out the resources that no service uses.
pub fn prune(root: &mut Node) {
    let used = uses(root, |_| true);
    for section in SECTIONS {
        let Some(map) = root.entry_mut(section).and_then(Node::map_mut) else {
            continue;
        };
        map.retain(|name, _| used.contains(&(section, name.clone())));
        if map.is_empty()
            && let Some(map) = root.map_mut()
        {
            map.shift_remove(section);
        }
    }
}

/// The variables that secrets and configs are made of, as far as they are set.
pub fn variables(root: &Node, environment: &Environment) -> IndexMap<String, String> {
    let mut found = IndexMap::new();
    for section in ["secrets", "configs"] {
        for (_, entry) in root.get(section).into_iter().flat_map(Node::entries) {
            if let Some(name) = entry.value.text_at("environment")
                && let Some(value) = environment.get(name)
            {
                found.insert(name.to_owned(), value.clone());
            }
        }
    }
    found
}
