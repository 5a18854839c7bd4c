//! `pre_start` hooks in a plan: each runs in a container of its own, to its end, before what it is for starts.

use super::members::Member;
use super::replicas::Replica;
use super::up::Builder;
use crate::compose::model::Condition;
use crate::scheduler::action::Action;
use crate::scheduler::action::ContainerRef;
use crate::scheduler::observed::ObservedContainer;
use crate::scheduler::plan::Cause;
use crate::scheduler::plan::Step;
use crate::scheduler::pre_start::PreStart;

impl<'a> Builder<'_, 'a> {
    /// Runs the hooks that come once, unless a container of the service runs on. Gives what starts come after.
    pub(super) fn hooks_of_service(
        &mut self,
        member: &Member<'a>,
        joins: &[ContainerRef],
        gate: Vec<Step>,
    ) -> Vec<Step> {
        let places = || member.replicas.places.iter();
        let runs_on = places().any(|place| {
            let alive = place.existing.is_some_and(|c| c.state.is_alive());
            alive && member.start_cause(place).is_none()
        });
        if self.up.no_start || runs_on || !member.starts() {
            return gate;
        }
        let service = member.service;
        let once = service.pre_start.iter().filter(|hook| !hook.per_replica);
        self.run_hooks(member, once, (joins, None), gate)
    }

    /// Runs the hooks that come before each container.
    pub(super) fn hooks_of_place(
        &mut self,
        member: &Member<'a>,
        place: &Replica<'a>,
        joins: &[ContainerRef],
        gate: Vec<Step>,
    ) -> Vec<Step> {
        if self.up.no_start || member.start_cause(place).is_none() {
            return gate;
        }
        let service = member.service;
        let each = service.pre_start.iter().filter(|hook| hook.per_replica);
        self.run_hooks(member, each, (joins, Some(place.container.number)), gate)
    }

    fn run_hooks<'h>(
        &mut self,
        member: &Member<'a>,
        hooks: impl Iterator<Item = &'h PreStart>,
        (joins, number): (&[ContainerRef], Option<u32>),
        gate: Vec<Step>,
    ) -> Vec<Step> {
        let mut before = gate;
        for hook in hooks {
            let service = &member.service.name;
            let by = member.service.separator;
            let own = format!(
                "{}{by}{service}{by}pre_start{by}{}",
                self.context.desired.project, hook.number
            );
            let container = ContainerRef {
                id: (self.new_id)(),
                name: number.map_or(own.clone(), |number| format!("{own}{by}{number}")),
                service: hook.key.clone(),
                number: 0,
            };
            before.extend(self.resources_of(member));
            before.extend(self.clear_hook(member, &container.name));
            let create = Action::CreateContainer {
                container: container.clone(),
                replaces: None,
                keep_volumes: false,
                joins: joins.to_vec(),
                apart: false,
            };
            let step = self.plan.add(create, Cause::PreStart, &before);
            let start = Action::StartContainer {
                container: container.clone(),
            };
            let step = self.plan.add(start, Cause::PreStart, &[step]);
            let done = Action::Await {
                service: service.clone(),
                containers: vec![container.clone()],
                condition: Condition::Completed,
            };
            let step = self.plan.add(done, Cause::PreStart, &[step]);
            let remove = Action::RemoveContainer {
                container,
                volumes: true,
            };
            before = vec![self.plan.add(remove, Cause::PreStart, &[step])];
        }
        before
    }

    /// What an earlier run of a hook has left, because it failed, makes way.
    fn clear_hook(&mut self, member: &Member<'a>, name: &str) -> Vec<Step> {
        let all = self.context.observed.containers.iter();
        let own = |c: &&ObservedContainer| {
            c.one_off && c.service == member.service.name && c.name == name
        };
        let left: Vec<_> = all.filter(own).collect();
        left.into_iter()
            .map(|container| {
                let cause = Cause::Superseded;
                self.context
                    .stop_and_remove(&mut self.plan, (container, true), &cause, &[])
                    .remove
            })
            .collect()
    }
}
