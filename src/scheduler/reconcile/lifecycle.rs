//! `stop`, `start`, `restart`, `kill` and `rm`: what exists changes its state, nothing new is made.

use super::Context;
use super::PlanError;
use super::down::StopOrder;
use super::waits::Runner;
use super::waits::Waits;
use crate::id::ContainerId;
use crate::id::NetworkName;
use crate::id::ServiceName;
use crate::scheduler::action::Action;
use crate::scheduler::graph;
use crate::scheduler::observed::ObservedContainer;
use crate::scheduler::observed::ObservedNetwork;
use crate::scheduler::observed::State;
use crate::scheduler::plan::Cause;
use crate::scheduler::plan::Plan;
use crate::scheduler::plan::Step;
use indexmap::IndexMap;
use std::collections::HashMap;
use std::collections::HashSet;

/// The services that are meant, dependencies first, disabled ones last.
fn meant<'a>(context: &Context<'a>) -> Vec<&'a ServiceName> {
    let desired = context.desired;
    let disabled = desired.disabled.iter();
    let disabled = disabled.filter(|name| !desired.services.contains_key(*name));
    let all = desired.services.keys().chain(disabled);
    all.filter(|name| context.names(name)).collect()
}

/// Plans a `stop`.
pub(super) fn stop(context: &Context<'_>) -> Plan {
    let mut plan = Plan::default();
    let mut order = StopOrder::new(context);
    for service in meant(context).into_iter().rev() {
        let after = order.before(service);
        for container in context.containers_of(service) {
            if container.state.is_alive() {
                let step = plan.add(context.stop(container), Cause::Asked("stop"), &after);
                order.stopped(service, Some(step));
            }
        }
    }
    plan
}

/// Plans a `kill`.
pub(super) fn kill(context: &Context<'_>, signal: &str) -> Plan {
    let mut plan = Plan::default();
    for service in meant(context) {
        for container in context.containers_of(service) {
            if container.state.is_alive() {
                let action = Action::KillContainer {
                    container: container.reference(),
                    signal: signal.to_owned(),
                };
                plan.add(action, Cause::Asked("kill"), &[]);
            }
        }
    }
    let orphans = context.observed.containers.iter();
    for orphan in orphans.filter(|c| context.options.remove_orphans && context.is_orphan(c)) {
        if orphan.state.is_alive() {
            let action = Action::KillContainer {
                container: orphan.reference(),
                signal: signal.to_owned(),
            };
            plan.add(action, Cause::Orphan, &[]);
        }
    }
    plan
}

/// Plans a `pause`.
pub(super) fn pause(context: &Context<'_>) -> Plan {
    frozen(context, State::Running, "pause")
}

/// Plans an `unpause`.
pub(super) fn unpause(context: &Context<'_>) -> Plan {
    frozen(context, State::Paused, "unpause")
}

fn frozen(context: &Context<'_>, from: State, verb: &'static str) -> Plan {
    let mut plan = Plan::default();
    for service in meant(context) {
        for container in context.containers_of(service) {
            if container.state != from {
                continue;
            }
            let container = container.reference();
            let action = match from {
                State::Paused => Action::UnpauseContainer { container },
                _ => Action::PauseContainer { container },
            };
            plan.add(action, Cause::Asked(verb), &[]);
        }
    }
    plan
}

/// Plans an `rm`.
pub(super) fn remove(context: &Context<'_>, stop: bool, volumes: bool) -> Plan {
    let mut plan = Plan::default();
    let mut order = StopOrder::new(context);
    for service in meant(context).into_iter().rev() {
        let after = order.before(service);
        for container in context.containers_of(service) {
            let alive = container.state.is_alive();
            if alive && !stop {
                continue;
            }
            let stopped =
                alive.then(|| plan.add(context.stop(container), Cause::Asked("rm --stop"), &after));
            order.stopped(service, stopped);
            let action = Action::RemoveContainer {
                container: container.reference(),
                volumes,
            };
            plan.add(action, Cause::Asked("rm"), stopped.as_slice());
        }
    }
    plan
}

/// Plans a `start`.
pub(super) fn start(context: &Context<'_>, wait: bool) -> Result<Plan, PlanError> {
    let chosen = meant(context);
    let single = !context.options.containers.is_empty();
    for service in &chosen {
        let known = context.desired.services.get(*service);
        let wanted = !single && known.is_none_or(|s| s.scale > 0);
        if wanted && context.containers_of(service).is_empty() {
            return Err(PlanError::NoContainer((*service).clone()));
        }
    }
    let mut plan = Plan::default();
    let mut starting = Starting::default();
    let chosen: Vec<_> = chosen.into_iter().cloned().collect();
    let drawn: HashSet<_> = if single {
        chosen.into_iter().collect()
    } else {
        let all = graph::closure(&context.desired.edges(), &chosen);
        all.into_iter().collect()
    };
    let services = context.desired.services.keys();
    for service in services.filter(|name| drawn.contains(*name)) {
        for container in context.standing(service) {
            let runs = matches!(container.state, State::Running | State::Restarting);
            if !runs && container.state != State::Dead {
                let cause = Cause::NotRunning(container.state);
                starting.add(service, container, cause);
            }
        }
    }
    starting.plan(context, &mut plan, wait)?;
    Ok(plan)
}

