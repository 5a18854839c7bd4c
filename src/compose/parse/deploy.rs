//! `deploy`: the part of it that means something on one host.
//!
//! It is read after the older attributes, which cannot say anything else: that was checked.

use super::context::Context;
use super::kernel;
use super::life;
use super::limits;
use crate::compose::model::Restart;
use crate::compose::model::RestartPolicy;
use crate::compose::model::Service;
use crate::compose::yaml::Node;

/// Reads `deploy`.
pub fn deploy(cx: &mut Context<'_>, service: &mut Service, node: &Node) {
    let mut global = false;
    let scale = service.scale;
    cx.fields(node, |cx, key, node| match key {
        "mode" => {
            let modes = [
                ("replicated", false),
                ("global", true),
                ("replicated-job", false),
                ("global-job", true),
            ];
            global = cx.one_of(node, &modes).unwrap_or_default();
        }
        "replicas" => service.scale = cx.integer(node).unwrap_or(1),
        "resources" => cx.fields(node, |cx, key, node| match key {
            "limits" => cx.fields(node, |cx, key, node| limit(cx, service, key, node)),
            _ => cx.fields(node, |cx, key, node| match key {
                "memory" => service.limits.memory_reservation = limits::positive(cx.bytes(node)),
                "devices" => {
                    let requests = kernel::requests(cx, node, false);
                    service.kernel.requests.extend(requests);
                }
                _ => {}
            }),
        }),
        "update_config" => service.life.update = Some(life::update(cx, node)),
        "rollback_config" => service.life.rollback = Some(life::update(cx, node)),
        "restart_policy" => service.restart = restart(cx, node),
        _ => {}
    });
    if global {
        // One host: global means one.
        service.scale = scale;
    }
}

fn limit(cx: &mut Context<'_>, service: &mut Service, key: &str, node: &Node) {
    let limits = &mut service.limits;
    match key {
        "cpus" => limits.cpus = limits::cpus(cx, node),
        "memory" => limits.memory = limits::positive(cx.bytes(node)),
        _ => limits.pids = cx.integer(node),
    }
}

fn restart(cx: &mut Context<'_>, node: &Node) -> Restart {
    let mut restart = Restart {
        policy: RestartPolicy::Always,
        ..Restart::default()
    };
    cx.fields(node, |cx, key, node| match key {
        "condition" => {
            let conditions = [
                ("none", RestartPolicy::No),
                ("on-failure", RestartPolicy::OnFailure),
                ("any", RestartPolicy::Always),
                ("always", RestartPolicy::Always),
                ("unless-stopped", RestartPolicy::UnlessStopped),
            ];
            restart.policy = cx.one_of(node, &conditions).unwrap_or_default();
        }
        "delay" => restart.delay = cx.duration(node),
        "window" => restart.window = cx.duration(node),
        _ => restart.max_attempts = cx.integer(node).filter(|n| *n > 0),
    });
    restart
}
