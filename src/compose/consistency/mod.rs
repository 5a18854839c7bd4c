//! What must hold between the parts of a project, on the canonical tree.
//!
//! Invariant: everything is checked; one problem does not hide another; what is broken is not complained about again.

mod build;
mod cycles;
mod networking;
mod references;
mod resources;
mod service;

use super::diagnostic::Report;
use super::profiles::Disabled;
use super::source::Span;
use super::yaml::Entry;
use super::yaml::Map;
use super::yaml::Node;

/// Checks the services that are on; `disabled` are those that are not.
pub fn check(root: &Node, disabled: &[Disabled], report: &mut Report) {
    let empty = Map::default();
    let services = root
        .get("services")
        .and_then(Node::as_map)
        .unwrap_or(&empty);
    for (name, entry) in services {
        if entry.value.is_broken() {
            continue;
        }
        report.scope = Some(name.clone());
        let service = Service { name, entry };
        service::check(&service, report);
        networking::check(&service, root, report);
        build::check(&service, services, report);
        references::check(&service, root, disabled, report);
    }
    report.scope = None;
    service::container_names(services, report);
    resources::check(root, report);
    cycles::check(services, report);
}

/// A service with its name and place.
pub struct Service<'a> {
    name: &'a str,
    entry: &'a Entry,
}

impl<'a> Service<'a> {
    fn get(&self, key: &str) -> Option<&'a Node> {
        self.entry.value.get(key)
    }

    /// Where an attribute, or the whole service, came in that was written elsewhere.
    fn detour(&self, key: &str) -> Option<(Span, &'static str)> {
        let attribute = self.get(key).and_then(|node| node.history.detour());
        attribute.or_else(|| self.entry.value.history.detour())
    }

    fn items(&self, key: &str) -> &'a [Node] {
        self.get(key).map_or(&[], Node::items)
    }

    fn entries(&self, key: &str) -> impl Iterator<Item = (&'a String, &'a Entry)> {
        self.get(key).into_iter().flat_map(Node::entries)
    }
}
