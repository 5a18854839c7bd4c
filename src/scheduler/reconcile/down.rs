//! `down`: containers go, dependents first, then networks that nobody is on any more, and volumes if asked for.

use super::Context;
use super::Removal;
use crate::id::NetworkName;
use crate::id::ServiceName;
use crate::id::VolumeName;
use crate::scheduler::action::Action;
use crate::scheduler::desired::DesiredService;
use crate::scheduler::graph;
use crate::scheduler::graph::Edges;
use crate::scheduler::observed::ObservedContainer;
use crate::scheduler::plan::Cause;
use crate::scheduler::plan::Plan;
use crate::scheduler::plan::Step;
use std::collections::HashMap;

const DOWN: Cause = Cause::Asked("down");

/// Plans a `down`.
pub(super) fn plan(context: &Context<'_>, volumes: bool) -> Plan {
    let mut plan = Plan::default();
    if !context.options.remove_orphans {
        context.warn_of_orphans(&mut plan);
    }
    let mut leaving = Leaving {
        context,
        volumes,
        removals: Vec::new(),
    };
    leaving.containers(&mut plan);
    leaving.orphans(&mut plan);
    leaving.networks(&mut plan);
    if volumes {
        leaving.volumes(&mut plan);
    }
    if plan.is_empty() && plan.warnings.is_empty() {
        let project = &context.desired.project;
        plan.warnings.push(format!(
            "no resource found to remove for project `{project}`"
        ));
    }
    plan
}

struct Leaving<'c, 'a> {
    context: &'c Context<'a>,
    /// Data goes, too.
    volumes: bool,
    removals: Vec<(&'a ObservedContainer, Step)>,
}

impl<'a> Leaving<'_, 'a> {
    fn containers(&mut self, plan: &mut Plan) {
        let mut stops = StopOrder::new(self.context);
        let desired = self.context.desired;
        let services = desired.services.keys().rev().chain(&desired.disabled);
        for service in services.filter(|name| self.context.names(name)) {
            let after = stops.before(service);
            let own = self
                .context
                .observed
                .containers
                .iter()
                .filter(|c| c.service == *service);
            for container in own {
                let removal = self.remove(plan, container, &DOWN, &after);
                stops.stopped(service, removal.stop);
            }
        }
    }

    fn remove(
        &mut self,
        plan: &mut Plan,
        container: &'a ObservedContainer,
        cause: &Cause,
        after: &[Step],
    ) -> Removal {
        let leaving = (container, self.volumes);
        let removal = self.context.stop_and_remove(plan, leaving, cause, after);
        self.removals.push((container, removal.remove));
        removal
    }

    fn orphans(&mut self, plan: &mut Plan) {
        let context = self.context;
        let orphans = context
            .observed
            .containers
            .iter()
            .filter(|c| context.is_orphan(c));
        if context.options.remove_orphans {
            for container in orphans {
                self.remove(plan, container, &Cause::Orphan, &[]);
            }
        }
    }

    /// Networks of ours. That somebody else's container is still on one is worth a warning, no failure.
    fn networks(&self, plan: &mut Plan) {
        let context = self.context;
        for network in context
            .observed
            .networks
            .iter()
            .filter(|n| n.hash.is_some())
        {
            let name = &network.name;
            let wanted = context.desired.networks.iter().find(|n| n.name == *name);
            if wanted.is_some_and(|n| n.external) {
                continue;
            }
            let on = |c: &ObservedContainer| c.networks.contains(name);
            match self.stays(on) {
                Some(container) if container.state.is_alive() => {
                    self.warn_in_use(plan, name, &container.name);
                }
                Some(_) => {}
                None if self.is_meant(on, |s| &s.networks, name) => {
                    let action = Action::RemoveNetwork { name: name.clone() };
                    plan.add_optional(action, DOWN, &self.removals_of(on));
                }
                None => {}
            }
        }
    }

    fn warn_in_use(&self, plan: &mut Plan, network: &NetworkName, container: &str) {
        if self.context.options.services.is_empty() {
            plan.warnings.push(format!(
                "network `{network}` stays: container `{container}` is still on it"
            ));
        }
    }

    /// Named volumes of the project's file that are here, not external, and mounted by nothing that stays.
    fn volumes(&self, plan: &mut Plan) {
        let context = self.context;
        for volume in context.desired.volumes.iter().filter(|v| !v.external) {
            let name = &volume.name;
            let mounts = |c: &ObservedContainer| c.volumes.contains(name);
            let observed = context.observed.volumes.iter().find(|o| o.name == *name);
            let ours = observed.is_some_and(|o| o.hash.is_some());
            if !ours || !self.is_meant(mounts, |s| &s.volumes, name) {
                continue;
            }
            if let Some(container) = self.stays(mounts) {
                let user = &container.name;
                let text = format!("volume `{name}` stays: container `{user}` still mounts it");
                plan.warnings.push(text);
                continue;
            }
            let name: VolumeName = name.clone();
            let after = self.removals_of(mounts);
            plan.add(
                Action::RemoveVolume { name },
                Cause::Asked("down --volumes"),
                &after,
            );
        }
    }

    /// A container that uses something and is not removed.
    fn stays(&self, uses: impl Fn(&ObservedContainer) -> bool) -> Option<&'a ObservedContainer> {
        let removed = |c: &ObservedContainer| self.removals.iter().any(|(r, _)| r.id == c.id);
        self.context
            .observed
            .containers
            .iter()
            .find(|c| uses(c) && !removed(c))
    }

    fn removals_of(&self, uses: impl Fn(&ObservedContainer) -> bool) -> Vec<Step> {
        let removals = self.removals.iter().filter(|(c, _)| uses(c));
        removals.map(|(_, step)| *step).collect()
    }

    /// Everything is meant, or with named services what only they use.
    fn is_meant<T: PartialEq + 'a>(
        &self,
        uses: impl Fn(&ObservedContainer) -> bool,
        list: impl Fn(&'a DesiredService) -> &'a Vec<T>,
        name: &T,
    ) -> bool {
        let context = self.context;
        let mut services = context.desired.services.values();
        let used = self.removals.iter().any(|(c, _)| uses(c));
        context.options.services.is_empty()
            || (used && services.all(|s| !list(s).contains(name) || context.names(&s.name)))
    }
}

/// The order in which containers stop: those of dependents before those they depend on.
pub(super) struct StopOrder {
    dependents: Edges,
    stops: HashMap<ServiceName, Vec<Step>>,
}

impl StopOrder {
    pub fn new(context: &Context<'_>) -> Self {
        Self {
            dependents: graph::reversed(&context.desired.edges()),
            stops: HashMap::new(),
        }
    }

    /// What comes before a stop in `service`. To be asked dependents first. A dependent that has nothing to stop passes on
    /// what would come before its own stop.
    pub fn before(&mut self, service: &ServiceName) -> Vec<Step> {
        let dependents = self.dependents.get(service).into_iter().flatten();
        let stops = dependents.filter_map(|name| self.stops.get(name));
        let mut before: Vec<Step> = stops.flatten().copied().collect();
        before.sort_unstable();
        before.dedup();
        self.stops.insert(service.clone(), before.clone());
        before
    }

    /// `step` stops a container of `service`.
    pub fn stopped(&mut self, service: &ServiceName, step: Option<Step>) {
        if let (Some(step), Some(steps)) = (step, self.stops.get_mut(service)) {
            steps.push(step);
        }
    }
}
