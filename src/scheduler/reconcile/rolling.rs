//! Replacing the replicas of a service a few at a time, as its `update_config` says.
//!
//! A turn is what happens to one place:
//!
//! ```text
//! stop-first:   stop old ─▶ remove old ─▶ start new ─▶ wait ─▶ watch
//! start-first:  start new, apart ─▶ wait ─▶ take over ─▶ stop old ─▶ remove old ─▶ watch
//! ```
//!
//! All of it is optional, and each step needs the one before: a new container that does not come up leaves the old one
//! where it is, if that still runs. After each group of turns a tally decides whether the next group begins. Where a
//! failure means that everything goes back, the old containers are kept, stopped, until the last tally.

use super::Context;
use super::members::Member;
use super::replicas::Leaving;
use super::replicas::Replica;
use super::up::Builder;
use crate::compose::model::Condition;
use crate::compose::model::OnFailure;
use crate::compose::model::Update;
use crate::scheduler::action::Action;
use crate::scheduler::action::ContainerRef;
use crate::scheduler::desired::DesiredService;
use crate::scheduler::observed::ObservedContainer;
use crate::scheduler::plan::Cause;
use crate::scheduler::plan::Plan;
use crate::scheduler::plan::Step;
use std::collections::BTreeMap;
use std::time::Duration;

/// The words of a plan's line that an update adds.
const UPDATE: Cause = Cause::Asked("update_config");
/// The same of one that goes back.
const ROLLBACK: Cause = Cause::Asked("rollback");

impl<'a> Member<'a> {
    /// How its containers are replaced, if not all at once: what goes down with others goes at once.
    pub(super) fn update(&self) -> Option<&'a Update> {
        let together = self.early || self.first || !self.service.joins.is_empty();
        self.service.update.as_ref().filter(|_| !together)
    }

    /// Whether the new container of `place` is started beside the old one.
    pub(super) fn beside(&self, place: &Replica<'_>) -> bool {
        let start_first = self.update().is_some_and(|update| update.start_first);
        start_first && !self.service.fixed && place.is_turn()
    }

    /// Tells why containers that should start first do not.
    pub(super) fn warn_of_fixed(&self, plan: &mut Plan) {
        let wanted = self.update().is_some_and(|update| update.start_first);
        if wanted && self.service.fixed && self.replicas.places.iter().any(Replica::is_turn) {
            plan.warnings.push(format!(
                "`{}` has a fixed address, which two containers cannot have at once: the old one stops before the new one starts",
                self.service.name
            ));
        }
    }
}

impl Replica<'_> {
    /// Whether somebody has to make way for it.
    pub(super) fn is_turn(&self) -> bool {
        self.leaving.iter().any(|l| l.container.state.is_alive())
    }
}

/// What the turns of one service have in common.
struct Rolling<'p> {
    service: &'p DesiredService,
    update: &'p Update,
    cause: Cause,
    /// What every start waits for.
    gate: &'p [Step],
    /// What every stop waits for.
    dependents: &'p [Step],
    /// Keep what was replaced until everything is well.
    keep: bool,
}

