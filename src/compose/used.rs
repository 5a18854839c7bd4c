//! Which networks, volumes, secrets and configs somebody uses.

use super::normalize::Environment;
use super::yaml::Node;
use indexmap::IndexMap;
use std::collections::HashSet;

/// Takes out the resources that no service uses.
pub fn prune(root: &mut Node) {
    let mut used: HashSet<(&str, String)> = HashSet::new();
    for (_, entry) in root.get("services").into_iter().flat_map(Node::entries) {
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
    for section in ["networks", "volumes", "secrets", "configs", "models"] {
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
