//! `up`: everything is made, replaced, started and waited for, in one plan.
//!
//! Steps are added in this order, so that each finds those it comes after: what is removed for good; stops that make way
//! for a network; networks and volumes; new containers; stops of what goes down with something else; and then, service by
//! service in dependency order, waits, the other stops, removals and starts.

use super::Context;
use super::PlanError;
use super::Up;
use super::members::Member;
use super::members::Members;
use super::members::Role;
use super::members::members;
use super::replicas::Replica;
use super::resources::Remade;
use super::waits::Runner;
use super::waits::Waits;
use crate::id::ContainerId;
use crate::id::NetworkName;
use crate::id::ServiceName;
use crate::id::VolumeName;
use crate::scheduler::action::Action;
use crate::scheduler::action::ContainerRef;
use crate::scheduler::observed::ObservedContainer;
use crate::scheduler::plan::Cause;
use crate::scheduler::plan::Plan;
use crate::scheduler::plan::Step;
use std::collections::HashMap;

/// Plans an `up`.
pub(super) fn plan(
    context: &Context<'_>,
    up: Up,
    new_id: &mut dyn FnMut() -> ContainerId,
) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    let remade = Remade::decide(context, up, &mut plan);
    let members = members(context, up, &remade, new_id);
    let mut builder = Builder {
        context,
        up,
        plan,
        networks: HashMap::new(),
        volumes: HashMap::new(),
        creates: HashMap::new(),
        stops: HashMap::new(),
        strays: Vec::new(),
        new_id,
    };
    builder.remove_strays(&members);
    builder.stop(&members, |member| member.first);
    builder.networks(&members, &remade.networks)?;
    builder.volumes(&members, &remade.volumes)?;
    builder.create(&members);
    builder.stop(&members, |member| member.early && !member.first);
    builder.replace_and_start(&members)?;
    Ok(builder.plan)
}

/// A plan in the making, and the steps that later ones come after.
pub(super) struct Builder<'c, 'a> {
    pub context: &'c Context<'a>,
    pub up: Up,
    pub plan: Plan,
    /// Steps that make networks.
    pub networks: HashMap<NetworkName, Step>,
    /// Steps that make volumes.
    pub volumes: HashMap<VolumeName, Step>,
    /// Steps that make containers.
    pub creates: HashMap<ContainerId, Step>,
    /// Steps that stop containers of members.
    pub stops: HashMap<ContainerId, Step>,
    /// Stops of what is removed for good, with the networks it is on.
    pub strays: Vec<(Step, Vec<NetworkName>)>,
    /// Gives each container that is created its identity.
    pub new_id: &'c mut dyn FnMut() -> ContainerId,
}

