//! Which services an `up` touches, and how: chosen, drawn in as dependencies, or hit because of what they stand on.

use super::Context;
use super::Recreate;
use super::Up;
use super::replicas::Ground;
use super::replicas::Part;
use super::replicas::Replica;
use super::replicas::Replicas;
use super::resources::Remade;
use crate::id::ContainerId;
use crate::id::ServiceName;
use crate::scheduler::desired::DesiredService;
use crate::scheduler::graph;
use crate::scheduler::observed::ObservedContainer;
use crate::scheduler::observed::State;
use crate::scheduler::plan::Cause;
use indexmap::IndexMap;
use indexmap::IndexSet;
use std::collections::HashMap;
use std::collections::HashSet;

/// Why a service is touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Named, or all are meant.
    Chosen,
    /// A chosen one depends on it.
    Dependency,
    /// A network, a namespace or a service it goes down with is replaced.
    Bystander,
}

/// A service that an `up` touches.
pub(super) struct Member<'a> {
    pub service: &'a DesiredService,
    pub role: Role,
    pub replicas: Replicas<'a>,
    /// Why its running containers that stay go down and up again.
    pub bounce: Option<Cause>,
    /// Its containers stop before those it goes down with.
    pub early: bool,
    /// Its containers stop before anything is created: a network they are on has to go.
    pub first: bool,
}

/// Members by service name, dependencies first.
pub(super) type Members<'a> = IndexMap<&'a str, Member<'a>>;

impl<'a> Member<'a> {
    /// Whether other services that go down with it have to.
    fn goes_down(&self) -> bool {
        self.replicas.replaces() || self.bounce.is_some()
    }

    /// Containers that stop without being surplus, and why.
    pub fn stops(&self) -> Vec<(&'a ObservedContainer, Cause)> {
        let places = &self.replicas.places;
        let leaving = places.iter().flat_map(|place| &place.leaving);
        let mut all: Vec<_> = leaving
            .filter(|l| l.container.state.is_alive())
            .map(|l| (l.container, l.cause.clone()))
            .collect();
        if let Some(cause) = &self.bounce {
            let existing = places.iter().filter_map(|place| place.existing);
            all.extend(existing.filter(|c| is_up(c)).map(|c| (c, cause.clone())));
        }
        all
    }

    /// Why the container of `place` is started, if it is.
    pub fn start_cause(&self, place: &Replica<'_>) -> Option<Cause> {
        let was_alive = || place.leaving.iter().any(|l| l.container.state.is_alive());
        match place.existing {
            Some(container) if is_up(container) => self.bounce.clone(),
            Some(container) if self.role != Role::Bystander || was_alive() => {
                Some(Cause::NotRunning(container.state))
            }
            None if self.role != Role::Bystander || was_alive() => Some(Cause::New),
            _ => None,
        }
    }

    /// Whether any of its containers is started.
    pub fn starts(&self) -> bool {
        self.replicas
            .places
            .iter()
            .any(|place| self.start_cause(place).is_some())
    }

    /// The services it goes down with.
    pub fn strong(&self) -> impl Iterator<Item = &'a str> {
        strong(self.service)
    }
}

/// Runs, or will without our doing.
fn is_up(container: &ObservedContainer) -> bool {
    matches!(container.state, State::Running | State::Restarting)
}

fn strong(service: &DesiredService) -> impl Iterator<Item = &str> {
    let depends_on = service.depends_on.iter();
    let strong = depends_on.filter(|(name, d)| d.restart || service.joins.contains(*name));
    strong.map(|(name, _)| name.as_str())
}

/// The services that are named, or all, and what they depend on.
pub(super) fn selection<'a>(context: &Context<'a>) -> IndexMap<&'a str, Role> {
    let services = &context.desired.services;
    let chosen: Vec<_> = services
        .keys()
        .filter(|name| context.names(name))
        .cloned()
        .collect();
    let drawn: IndexSet<_> = if context.options.no_deps {
        chosen.iter().cloned().collect()
    } else {
        graph::closure(&context.desired.edges(), &chosen)
    };
    let role = |name| {
        if chosen.contains(name) {
            Role::Chosen
        } else {
            Role::Dependency
        }
    };
    let selected = services.keys().filter(|name| drawn.contains(*name));
    selected.map(|name| (name.as_str(), role(name))).collect()
}