/// Plans a `restart`: everything meant stops, dependents first, and starts again, dependencies first. What is not running
/// starts, and whoever depends on what restarts with `restart: true` is meant, too, as with docker compose.
pub(super) fn restart(context: &Context<'_>) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    let (mut stopping, mut starting) = (Vec::new(), Starting::default());
    for (service, cause) in restarting(context) {
        for container in context.standing(service) {
            if container.state.is_alive() {
                stopping.push((service, container, cause.clone()));
            } else if container.state == State::Dead {
                continue;
            }
            starting.add(service, container, cause.clone());
        }
    }
    let mut order = StopOrder::new(context);
    let all: Vec<&ServiceName> = context.desired.services.keys().collect();
    for service in context.desired.disabled.iter().chain(all.into_iter().rev()) {
        let after = order.before(service);
        for (_, container, cause) in stopping.iter().filter(|(name, ..)| *name == service) {
            let step = plan.add(context.stop(container), cause.clone(), &after);
            order.stopped(service, Some(step));
            starting.after.insert(container.id.clone(), step);
        }
    }
    starting.plan(context, &mut plan, false)?;
    Ok(plan)
}

/// The services that restart, dependencies first, and why.
fn restarting<'a>(context: &Context<'a>) -> IndexMap<&'a ServiceName, Cause> {
    let mut all: IndexMap<&ServiceName, Cause> = IndexMap::new();
    for (name, service) in &context.desired.services {
        if context.names(name) {
            all.insert(name, Cause::Asked("restart"));
        } else if !context.options.no_deps {
            let mut strong = service.depends_on.iter().filter(|(_, d)| d.restart);
            if let Some((dependency, _)) = strong.find(|(name, _)| all.contains_key(name)) {
                all.insert(name, Cause::DependencyRestarts(dependency.clone()));
            }
        }
    }
    let disabled = context
        .desired
        .disabled
        .iter()
        .filter(|name| context.names(name));
    all.extend(disabled.map(|name| (name, Cause::Asked("restart"))));
    all
}

/// Containers that are started, in the order of their services' dependencies.
#[derive(Default)]
struct Starting<'a> {
    containers: IndexMap<&'a ServiceName, Vec<(&'a ObservedContainer, Cause)>>,
    /// The stop that the start of a container comes after.
    after: HashMap<ContainerId, Step>,
}

impl<'a> Starting<'a> {
    fn add(&mut self, service: &'a ServiceName, container: &'a ObservedContainer, cause: Cause) {
        self.containers
            .entry(service)
            .or_default()
            .push((container, cause));
    }

    fn plan(&self, context: &Context<'a>, plan: &mut Plan, wait: bool) -> Result<(), PlanError> {
        let networks = self.lost_networks(context, plan);
        let mut waits = Waits::new(context, self.runners(context));
        if !context.options.no_deps {
            waits.check(plan)?;
        }
        for service in context
            .desired
            .services
            .keys()
            .chain(&context.desired.disabled)
        {
            let Some(containers) = self.containers.get(service) else {
                continue;
            };
            let known = context.desired.services.contains_key(service);
            let gate = if known {
                waits.gate(plan, service.as_str())
            } else {
                vec![]
            };
            for (container, cause) in containers {
                let mut after = gate.clone();
                after.extend(self.after.get(&container.id));
                after.extend(container.networks.iter().filter_map(|n| networks.get(n)));
                let container = container.reference();
                let step = plan.add(Action::StartContainer { container }, cause.clone(), &after);
                waits.started(service.as_str(), step);
            }
        }
        if wait {
            waits.all(plan);
        }
        Ok(())
    }

    /// Networks of which a boot has left the record alone: they are made whole again before what is on them starts.
    fn lost_networks(&self, context: &Context<'a>, plan: &mut Plan) -> HashMap<NetworkName, Step> {
        let starting = || self.containers.values().flatten();
        let on = |name| starting().any(|(c, _)| c.networks.contains(name));
        let known = context.observed.networks.iter();
        let lost = known.filter(|n| n.hash.is_some() && !n.up && on(&n.name));
        let make = |network: &ObservedNetwork| {
            let name = network.name.clone();
            let action = Action::CreateNetwork {
                key: name.to_string(),
                name: name.clone(),
            };
            (name, plan.add(action, Cause::LostAtBoot, &[]))
        };
        lost.map(make).collect()
    }

    /// What takes part in waiting: the services that are meant, and those that start along with them.
    fn runners(&self, context: &Context<'a>) -> IndexMap<&'a str, Runner<'a>> {
        let runner = |name: &'a ServiceName| {
            let containers = context.standing(name).into_iter();
            Runner {
                containers: containers.map(|c| (c.reference(), Some(c))).collect(),
                starts: self.containers.contains_key(name),
                meant: context.names(name),
            }
        };
        let services = context.desired.services.keys();
        let taking_part = services.filter(|n| context.names(n) || self.containers.contains_key(*n));
        taking_part
            .map(|name| (name.as_str(), runner(name)))
            .collect()
    }
}
