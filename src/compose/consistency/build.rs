//! What must hold within a build, a watch and a request of devices.

use super::Service;
use crate::compose::diagnostic::Report;
use crate::compose::yaml::Map;
use crate::compose::yaml::Node;

/// Checks them.
pub fn check(service: &Service<'_>, services: &Map, report: &mut Report) {
    if let Some(build) = service.get("build") {
        dockerfile(service, build, report);
        platforms(service, build, report);
        contexts(service, build, services, report);
    }
    watch(service, report);
    let path = ["resources", "reservations", "devices"];
    let deploy = service.get("deploy");
    let reserved = deploy.and_then(|node| path.iter().try_fold(node, |node, key| node.get(key)));
    for requests in [service.get("gpus"), reserved].into_iter().flatten() {
        requests
            .items()
            .iter()
            .for_each(|request| devices(service, request, report));
    }
}

fn dockerfile(service: &Service<'_>, build: &Node, report: &mut Report) {
    if let (Some(file), Some(inline)) = (build.get("dockerfile"), build.get("dockerfile_inline")) {
        let message = format!(
            "service `{}` has both `dockerfile` and `dockerfile_inline`",
            service.name
        );
        report
            .error("contradiction", message)
            .at(inline.span)
            .also(file.span, "`dockerfile` is given here")
            .hint("remove one of them");
    }
}

/// What is built must be what is run.
fn platforms(service: &Service<'_>, build: &Node, report: &mut Report) {
    let (Some(platform), Some(platforms)) = (service.get("platform"), build.get("platforms"))
    else {
        return;
    };
    let wanted = platform.as_str();
    if wanted.is_some() && !platforms.items().iter().any(|one| one.as_str() == wanted) {
        let message = format!(
            "service `{}` runs on `{}`, which `build.platforms` does not have",
            service.name,
            wanted.unwrap_or_default()
        );
        report
            .error("contradiction", message)
            .at(platforms.span)
            .also(platform.span, "it runs on this")
            .hint("add it to `build.platforms`");
    }
}

/// A context that is another service must be built itself.
fn contexts(service: &Service<'_>, build: &Node, services: &Map, report: &mut Report) {
    let contexts = build.get("additional_contexts").into_iter();
    for (name, entry) in contexts.flat_map(Node::entries) {
        let Some(other) = entry
            .value
            .as_str()
            .and_then(|text| text.strip_prefix("service:"))
        else {
            continue;
        };
        let built = services
            .get(other)
            .is_some_and(|other| other.value.get("build").is_some());
        if !built {
            let message = format!(
                "service `{}` builds with the context `{name}` of service `{other}`, which is not built",
                service.name
            );
            report
                .error("undefined", message)
                .at(entry.value.span)
                .hint(format!("give `{other}` a `build`"));
        }
    }
}

fn watch(service: &Service<'_>, report: &mut Report) {
    let rules = service
        .get("develop")
        .and_then(|develop| develop.get("watch"));
    for rule in rules.map_or(&[][..], Node::items) {
        let action = rule.text_at("action").unwrap_or_default();
        if action.starts_with("sync") && rule.get("target").is_none() {
            let message = format!(
                "service `{}`: the action `{action}` needs a `target`",
                service.name
            );
            report
                .error("invalid-value", message)
                .at(rule.get("action").map_or(rule.span, |action| action.span))
                .hint("add `target: /path/in/the/container`");
        }
    }
}

fn devices(service: &Service<'_>, request: &Node, report: &mut Report) {
    if let (Some(count), Some(ids)) = (request.get("count"), request.get("device_ids")) {
        let message = format!(
            "service `{}` asks for devices by number and by id",
            service.name
        );
        report
            .error("contradiction", message)
            .at(count.span)
            .also(ids.span, "the ids")
            .hint("remove `count` or `device_ids`");
    }
}
