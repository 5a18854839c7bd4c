//! Planner and executor against a simulated host: fixtures, properties, and a failure at every step.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod faults;
mod fixtures;
mod properties;
mod simulated;
mod walking;

use hoist::id::ContainerId;
use hoist::scheduler::desired::Desired;
use hoist::scheduler::observed::Observed;
use hoist::scheduler::plan::Plan;
use hoist::scheduler::reconcile::Options;
use hoist::scheduler::reconcile::PlanError;
use hoist::scheduler::reconcile::Up;
use hoist::scheduler::reconcile::Verb;
use hoist::scheduler::reconcile::reconcile;
use std::cell::Cell;

thread_local! {
    static NEXT_ID: Cell<u64> = const { Cell::new(1) };
}

/// Ids of new containers: never one that a test's text form gives (those begin with a letter or are short).
fn next_id() -> ContainerId {
    let next = NEXT_ID.get();
    NEXT_ID.set(next + 1);
    ContainerId::new(format!("0e{next:062x}")).unwrap()
}

fn planned(desired: &Desired, observed: &Observed, options: &Options) -> Result<Plan, PlanError> {
    reconcile(desired, observed, options, &mut next_id)
}

fn asking(verb: Verb) -> Options {
    Options {
        containers: Vec::new(),
        verb,
        services: vec![],
        no_deps: false,
        remove_orphans: false,
        timeout: None,
    }
}

fn up() -> Options {
    asking(Verb::Up(Up::default()))
}
