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
    /// Where each limit is: the older attribute it stands for, its own name, its place.
    places: Vec<(&'static str, &'static str, Span)>,
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
    let (old, new) = match key {
        "cpus" => {
            limits.cpus = limits::cpus(cx, node);
            ("cpus", "deploy.resources.limits.cpus")
        }
        "memory" => {
            limits.memory = limits::positive(cx.bytes(node));
            ("mem_limit", "deploy.resources.limits.memory")
        }
        "pids" => {
            limits.pids = cx.integer(node);
            ("pids_limit", "deploy.resources.limits.pids")
        }
        _ => {
            limits.memory_reservation = limits::positive(cx.bytes(node));
            ("mem_reservation", "deploy.resources.reservations.memory")
        }
    };
    deploy.places.push((old, new, node.span));
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
    let mut clashes = Vec::new();
    let service = &mut draft.service;
    if let Some((replicas, span)) = deploy.replicas {
        match draft.places.contains_key("scale") {
            true if service.scale != replicas => clashes.push(("scale", "deploy.replicas", span)),
            _ => service.scale = replicas,
        }
    }
    if let Some(restart) = deploy.restart {
        service.restart = restart;
    }
    let (old, new) = (&mut service.limits, &deploy.limits);
    let clashing = [
        ("cpus", unite(&mut old.cpus, new.cpus)),
        ("mem_limit", unite(&mut old.memory, new.memory)),
        ("pids_limit", unite(&mut old.pids, new.pids)),
        (
            "mem_reservation",
            unite(&mut old.memory_reservation, new.memory_reservation),
        ),
    ];
    let clashes_at = |name: &str| {
        clashing
            .iter()
            .any(|(other, clash)| *other == name && *clash)
    };
    clashes.extend(deploy.places.iter().filter(|(old, ..)| clashes_at(old)));
    for (old, new, span) in clashes {
        let message = format!("`{old}` and `{new}` have different values");
        let diagnostic = cx.report.error("contradiction", message);
        diagnostic.at(span).hint("remove one of them");
        if let Some(place) = draft.places.get(old) {
            diagnostic.also(*place, format!("`{old}` is given here"));
        }
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
