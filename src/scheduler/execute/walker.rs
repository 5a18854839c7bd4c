//! The walk itself: which steps are ready, which are under way, which are done.

use super::Cancel;
use super::Failure;
use super::Host;
use super::HostError;
use super::WaitOutcome;
use super::Walk;
use super::pool::Pool;
use super::report::Report;
use crate::scheduler::action::Action;
use crate::scheduler::plan::Cause;
use crate::scheduler::plan::Plan;
use crate::scheduler::plan::Step;
use std::collections::BTreeSet;
use std::collections::HashSet;
use std::time::Duration;

/// How a walk ended early.
pub(super) enum Ending {
    Failed(Vec<Failure>),
    Cancelled,
    Deadline { limit: Duration, late: Vec<String> },
}

/// Results of steps that were performed together.
type Outcome = Vec<(Step, Result<(), HostError>)>;

/// A walk under way.
pub(super) struct Walker<'a, H> {
    plan: &'a Plan,
    host: &'a H,
    report: Report<'a>,
    /// For each step how many steps before it are not done yet.
    pending: Vec<usize>,
    ready: BTreeSet<Step>,
    /// Begun, and only waiting for something.
    waiting: BTreeSet<Step>,
    /// Done, in the order they ended.
    done: Vec<Step>,
    failed: Vec<Step>,
    /// Optional ones that failed, or were left out because of that.
    lost: HashSet<Step>,
    /// Not done yet, and left out when their turn comes.
    doomed: HashSet<Step>,
}

impl<'a, H: Host> Walker<'a, H> {
    pub fn new(plan: &'a Plan, host: &'a H, report: Report<'a>) -> Self {
        let pending: Vec<usize> = plan
            .steps()
            .map(|(step, _)| plan.before(step).len())
            .collect();
        let free = |step: &Step| pending[step.index()] == 0;
        let ready = plan.steps().map(|(step, _)| step).filter(free).collect();
        Self {
            plan,
            host,
            report,
            pending,
            ready,
            waiting: BTreeSet::new(),
            done: Vec::new(),
            failed: Vec::new(),
            lost: HashSet::new(),
            doomed: HashSet::new(),
        }
    }

