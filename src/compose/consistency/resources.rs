//! Networks, volumes, secrets and configs.

use crate::compose::diagnostic::Report;
use crate::compose::yaml::Entry;
use crate::compose::yaml::Node;
use crate::compose::yaml::Step;
use crate::compose::yaml::Value;

/// Checks all of them.
pub fn check(root: &Node, report: &mut Report) {
    for section in ["networks", "volumes", "secrets", "configs"] {
        for (key, entry) in root.get(section).into_iter().flat_map(Node::entries) {
            if entry.value.is_broken() {
                continue;
            }
            let path = format!("{section}.{key}");
            match is_external(entry) {
                true => external(&path, entry, report),
                false if section == "secrets" => {
                    origin(&path, entry, &["file", "environment"], report);
                }
                false if section == "configs" => {
                    origin(&path, entry, &["file", "environment", "content"], report);
                }
                false => {}
            }
        }
    }
}

fn is_external(entry: &Entry) -> bool {
    entry.value.get("external").map(|node| &node.value) == Some(&Value::Bool(true))
}

/// Nothing but a name goes with `external`; docker compose insists on that for volumes.
fn external(path: &str, entry: &Entry, report: &mut Report) {
    let is_volume = path.starts_with("volumes.");
    for (key, entry) in entry.value.entries() {
        let written = !entry.value.history.steps().contains(&Step::Default);
        // `ipam: {}` is what `config` prints for every network.
        let empty = entry.value.as_map().is_some_and(|map| map.is_empty());
        let fine = matches!(key.as_str(), "external" | "name") || key.starts_with("x-");
        if fine || !written || empty {
            continue;
        }
        if is_volume {
            let message = format!("`{path}`: `{key}` cannot go with `external`");
            report.error("invalid-value", message).at(entry.key);
        } else {
            let message = format!("`{path}`: `{key}` has no effect on what is `external`");
            report.warning("no-effect", message).at(entry.key);
        }
    }
}

/// A secret or config has one origin.
fn origin(path: &str, entry: &Entry, ways: &[&str], report: &mut Report) {
    let found: Vec<&Node> = ways.iter().filter_map(|way| entry.value.get(way)).collect();
    let shown: Vec<String> = ways.iter().map(|way| format!("`{way}`")).collect();
    match found.as_slice() {
        [_] => {}
        [] => {
            let message = format!("`{path}`: one of {} is needed", shown.join(", "));
            report.error("invalid-value", message).at(entry.key);
        }
        [_, second, ..] => {
            let message = format!("`{path}`: only one of {} is possible", shown.join(", "));
            let problem = report.error("invalid-value", message);
            problem.at(second.span).hint("remove one of them");
        }
    }
}
