//! `deploy`: the part of it that means something on one host.

use super::context::Context;
use super::limits;
use super::service::Draft;
use super::shape;
use crate::compose::model::Limits;
use crate::compose::model::Restart;
use crate::compose::model::RestartPolicy;
use crate::compose::source::Span;
use crate::compose::yaml::Node;

/// What `deploy` says about things that older attributes say too.
#[derive(Default)]
pub struct Deploy {
    replicas: Option<(u32, Span)>,
    limits: Limits,
    /// Where each limit is.
    places: Vec<(&'static str, Span)>,
    restart: Option<Restart>,
}

/// Parses `deploy`.
pub fn parse(cx: &mut Context<'_>, draft: &mut Draft, node: &Node) {
    let mut global = false;
    let deploy = &mut draft.deploy;
    cx.fields(node, &shape::DEPLOY, |cx, key, node| match key {
        "mode" => {
            let modes = [
                ("replicated", false),
                ("global", true),
                ("replicated-job", false),
                ("global-job", true),
            ];
            global = cx.one_of(node, &modes).unwrap_or_default();
        }
        "replicas" => deploy.replicas = cx.integer(node).map(|n| (n, node.span)),
        "resources" => cx.fields(node, &shape::RESOURCES, |cx, key, node| match key {
            "limits" => cx.fields(node, &shape::LIMITS, |cx, key, node| {
                limit(cx, deploy, key, node);
            }),
            _ => cx.fields(node, &shape::RESERVATIONS, |cx, _, node| {
                limit(cx, deploy, "reservation", node);
            }),
        }),
        _ => deploy.restart = Some(restart(cx, node)),
    });
    if global {
        // One host: global means one.
        deploy.replicas = None;
    }
}

fn limit(cx: &mut Context<'_>, deploy: &mut Deploy, key: &str, node: &Node) {
    let limits = &mut deploy.limits;
    let name = match key {
        "cpus" => {
            limits.cpus = limits::cpus(cx, node);
            "cpus"
        }
        "memory" => {
            limits.memory = limits::positive(cx.bytes(node));
            "mem_limit"
        }
        "pids" => {
            limits.pids = cx.integer(node);
            "pids_limit"
        }
        _ => {
            limits.memory_reservation = limits::positive(cx.bytes(node));
            "mem_reservation"
        }
    };
    deploy.places.push((name, node.span));
}

fn restart(cx: &mut Context<'_>, node: &Node) -> Restart {
    let mut restart = Restart {
        policy: RestartPolicy::Always,
        ..Restart::default()
    };
    cx.fields(node, &shape::RESTART_POLICY, |cx, key, node| match key {
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

/// Brings together what `deploy` and the older attributes say; they may not contradict each other.
pub fn reconcile(cx: &mut Context<'_>, draft: &mut Draft) {
    let deploy = std::mem::take(&mut draft.deploy);
    let service = &mut draft.service;
    if let Some((replicas, span)) = deploy.replicas {
        match draft.scale {
            Some(scale) if service.scale != replicas => {
                distinct(cx, "scale", "deploy.replicas", span).also(scale, "`scale` is given here");
            }
            _ => service.scale = replicas,
        }
    }
    if let Some(restart) = deploy.restart {
        service.restart = restart;
    }
    let place = |name: &str| {
        let found = deploy.places.iter().find(|(n, _)| *n == name);
        found.map(|(_, span)| *span).unwrap_or_default()
    };
    let (old, new) = (&mut service.limits, &deploy.limits);
    let clashes = [
        ("cpus", "cpus", unite(&mut old.cpus, new.cpus)),
        ("mem_limit", "memory", unite(&mut old.memory, new.memory)),
        ("pids_limit", "pids", unite(&mut old.pids, new.pids)),
        (
            "mem_reservation",
            "reservations.memory",
            unite(&mut old.memory_reservation, new.memory_reservation),
        ),
    ];
    for (name, key, _) in clashes.into_iter().filter(|(_, _, clash)| *clash) {
        distinct(cx, name, &format!("deploy {key}"), place(name));
    }
}

/// Takes the new value over; whether it contradicts the old one.
fn unite<T: PartialEq>(old: &mut Option<T>, new: Option<T>) -> bool {
    match (&old, &new) {
        (Some(a), Some(b)) => a != b,
        (None, Some(_)) => {
            *old = new;
            false
        }
        _ => false,
    }
}

fn distinct<'c>(
    cx: &'c mut Context<'_>,
    old: &str,
    new: &str,
    span: Span,
) -> &'c mut crate::compose::diagnostic::Diagnostic {
    cx.report
        .error(
            "contradiction",
            format!("`{old}` and `{new}` have different values"),
        )
        .at(span)
        .hint("remove one of them")
}
