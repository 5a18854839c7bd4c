//! What must hold before a container starts, as steps of a plan.

use super::Context;
use super::PlanError;
use crate::compose::model::Condition;
use crate::id::ServiceName;
use crate::scheduler::action::Action;
use crate::scheduler::action::ContainerRef;
use crate::scheduler::observed::Health;
use crate::scheduler::observed::ObservedContainer;
use crate::scheduler::plan::Cause;
use crate::scheduler::plan::Plan;
use crate::scheduler::plan::Step;
use indexmap::IndexMap;
use std::collections::HashMap;

/// A service whose containers shall run.
pub(super) struct Runner<'a> {
    /// Its containers when the plan is done, those that exist already with what was observed.
    pub containers: Vec<(ContainerRef, Option<&'a ObservedContainer>)>,
    /// Whether any of them is started by the plan.
    pub starts: bool,
    /// Whether what it depends on is waited for even if the plan does not start it.
    pub meant: bool,
}

/// The waits of one plan.
pub(super) struct Waits<'c, 'a> {
    context: &'c Context<'a>,
    runners: IndexMap<&'a str, Runner<'a>>,
    /// For each service the steps after which it runs.
    starts: HashMap<&'a str, Vec<Step>>,
    /// For each service the steps its own start comes after.
    gates: HashMap<&'a str, Vec<Step>>,
    awaits: HashMap<(&'a str, Condition), Vec<Step>>,
}

impl<'c, 'a> Waits<'c, 'a> {
    pub fn new(context: &'c Context<'a>, runners: IndexMap<&'a str, Runner<'a>>) -> Self {
        Self {
            context,
            runners,
            starts: HashMap::new(),
            gates: HashMap::new(),
            awaits: HashMap::new(),
        }
    }

    /// Refuses to wait for the health of what has no health check; warns where that is no error.
    pub fn check(&self, plan: &mut Plan) -> Result<(), PlanError> {
        for (dependent, _) in self.runners.iter().filter(|(_, r)| r.starts) {
            for (name, dependency) in &self.context.desired.services[*dependent].depends_on {
                if dependency.condition != Condition::Healthy || !self.lacks_healthcheck(name) {
                    continue;
                }
                if dependency.required {
                    return Err(PlanError::NoHealthcheck {
                        dependent: self.context.desired.services[*dependent].name.clone(),
                        service: name.clone(),
                    });
                }
                plan.warnings.push(format!(
                    "`{name}` has no health check: `{dependent}` starts without waiting for it"
                ));
            }
        }
        Ok(())
    }

    fn lacks_healthcheck(&self, name: &ServiceName) -> bool {
        let runner = self.runners.get(name.as_str());
        runner.is_some_and(|r| !r.containers.is_empty())
            && !self.context.desired.services[name].has_healthcheck
    }

    /// The steps after which `service` may start. To be asked in dependency order.
    pub fn gate(&mut self, plan: &mut Plan, service: &'a str) -> Vec<Step> {
        let desired = &self.context.desired.services[service];
        let runner = &self.runners[service];
        let (starts, empty) = (runner.starts, runner.containers.is_empty());
        let mut gate = Vec::new();
        for (name, dependency) in &desired.depends_on {
            let name = name.as_str();
            if self.context.options.no_deps {
                // Without its owner there is no namespace to join.
                if desired.joins.iter().any(|join| join.as_str() == name) {
                    gate.extend(self.runs(name));
                }
            } else if empty {
                gate.extend(self.runs(name));
            } else if starts {
                gate.extend(self.holds(plan, service, name, dependency.condition));
            }
        }
        gate.sort_unstable();
        gate.dedup();
        self.gates.insert(service, gate.clone());
        gate
    }

    /// `service` runs once `step` is done.
    pub fn started(&mut self, service: &'a str, step: Step) {
        self.starts.entry(service).or_default().push(step);
    }

