//! Dependencies that come back to where they began.

use crate::compose::diagnostic::Report;
use crate::compose::source::Span;
use crate::compose::yaml::Entry;
use crate::compose::yaml::Map;
use crate::compose::yaml::Node;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// Reports every cycle of dependencies once.
pub fn check(services: &Map, report: &mut Report) {
    let mut left: BTreeMap<&str, BTreeSet<&str>> = services
        .iter()
        .map(|(name, entry)| {
            let needs = entry
                .value
                .get("depends_on")
                .into_iter()
                .flat_map(Node::entries);
            let needs = needs.map(|(need, _)| need.as_str());
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
            let Some(span) = services.get(*name).map(|entry| place_of(entry, next)) else {
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

/// Where a service says that it needs another one.
fn place_of(entry: &Entry, name: &str) -> Span {
    let needs = entry.value.get("depends_on").and_then(Node::as_map);
    needs
        .and_then(|map| map.get(name))
        .map_or(entry.key, |need| need.key)
}