    /// Walks until everything is done, something fails, somebody cancels, or time is up.
    pub async fn run(&mut self, walk: Walk, cancel: &Cancel) -> Result<(), Ending> {
        let mut pool = Pool::default();
        let mut failures = Vec::new();
        let mut early = cancel.is_cancelled().then_some(Ending::Cancelled);
        let time_is_up = time_is_up(walk.deadline);
        tokio::pin!(time_is_up);
        loop {
            if failures.is_empty() && early.is_none() {
                self.begin_ready(&mut pool, walk.parallel.max(1));
            } else {
                pool.stop_waiting();
            }
            if pool.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                () = cancel.cancelled(), if early.is_none() => early = Some(Ending::Cancelled),
                outcome = pool.next() => failures.extend(self.settle(outcome)),
                limit = &mut time_is_up, if early.is_none() => {
                    let late = self.late();
                    early = Some(Ending::Deadline { limit, late });
                }
            }
        }
        match early {
            _ if !failures.is_empty() => Err(Ending::Failed(failures)),
            Some(early) => Err(early),
            None => Ok(()),
        }
    }

    fn begin_ready(&mut self, pool: &mut Pool<'a, Outcome>, parallel: usize) {
        let mut room = parallel.saturating_sub(pool.working());
        let ready: Vec<Step> = self.ready.iter().copied().collect();
        for step in ready {
            let node = self.plan.node(step);
            let waits = matches!(
                node.action,
                Action::Await { .. } | Action::Watch { .. } | Action::Tally { .. }
            );
            // Waiting takes no room: otherwise waits could keep out what they wait for.
            if !self.ready.contains(&step) || (!waits && room == 0) {
                continue;
            }
            let together = self.take(step);
            for step in &together {
                self.report.begun(self.plan.node(*step));
            }
            let (plan, host) = (self.plan, self.host);
            if let Action::Tally { .. } = node.action {
                let counted = self.tally(step);
                pool.wait(async move { vec![(step, counted)] });
            } else if waits {
                self.waiting.insert(step);
                pool.wait(wait(plan, host, step));
            } else {
                room -= 1;
                pool.work(perform(plan, host, together));
            }
        }
    }

    /// Takes `step` from the ready ones, with all others of its kind if the host wants them together.
    fn take(&mut self, step: Step) -> Vec<Step> {
        let kind = self.plan.node(step).action.kind();
        if !self.host.batches(kind) {
            self.ready.remove(&step);
            return vec![step];
        }
        let plan = self.plan;
        let of_kind = |step: &Step| plan.node(*step).action.kind() == kind;
        let together = self.ready.iter().copied().filter(of_kind).collect();
        self.ready.retain(|step| !of_kind(step));
        together
    }

    /// Takes in results. Gives what failed and was required.
    fn settle(&mut self, outcome: Outcome) -> Vec<Failure> {
        let mut failures = Vec::new();
        for (step, result) in outcome {
            self.waiting.remove(&step);
            let node = self.plan.node(step);
            match result {
                Ok(()) => {
                    self.report.done(node);
                    self.finish(step);
                }
                Err(error) => {
                    self.report.failed(node, &error);
                    self.failed.push(step);
                    if node.required {
                        let action = node.action.clone();
                        failures.push(Failure { action, error });
                    } else {
                        self.lose(step);
                    }
                }
            }
        }
        failures
    }

    /// What is still waited for, in words.
    fn late(&self) -> Vec<String> {
        let unmet = |step: &Step| match &self.plan.node(*step).action {
            Action::Await {
                containers,
                condition,
                ..
            } => self.host.unmet(containers, *condition),
            _ => Vec::new(),
        };
        let mut late: Vec<String> = self.waiting.iter().flat_map(unmet).collect();
        late.sort();
        late.dedup();
        late
    }

    fn finish(&mut self, step: Step) {
        self.done.push(step);
        for next in self.plan.after(step) {
            self.release(next);
        }
    }

    /// What comes after a step that failed goes on, but for what needs it.
    fn lose(&mut self, step: Step) {
        self.lost.insert(step);
        for next in self.plan.after(step) {
            if self.plan.needs(next, step) {
                self.doomed.insert(next);
            }
            self.release(next);
        }
    }

    /// One of the steps before `step` is over.
    fn release(&mut self, step: Step) {
        let pending = &mut self.pending[step.index()];
        *pending -= 1;
        match *pending {
            0 if self.doomed.contains(&step) => self.lose(step),
            0 => drop(self.ready.insert(step)),
            _ => {}
        }
    }

    /// Whether few enough of the steps before a [`Action::Tally`] are lost.
    fn tally(&self, step: Step) -> Result<(), HostError> {
        let Action::Tally {
            service,
            of,
            allowed,
        } = &self.plan.node(step).action
        else {
            return Ok(());
        };
        let before = self.plan.before(step);
        let lost = before.iter().filter(|step| self.lost.contains(*step));
        let lost = lost.count();
        if lost <= *allowed as usize {
            return Ok(());
        }
        let text = format!(
            "the update of service `{service}` stopped: {lost} of {of} containers did not come up"
        );
        let hint = "the containers that were not replaced run as before: `hoist up` goes on once the cause is gone";
        Err(HostError::new(text).with_hint(hint))
    }

    /// Takes back what failed, and `everything` else that was made as well; the last first.
    pub async fn take_back(&mut self, everything: bool) -> Vec<Failure> {
        let mut steps = std::mem::take(&mut self.failed);
        if everything {
            steps.splice(0..0, std::mem::take(&mut self.done));
        }
        let mut failures = Vec::new();
        for step in steps.into_iter().rev() {
            let action = &self.plan.node(step).action;
            if action.inverse().is_none() {
                continue;
            }
            self.report.undoing(action);
            match self.host.undo(action).await {
                Ok(()) => self.report.undone(action),
                Err(error) => failures.push(Failure {
                    action: action.clone(),
                    error,
                }),
            }
        }
        failures
    }
}

async fn perform<H: Host>(plan: &Plan, host: &H, steps: Vec<Step>) -> Outcome {
    let actions: Vec<&Action> = steps.iter().map(|step| &plan.node(*step).action).collect();
    let results = match actions.as_slice() {
        [action] => vec![host.perform(action).await],
        several => host.perform_all(several).await,
    };
    debug_assert_eq!(steps.len(), results.len(), "one result an action");
    steps.into_iter().zip(results).collect()
}

async fn wait<H: Host>(plan: &Plan, host: &H, step: Step) -> Outcome {
    let node = plan.node(step);
    let outcome = match &node.action {
        Action::Await {
            containers,
            condition,
            ..
        } => host.wait(containers, *condition).await,
        Action::Watch {
            container,
            duration,
        } => host.watch(container, *duration).await,
        _ => Ok(WaitOutcome::Met),
    };
    let result = match outcome {
        Ok(WaitOutcome::Met) => Ok(()),
        Ok(WaitOutcome::Unmet(why)) => Err(match node.cause {
            Cause::NeededBy(_) => HostError::new(format!("dependency failed to start: {why}")),
            _ => HostError::new(why),
        }),
        Err(error) => Err(error),
    };
    vec![(step, result)]
}

async fn time_is_up(limit: Option<Duration>) -> Duration {
    match limit {
        Some(limit) => {
            tokio::time::sleep(limit).await;
            limit
        }
        None => std::future::pending().await,
    }
}
