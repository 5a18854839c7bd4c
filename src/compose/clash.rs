//! What the language lets pass although no container can be made of it: two things mounted at one place.
//!
//! docker compose compares `volumes` and `tmpfs` alone, and these as they are written (as `consistency` does); the
//! engine behind it refuses the rest when the container is made.
//!
//! Invariant: what `consistency` reports is not reported again.

use super::diagnostic::Report;
use super::parse::values;
use super::source::Span;
use super::yaml::Node;
use std::collections::BTreeMap;

/// One thing that is mounted.
struct Mounted {
    target: String,
    span: Span,
    /// Whether `consistency` compares it with others of this kind.
    compared: bool,
}

/// Checks all services.
pub fn check(root: &Node, report: &mut Report) {
    let outer = report.scope.take();
    for (name, entry) in root.get("services").into_iter().flat_map(Node::entries) {
        report.scope = Some(name.clone());
        service(name, &entry.value, report);
    }
    report.scope = outer;
}

fn service(name: &str, service: &Node, report: &mut Report) {
    let mut seen: BTreeMap<String, Mounted> = BTreeMap::new();
    for one in mounted(service) {
        let Some(first) = seen.get(&one.target) else {
            seen.insert(one.target.clone(), one);
            continue;
        };
        if first.compared && one.compared {
            continue;
        }
        let message = format!("service `{name}` mounts two things at `{}`", one.target);
        report
            .error("mounted-twice", message)
            .at(one.span)
            .also(first.span, "one is here")
            .label("the other is here");
    }
}

fn mounted(service: &Node) -> Vec<Mounted> {
    let items = |key: &str| service.get(key).map_or(&[][..], Node::items);
    let mut all = Vec::new();
    for mount in items("volumes") {
        let target = mount
            .get("target")
            .and_then(|node| Some((node.as_str()?, node.span)));
        all.extend(target.map(|(text, span)| Mounted {
            target: values::clean(text),
            span,
            compared: true,
        }));
    }
    for mount in items("tmpfs") {
        let target = mount.as_str().and_then(|text| text.split(':').next());
        all.extend(target.map(|target| Mounted {
            target: values::clean(target),
            span: mount.span,
            compared: values::clean(target) == target,
        }));
    }
    for (section, folder) in [("secrets", "/run/secrets/"), ("configs", "/")] {
        for mount in items(section) {
            let place = mount.get("target").or(mount.get("source"));
            let target = place.and_then(|node| Some((node.as_str()?, node.span)));
            all.extend(target.map(|(text, span)| Mounted {
                target: match text.starts_with('/') {
                    true => values::clean(text),
                    false => values::clean(&format!("{folder}{text}")),
                },
                span,
                compared: false,
            }));
        }
    }
    all
}
