//! Orders among services: what depends on what, and who is drawn in when some are selected.
//!
//! Every order here is stable: services that are free of each other keep the order of the file.

use crate::id::ServiceName;
use indexmap::IndexMap;
use indexmap::IndexSet;

/// For each service those it depends on, in the order of the file. Names without an entry of their own are ignored.
pub type Edges = IndexMap<ServiceName, Vec<ServiceName>>;

/// Services that depend on each other, the first one repeated at the end: `a -> b -> a`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dependency cycle detected: {}", path.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(" -> "))]
pub struct Cycle {
    /// The way around.
    pub path: Vec<ServiceName>,
}

/// All services, each after those it depends on.
pub fn dependency_order(edges: &Edges) -> Result<Vec<ServiceName>, Cycle> {
    let mut done = IndexSet::with_capacity(edges.len());
    for start in edges.keys() {
        visit_after_dependencies(edges, start, &mut done)?;
    }
    Ok(done.into_iter().cloned().collect())
}

/// Depth first, with a stack of our own: a chain of services may be longer than the thread's stack is deep.
fn visit_after_dependencies<'a>(
    edges: &'a Edges,
    start: &'a ServiceName,
    done: &mut IndexSet<&'a ServiceName>,
) -> Result<(), Cycle> {
    if done.contains(start) {
        return Ok(());
    }
    let mut path: IndexMap<&ServiceName, std::slice::Iter<'_, ServiceName>> = IndexMap::new();
    path.insert(start, edges[start].iter());
    while let Some((name, rest)) = path.last_mut() {
        let name = *name;
        match rest.next() {
            None => {
                done.insert(name);
                path.pop();
            }
            Some(next) if done.contains(next) => {}
            Some(next) if path.contains_key(next) => return Err(cycle(&path, next)),
            Some(next) => {
                if let Some((next, dependencies)) = edges.get_key_value(next) {
                    path.insert(next, dependencies.iter());
                }
            }
        }
    }
    Ok(())
}

fn cycle<T>(path: &IndexMap<&ServiceName, T>, back_to: &ServiceName) -> Cycle {
    let around = path.keys().skip_while(|name| **name != back_to);
    Cycle {
        path: around
            .map(|name| (*name).clone())
            .chain([back_to.clone()])
            .collect(),
    }
}

/// `start` and everything that can be reached from it, as far as it has an entry.
pub fn closure(edges: &Edges, start: &[ServiceName]) -> IndexSet<ServiceName> {
    let mut reached: IndexSet<ServiceName> = start
        .iter()
        .filter(|name| edges.contains_key(*name))
        .cloned()
        .collect();
    let mut next = 0;
    while let Some(name) = reached.get_index(next) {
        let further: Vec<_> = edges[name]
            .iter()
            .filter(|name| edges.contains_key(*name))
            .cloned()
            .collect();
        reached.extend(further);
        next += 1;
    }
    reached
}

/// The same edges the other way around: for each service those that depend on it.
pub fn reversed(edges: &Edges) -> Edges {
    let mut dependents: Edges = edges.keys().map(|name| (name.clone(), vec![])).collect();
    for (name, dependencies) in edges {
        for dependency in dependencies {
            if let Some(entry) = dependents.get_mut(dependency) {
                entry.push(name.clone());
            }
        }
    }
    dependents
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServiceName {
        ServiceName::new(text).unwrap()
    }

    /// `a: b c, b: c, c:`
    fn edges(text: &str) -> Edges {
        text.split(',')
            .map(|part| {
                let (from, to) = part.split_once(':').unwrap();
                let to = to.split_whitespace().map(name).collect();
                (name(from.trim()), to)
            })
            .collect()
    }

    fn words(names: impl IntoIterator<Item = ServiceName>) -> String {
        let names: Vec<String> = names.into_iter().map(String::from).collect();
        names.join(" ")
    }

    #[test]
    fn dependencies_come_first_and_free_services_keep_the_order_of_the_file() {
        for (given, order) in [
            ("a:, b:, c:", "a b c"),
            ("a: b c, b: c, c:", "c b a"),
            ("z:, a: z, m:, b: a m", "z a m b"),
            ("web: gone db, db:", "db web"),
        ] {
            assert_eq!(
                words(dependency_order(&edges(given)).unwrap()),
                order,
                "{given}"
            );
        }
    }

    #[test]
    fn a_cycle_is_told_with_its_way_around() {
        for (given, way) in [
            ("a: a", "a -> a"),
            ("x: a, a: b, b: c, c: a", "a -> b -> c -> a"),
        ] {
            let error = dependency_order(&edges(given)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("dependency cycle detected: {way}")
            );
        }
    }

    #[test]
    fn a_chain_of_100_000_services_does_not_exhaust_the_stack() {
        let of = |i: usize| name(&format!("s{i}"));
        let chain: Edges = (0..100_000).map(|i| (of(i), vec![of(i + 1)])).collect();
        assert_eq!(dependency_order(&chain).unwrap()[0], of(99_999));
    }

    #[test]
    fn a_closure_follows_the_edges_and_its_reverse_the_dependents() {
        let given = edges("a: b, b: c, c:, d: c, e:");
        assert_eq!(words(closure(&given, &[name("b"), name("gone")])), "b c");
        assert_eq!(words(closure(&reversed(&given), &[name("c")])), "c b d a");
    }
}