impl Rolling<'_> {
    /// The groups of turns, one after the other. Gives the steps after which all is done.
    fn plan(&self, plan: &mut Plan, turns: &[Turn<'_>]) -> Vec<Step> {
        let size = match self.update.parallelism {
            0 => turns.len(),
            n => n as usize,
        };
        let total = u64::try_from(turns.len()).unwrap_or(u64::MAX);
        let allowed = total * u64::from(self.update.tolerance) / 1_000_000;
        let (mut ends, mut before) = (Vec::new(), Vec::new());
        let mut groups = turns.chunks(size.max(1)).peekable();
        while let Some(group) = groups.next() {
            let pause = groups.peek().map_or(Duration::ZERO, |_| self.update.delay);
            for turn in group {
                ends.push(self.turn(plan, turn, &before, pause.max(self.update.monitor)));
            }
            before = match self.update.on_failure {
                OnFailure::Continue => ends.clone(),
                OnFailure::Pause | OnFailure::Rollback => {
                    let tally = Action::Tally {
                        service: self.service.name.clone(),
                        of: u32::try_from(ends.len()).unwrap_or(u32::MAX),
                        allowed: u32::try_from(allowed).unwrap_or(u32::MAX),
                    };
                    vec![plan.add(tally, self.cause.clone(), &ends)]
                }
            };
        }
        if self.keep {
            for turn in turns {
                for leaving in &turn.place.leaving {
                    plan.add(turn.remove(leaving), leaving.cause.clone(), &before);
                }
            }
        }
        before
    }

    /// One turn, after `before`. Gives its last step.
    fn turn(&self, plan: &mut Plan, turn: &Turn<'_>, before: &[Step], watch: Duration) -> Step {
        let free = [self.gate, &turn.after, before].concat();
        let mut last = Chain {
            plan,
            free,
            last: None,
        };
        if turn.beside {
            self.start(&mut last, turn);
            self.take_over(&mut last, turn);
            self.clear(&mut last, turn);
        } else {
            self.clear(&mut last, turn);
            self.start(&mut last, turn);
            if turn.place.existing.is_some_and(|container| container.apart) {
                self.take_over(&mut last, turn);
            }
        }
        if !watch.is_zero() {
            let container = turn.place.container.clone();
            let duration = watch;
            last.add(
                Action::Watch {
                    container,
                    duration,
                },
                self.cause.clone(),
            );
        }
        last.last.expect("somebody makes way in a turn")
    }

    /// Starts the new container, if it does not run, and waits for it.
    fn start(&self, chain: &mut Chain<'_>, turn: &Turn<'_>) {
        let container = turn.place.container.clone();
        if let Some(cause) = turn.start.clone() {
            let container = container.clone();
            chain.add(Action::StartContainer { container }, cause);
        } else if !turn.beside {
            return;
        }
        let action = Action::Await {
            service: self.service.name.clone(),
            containers: vec![container],
            condition: match self.service.has_healthcheck {
                true => Condition::Healthy,
                false => Condition::Started,
            },
        };
        chain.add(action, self.cause.clone());
    }

    fn take_over(&self, chain: &mut Chain<'_>, turn: &Turn<'_>) {
        let from = turn.place.leaving.iter();
        let action = Action::TakeOver {
            container: turn.place.container.clone(),
            from: from.map(|l| l.container.reference()).collect(),
        };
        chain.add(action, self.cause.clone());
    }

    /// Stops the old containers of a place, and removes them.
    fn clear(&self, chain: &mut Chain<'_>, turn: &Turn<'_>) {
        chain.free.extend(self.dependents);
        for leaving in &turn.place.leaving {
            if leaving.container.state.is_alive() {
                let action = Action::StopContainer {
                    container: leaving.container.reference(),
                    timeout: turn.timeout,
                };
                chain.add(action, leaving.cause.clone());
            }
            if !self.keep {
                chain.add(turn.remove(leaving), leaving.cause.clone());
            }
        }
    }
}

/// A place whose container is replaced.
struct Turn<'t> {
    place: &'t Replica<'t>,
    /// Why its new container is started, if it does not run.
    start: Option<Cause>,
    /// The new container runs beside the old one first.
    beside: bool,
    /// What its first step comes after.
    after: Vec<Step>,
    /// How long the old container may take to stop.
    timeout: Option<Duration>,
}

impl Turn<'_> {
    fn remove(&self, leaving: &Leaving<'_>) -> Action {
        Action::RemoveContainer {
            container: leaving.container.reference(),
            volumes: false,
        }
    }
}

/// Steps of which each needs the one before.
struct Chain<'p> {
    plan: &'p mut Plan,
    /// What the first comes after; later ones too, which changes nothing.
    free: Vec<Step>,
    last: Option<Step>,
}