    /// After this `name` runs. A service without containers passes on what it would wait for itself.
    fn runs(&self, name: &str) -> Vec<Step> {
        let empty = self
            .runners
            .get(name)
            .is_some_and(|r| r.containers.is_empty());
        let steps = if empty { &self.gates } else { &self.starts };
        steps.get(name).cloned().unwrap_or_default()
    }

    /// After this `condition` holds for `name`, as far as `dependent` cares.
    fn holds(
        &mut self,
        plan: &mut Plan,
        dependent: &str,
        name: &'a str,
        condition: Condition,
    ) -> Vec<Step> {
        let Some(runner) = self.runners.get(name) else {
            return vec![];
        };
        let idle = runner.containers.is_empty();
        let moot =
            condition == Condition::Healthy && !self.context.desired.services[name].has_healthcheck;
        if idle || moot || condition == Condition::Started {
            return self.runs(name);
        }
        if !runner.starts && (!self.runners[dependent].meant || holds_already(runner, condition)) {
            return vec![];
        }
        if let Some(steps) = self.awaits.get(&(name, condition)) {
            return steps.clone();
        }
        let (dependents, required) = self.dependents(name, condition);
        let after = self.runs(name);
        let action = self.awaiting(name, condition);
        let cause = Cause::NeededBy(dependents);
        let step = if required {
            plan.add(action, cause, &after)
        } else {
            plan.add_optional(action, cause, &after)
        };
        self.awaits.insert((name, condition), vec![step]);
        vec![step]
    }

    fn awaiting(&self, name: &str, condition: Condition) -> Action {
        let containers = self.runners[name].containers.iter();
        Action::Await {
            service: self.context.desired.services[name].name.clone(),
            containers: containers.map(|(container, _)| container.clone()).collect(),
            condition,
        }
    }

    /// Who waits for `condition` of `name`, and whether for one of them it must hold.
    fn dependents(&self, name: &str, condition: Condition) -> (Vec<ServiceName>, bool) {
        let starting = self.runners.iter().filter(|(_, runner)| runner.starts);
        let (mut dependents, mut required) = (Vec::new(), false);
        for (dependent, _) in starting {
            let service = &self.context.desired.services[*dependent];
            if let Some(dependency) = service.depends_on.get(name)
                && dependency.condition == condition
            {
                dependents.push(service.name.clone());
                required |= dependency.required;
            }
        }
        (dependents, required)
    }

    /// `--wait`: everything runs, is healthy where it can be, or has completed where somebody depends on that.
    pub fn all(&mut self, plan: &mut Plan) {
        let names: Vec<&'a str> = self.runners.keys().copied().collect();
        for name in names {
            let runner = &self.runners[name];
            let condition = self.final_condition(name);
            let known = self.awaits.contains_key(&(name, condition));
            if known || !runner.meant || runner.containers.is_empty() {
                continue;
            }
            if !runner.starts && holds_already(runner, condition) {
                continue;
            }
            let after = self.runs(name);
            plan.add(
                self.awaiting(name, condition),
                Cause::Asked("--wait"),
                &after,
            );
        }
    }

    fn final_condition(&self, name: &str) -> Condition {
        let services = &self.context.desired.services;
        let completes = self.runners.keys().any(|dependent| {
            let dependency = services[*dependent].depends_on.get(name);
            dependency.is_some_and(|d| d.condition == Condition::Completed)
        });
        if completes {
            Condition::Completed
        } else if services[name].has_healthcheck {
            Condition::Healthy
        } else {
            Condition::Started
        }
    }
}

/// Whether nothing need be waited for, by what was observed.
fn holds_already(runner: &Runner<'_>, condition: Condition) -> bool {
    let mut observed = runner.containers.iter().map(|(_, observed)| *observed);
    match condition {
        Condition::Started => observed.all(|c| c.is_some()),
        Condition::Healthy => {
            observed.all(|c| c.is_some_and(|c| c.health == Some(Health::Healthy)))
        }
        Condition::Completed => false,
    }
}
