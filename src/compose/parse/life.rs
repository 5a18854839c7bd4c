//! What happens around a container's life: hooks, logging, updates, and whom it knows outside of the project.

use super::context::Context;
use super::networks::service_name;
use crate::compose::model::Hook;
use crate::compose::model::Logging;
use crate::compose::model::OnFailure;
use crate::compose::model::Service;
use crate::compose::model::Update;
use crate::compose::model::VolumesFrom;
use crate::compose::model::VolumesOf;
use crate::compose::yaml::Node;

/// Drivers whose logs hoist keeps.
const LOG_DRIVERS: [&str; 6] = ["", "json-file", "local", "none", "journald", "syslog"];

/// Reads one attribute of this topic.
pub fn attribute(cx: &mut Context<'_>, service: &mut Service, key: &str, node: &Node) {
    match key {
        "pre_start" => service.life.hooks.pre_start = hooks(cx, node),
        "post_start" => service.life.hooks.post_start = hooks(cx, node),
        "pre_stop" => service.life.hooks.pre_stop = hooks(cx, node),
        "logging" => service.life.logging = logging(cx, node),
        "volumes_from" => service.volumes_from = volumes_from(cx, node),
        _ => cx.items(node, |_, item| {
            let text = item.as_str().unwrap_or_default();
            let (name, alias) = text.split_once(':').unwrap_or((text, text));
            let link = (name.to_owned(), alias.to_owned());
            service.external_links.push(link);
        }),
    }
}

/// Reads `x-hoist`, what we have beyond the specification.
pub fn own(cx: &mut Context<'_>, service: &mut Service, node: &Node) {
    cx.fields(node, |cx, key, node| match key {
        "restart_unhealthy" => {
            service.life.restart_unhealthy = cx.boolean(node).unwrap_or_default();
        }
        _ => cx.invalid(node.span, "there is only `restart_unhealthy`"),
    });
}

fn hooks(cx: &mut Context<'_>, node: &Node) -> Vec<Hook> {
    let mut hooks = Vec::new();
    cx.items(node, |cx, item| {
        let mut hook = Hook::default();
        cx.fields(item, |cx, key, node| match key {
            "command" => hook.command = Some(cx.texts(node)),
            "image" => hook.image = cx.text(node).filter(|text| !text.is_empty()),
            "user" => hook.user = cx.text(node).filter(|text| !text.is_empty()),
            "privileged" => hook.privileged = cx.boolean(node).unwrap_or_default(),
            "working_dir" => hook.working_dir = cx.text(node).filter(|text| !text.is_empty()),
            "per_replica" => hook.per_replica = cx.boolean(node).unwrap_or_default(),
            _ => hook.environment = super::service::environment(cx, node),
        });
        hooks.push(hook);
    });
    hooks
}

fn logging(cx: &mut Context<'_>, node: &Node) -> Logging {
    let mut logging = Logging::default();
    cx.fields(node, |cx, key, node| match key {
        "driver" => {
            logging.driver = cx.text(node).filter(|text| !text.is_empty());
            let driver = logging.driver.as_deref().unwrap_or_default();
            if !LOG_DRIVERS.contains(&driver) {
                let message = format!("`{}`: hoist has no log driver `{driver}`", cx.path());
                cx.report
                    .error("unsupported", message)
                    .at(node.span)
                    .hint("it has `json-file`, `local`, `none`, `journald` and `syslog`");
            }
        }
        _ => logging.options = cx.labels(node),
    });
    logging
}

/// `SERVICE[:ro]` or `container:NAME[:ro]`.
fn volumes_from(cx: &mut Context<'_>, node: &Node) -> Vec<VolumesFrom> {
    let mut all = Vec::new();
    cx.items(node, |cx, item| {
        let Some(text) = item.as_str() else {
            return;
        };
        let (rest, read_only) = match text.rsplit_once(':') {
            Some((rest, "ro")) => (rest, true),
            Some((rest, "rw")) => (rest, false),
            _ => (text, false),
        };
        let source = match rest.strip_prefix("container:") {
            Some(name) => Some(VolumesOf::Container(name.to_owned())),
            None => service_name(cx, rest, item.span).map(VolumesOf::Service),
        };
        all.extend(source.map(|source| VolumesFrom { source, read_only }));
    });
    all
}

/// Reads `deploy.update_config` or `deploy.rollback_config`.
pub fn update(cx: &mut Context<'_>, node: &Node) -> Update {
    let mut update = Update::default();
    cx.fields(node, |cx, key, node| match key {
        "parallelism" => update.parallelism = cx.integer(node).unwrap_or(1),
        "delay" => update.delay = cx.duration(node).unwrap_or_default(),
        "monitor" => update.monitor = cx.duration(node).unwrap_or_default(),
        "max_failure_ratio" => update.tolerance = tolerance(cx, node),
        "order" => update.start_first = node.as_str() == Some("start-first"),
        "failure_action" => {
            let actions = [
                ("pause", OnFailure::Pause),
                ("continue", OnFailure::Continue),
                ("rollback", OnFailure::Rollback),
            ];
            update.on_failure = cx.one_of(node, &actions).unwrap_or_default();
        }
        _ => {}
    });
    update
}

/// `max_failure_ratio`, from 0 to 1, in millionths.
fn tolerance(cx: &mut Context<'_>, node: &Node) -> u32 {
    let Some(ratio) = cx.number(node) else {
        return 0;
    };
    if !(0.0..=1.0).contains(&ratio) {
        cx.invalid(node.span, format!("{ratio} is no share: it is from 0 to 1"));
        return 0;
    }
    (ratio * 1e6).round() as u32
}