impl Chain<'_> {
    fn add(&mut self, action: Action, cause: Cause) {
        let needs = self.last.as_slice();
        let step = self.plan.add_needing(action, cause, &self.free, needs);
        self.last = Some(step);
    }
}

impl<'a> Builder<'_, 'a> {
    /// The turns of a member that is updated a few at a time. Gives the steps after which all of it runs.
    pub(super) fn roll(
        &mut self,
        member: &Member<'a>,
        joins: &[ContainerRef],
        gate: &[Step],
        dependents: &[Step],
    ) -> Vec<Step> {
        let Some(update) = member.update().filter(|_| !self.up.no_start) else {
            return vec![];
        };
        member.warn_of_fixed(&mut self.plan);
        let strays: Vec<Step> = self.strays.iter().map(|(step, _)| *step).collect();
        let places = member
            .replicas
            .places
            .iter()
            .filter(|place| place.is_turn());
        let mut turns: Vec<Turn<'_>> = Vec::new();
        for place in places {
            let mut after = self.hooks_of_place(member, place, joins, strays.clone());
            after.extend(self.creates.get(&place.container.id));
            turns.push(Turn {
                place,
                start: member.start_cause(place),
                beside: match place.existing {
                    Some(container) => container.apart,
                    None => member.beside(place),
                },
                after,
                timeout: self.context.options.timeout,
            });
        }
        if turns.is_empty() {
            return vec![];
        }
        let rolling = Rolling {
            service: member.service,
            update,
            cause: UPDATE,
            gate,
            dependents,
            keep: update.on_failure == OnFailure::Rollback,
        };
        rolling.plan(&mut self.plan, &turns)
    }
}

/// Plans the way back of an update that failed: where an older container of a place is left, it gets its place again.
pub(super) fn back(context: &Context<'_>) -> Plan {
    let mut plan = Plan::default();
    for (name, service) in &context.desired.services {
        if !context.names(name) {
            continue;
        }
        // Nobody who asked for an update without a gap wants one on the way back.
        let update = service.rollback.as_ref().or(service.update.as_ref());
        let update = update.cloned().unwrap_or_default();
        let places = former_places(context, service);
        let turns: Vec<Turn<'_>> = places
            .iter()
            .map(|place| {
                let former = place.existing.filter(|c| !c.state.is_alive());
                Turn {
                    place,
                    start: former.map(|_| ROLLBACK),
                    beside: update.start_first && place.existing.is_some_and(|c| c.apart),
                    after: vec![],
                    timeout: context.options.timeout,
                }
            })
            .collect();
        let rolling = Rolling {
            service,
            update: &update,
            cause: ROLLBACK,
            gate: &[],
            dependents: &[],
            keep: false,
        };
        rolling.plan(&mut plan, &turns);
    }
    plan
}

/// The places of which an older container is left beside the one that an update made.
fn former_places<'a>(context: &Context<'a>, service: &DesiredService) -> Vec<Replica<'a>> {
    let mut places: BTreeMap<u32, (Vec<&'a ObservedContainer>, Vec<&'a ObservedContainer>)> =
        BTreeMap::new();
    for container in context.containers_of(&service.name) {
        let (old, new) = places.entry(container.number).or_default();
        match service.made(container) {
            true => new.push(container),
            false => old.push(container),
        }
    }
    let place = |(mut old, new): (Vec<&'a ObservedContainer>, Vec<&'a ObservedContainer>)| {
        old.sort_by_key(|c| !c.state.is_alive());
        let former = *old.first().filter(|_| !new.is_empty())?;
        let leaving = new.into_iter().chain(old.into_iter().skip(1));
        Some(Replica {
            container: former.reference(),
            existing: Some(former),
            create: None,
            leaving: leaving
                .map(|container| Leaving {
                    container,
                    cause: ROLLBACK,
                })
                .collect(),
        })
    };
    places.into_values().filter_map(place).collect()
}