/// Decides for every service what becomes of its containers.
pub(super) fn members<'a>(
    context: &Context<'a>,
    up: Up,
    remade: &Remade,
    new_id: &mut dyn FnMut() -> ContainerId,
) -> Members<'a> {
    let roles = selection(context);
    let mut members = Members::new();
    let (mut replaced, mut starting) = (HashSet::new(), HashSet::new());
    let mut leaving = HashMap::new();
    for (name, service) in &context.desired.services {
        let role = roles.get(name.as_str()).copied().unwrap_or(Role::Bystander);
        let part = match role {
            Role::Chosen => Part::Whole(up.recreate),
            Role::Dependency => Part::Whole(for_dependencies(up)),
            Role::Bystander => Part::Bystander {
                follow: !context.options.no_deps && !up.no_start,
            },
        };
        let ground = Ground {
            networks: &remade.networks,
            volumes: &remade.volumes,
            replaced: &replaced,
            leaving: &leaving,
            starting: &starting,
        };
        let replicas = Replicas::decide(context, service, &part, &ground, new_id);
        let mut member = Member {
            service,
            role,
            replicas,
            bounce: None,
            early: false,
            first: false,
        };
        if !context.options.no_deps && !up.no_start {
            member.bounce = bounce(context, &member, &members);
        }
        if role == Role::Bystander && !member.goes_down() {
            continue;
        }
        if member.replicas.replaces() {
            replaced.insert(name.as_str());
        }
        let left = member.replicas.leaving();
        leaving.extend(left.map(|container| (&container.id, &container.service)));
        if member.starts() {
            starting.insert(name.as_str());
        }
        order_stops(&mut member, &members, remade);
        members.insert(name.as_str(), member);
    }
    members
}

fn for_dependencies(up: Up) -> Recreate {
    match up.recreate {
        Recreate::Never => Recreate::Never,
        _ if up.recreate_deps => Recreate::Force,
        _ => Recreate::Diverged,
    }
}

/// Why the containers of `member` that run and stay have to go down and up, if they have to.
fn bounce<'a>(context: &Context<'a>, member: &Member<'a>, members: &Members<'a>) -> Option<Cause> {
    let mut existing = member
        .replicas
        .places
        .iter()
        .filter_map(|place| place.existing);
    let starting = |name: &str| members.get(name).is_some_and(Member::starts);
    let runs = |name: &ServiceName| {
        starting(name.as_str()) || context.containers_of(name).into_iter().any(is_up)
    };
    // A sharer of a namespace whose owner stays down would not come up again: it is left running.
    if !existing.any(is_up) || !member.service.joins.iter().all(runs) {
        return None;
    }
    let pulls_down = |name: &&str| {
        members.get(name).is_some_and(|other| {
            let joined = member.service.joins.iter().any(|j| j.as_str() == *name);
            // A namespace begins with its owner's container, so sharers of an older one are cut off.
            let restarts = other.goes_down() && other.starts();
            restarts || (joined && other.starts())
        })
    };
    let name = member.strong().find(pulls_down)?;
    let name = members.get(name)?.service.name.clone();
    Some(Cause::DependencyRestarts(name))
}

fn order_stops<'a>(member: &mut Member<'a>, members: &Members<'a>, remade: &Remade) {
    let stops = member.stops();
    if stops.is_empty() {
        return;
    }
    let on_one = |c: &ObservedContainer| {
        let on_network = c.networks.iter().any(|name| remade.networks.contains(name));
        on_network || c.volumes.iter().any(|name| remade.volumes.contains(name))
    };
    let above: Vec<_> = member
        .strong()
        .filter_map(|name| members.get(name))
        .collect();
    member.first = stops.iter().any(|(c, _)| on_one(c)) || above.iter().any(|other| other.first);
    let pulled = member.bounce.is_some() || above.iter().any(|other| other.goes_down());
    member.early = member.first || pulled;
}