impl<'a> Builder<'_, 'a> {
    /// What is removed for good: orphans, if asked for, and containers beyond the scale.
    fn remove_strays(&mut self, members: &Members<'a>) {
        let mut all: Vec<(&ObservedContainer, Cause)> = Vec::new();
        if self.context.options.remove_orphans {
            let strays = self.context.observed.containers.iter();
            all.extend(
                strays
                    .filter(|c| self.context.is_stray(c))
                    .map(|c| (c, Cause::Orphan)),
            );
        } else if !self.up.ignore_orphans {
            self.context.warn_of_orphans(&mut self.plan);
        }
        let surplus = members.values().flat_map(|member| &member.replicas.surplus);
        all.extend(surplus.map(|l| (l.container, l.cause.clone())));
        for (container, cause) in all {
            let removal =
                self.context
                    .stop_and_remove(&mut self.plan, (container, false), &cause, &[]);
            let stop = removal.stop.map(|step| (step, container.networks.clone()));
            self.strays.extend(stop);
        }
    }

    /// Stops the containers of the members that are `meant`, dependents first.
    fn stop(&mut self, members: &Members<'a>, meant: impl Fn(&Member<'a>) -> bool) {
        for (name, member) in members.iter().rev().filter(|(_, member)| meant(member)) {
            let mut after = self.stops_of_dependents(name, members);
            if !member.first {
                after.extend(self.creates_of(member));
            }
            for (container, cause) in member.stops() {
                let step = self.plan.add(self.context.stop(container), cause, &after);
                self.stops.insert(container.id.clone(), step);
            }
        }
    }

    /// The early stops of the services that go down with `name`.
    fn stops_of_dependents(&self, name: &str, members: &Members<'a>) -> Vec<Step> {
        let dependents = members
            .values()
            .filter(|m| m.early && m.strong().any(|n| n == name));
        let containers = dependents.flat_map(Member::stops);
        containers
            .filter_map(|(c, _)| self.stops.get(&c.id).copied())
            .collect()
    }

    /// Steps that make networks and volumes of `member`.
    pub(super) fn resources_of(&self, member: &Member<'_>) -> Vec<Step> {
        let service = member.service;
        let networks = service
            .networks
            .iter()
            .filter_map(|name| self.networks.get(name));
        let volumes = service
            .volumes
            .iter()
            .filter_map(|name| self.volumes.get(name));
        networks.chain(volumes).copied().collect()
    }

    fn creates_of(&self, member: &Member<'_>) -> Vec<Step> {
        let places = member.replicas.places.iter();
        places
            .filter_map(|place| self.creates.get(&place.container.id).copied())
            .collect()
    }

    fn create(&mut self, members: &Members<'a>) {
        for member in members.values() {
            let joins = self.owners(member, members);
            let mut after = self.resources_of(member);
            after.extend(joins.iter().filter_map(|owner| self.creates.get(&owner.id)));
            for place in &member.replicas.places {
                let Some(cause) = place.create.clone() else {
                    continue;
                };
                let replaces = place.leaving.first().map(|l| l.container.id.clone());
                let action = Action::CreateContainer {
                    container: place.container.clone(),
                    keep_volumes: replaces.is_some() && !self.up.renew_anonymous_volumes,
                    replaces,
                    joins: joins.clone(),
                    apart: !self.up.no_start && member.beside(place),
                };
                let step = self.plan.add(action, cause, &after);
                self.creates.insert(place.container.id.clone(), step);
            }
        }
    }

    /// The containers whose namespaces those of `member` share: the first of each service.
    pub(super) fn owners(&self, member: &Member<'_>, members: &Members<'a>) -> Vec<ContainerRef> {
        let owner = |name: &ServiceName| match members.get(name.as_str()) {
            Some(owner) => owner
                .replicas
                .places
                .first()
                .map(|place| place.container.clone()),
            None => self
                .context
                .containers_of(name)
                .first()
                .map(|c| c.reference()),
        };
        member.service.joins.iter().filter_map(owner).collect()
    }

    fn replace_and_start(&mut self, members: &Members<'a>) -> Result<(), PlanError> {
        let runners = members
            .iter()
            .map(|(name, member)| (*name, runner(member, self.up)));
        let mut waits = Waits::new(self.context, runners.collect());
        if !self.up.no_start && !self.context.options.no_deps {
            waits.check(&mut self.plan)?;
        }
        for (name, member) in members {
            let gate = if self.up.no_start {
                vec![]
            } else {
                waits.gate(&mut self.plan, name)
            };
            let joins = self.owners(member, members);
            let gate = self.hooks_of_service(member, &joins, gate);
            let dependents = self.stops_of_dependents(name, members);
            let rolls = member.update().is_some() && !self.up.no_start;
            for step in self.roll(member, &joins, &gate, &dependents) {
                waits.started(name, step);
            }
            let places = member.replicas.places.iter();
            for place in places.filter(|place| !(rolls && place.is_turn())) {
                let gate = self.hooks_of_place(member, place, &joins, gate.clone());
                let mut after = self.replace(place, &gate, &dependents);
                if place.existing.is_some() {
                    after.extend(self.resources_of(member));
                }
                match member.start_cause(place).filter(|_| !self.up.no_start) {
                    Some(cause) => {
                        let step = self.start(place, cause, after);
                        self.admit(place, &[step]);
                        waits.started(name, step);
                    }
                    None if place.existing.is_some_and(|c| c.apart) => self.admit(place, &after),
                    None if place.existing.is_some_and(|c| c.state.is_alive()) => {
                        self.plan.kept.push(place.container.clone());
                    }
                    None => {}
                }
            }
        }
        if self.up.wait && !self.up.no_start {
            waits.all(&mut self.plan);
        }
        Ok(())
    }

    /// Removes what had the place before. Gives the steps that a start in it comes after.
    /// `gate` is what its start waits for, `dependents` are stops that come before its own.
    fn replace(&mut self, place: &Replica<'a>, gate: &[Step], dependents: &[Step]) -> Vec<Step> {
        let created = self.creates.get(&place.container.id).copied();
        let mut after: Vec<Step> = gate.iter().copied().chain(created).collect();
        let before_stop = [&after, dependents].concat();
        for leaving in &place.leaving {
            let container = leaving.container;
            let mut stopped = self.stops.get(&container.id).copied();
            if stopped.is_none() && container.state.is_alive() {
                let action = self.context.stop(container);
                stopped = Some(self.plan.add(action, leaving.cause.clone(), &before_stop));
            }
            let action = Action::RemoveContainer {
                container: container.reference(),
                volumes: false,
            };
            // Only when the new one is there may the old one go.
            let before: Vec<Step> = stopped.into_iter().chain(created).collect();
            after.push(self.plan.add(action, leaving.cause.clone(), &before));
        }
        after
    }

    /// Lets a container that an update left apart have the names and ports of its place: nobody else has.
    fn admit(&mut self, place: &Replica<'a>, after: &[Step]) {
        if place.existing.is_some_and(|container| container.apart) {
            let action = Action::TakeOver {
                container: place.container.clone(),
                from: vec![],
            };
            self.plan.add(action, Cause::New, after);
        }
    }

    fn start(&mut self, place: &Replica<'a>, cause: Cause, mut after: Vec<Step>) -> Step {
        after.extend(self.stops.get(&place.container.id));
        // What is removed for good may still hold a port.
        after.extend(self.strays.iter().map(|(step, _)| *step));
        let container = place.container.clone();
        self.plan
            .add(Action::StartContainer { container }, cause, &after)
    }
}

fn runner<'a>(member: &Member<'a>, up: Up) -> Runner<'a> {
    let places = member.replicas.places.iter();
    let running = places.filter(|place| {
        let runs = place.existing.is_some_and(|c| c.state.is_alive());
        runs || member.start_cause(place).is_some()
    });
    Runner {
        containers: running
            .map(|place| (place.container.clone(), place.existing))
            .collect(),
        starts: !up.no_start && member.starts(),
        meant: member.role != Role::Bystander,
    }
}
