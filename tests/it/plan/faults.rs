//! A host that fails at every step in turn: nothing is lost, nothing half made stays, and the next try gets there.

use super::planned;
use super::simulated::Fault;
use super::simulated::Simulated;
use super::up;
use hoist::scheduler::desired::Desired;
use hoist::scheduler::observed::Observed;
use hoist::scheduler::reconcile::Options;

/// Fails at each call of a walk of `options`, before and after doing it.
pub fn walk_with_every_fault(desired: &Desired, world: &Observed, options: &Options) {
    let steps = planned(desired, world, options).unwrap().len();
    for at in 1..=steps {
        for fault in [Fault::Before, Fault::After] {
            walk_with(desired, world, options, (at, fault));
        }
    }
}

fn walk_with(desired: &Desired, world: &Observed, options: &Options, fault: (usize, Fault)) {
    let plan = planned(desired, world, options).unwrap();
    let mut host = Simulated::new(desired, world.clone());
    host.lax = options.no_deps;
    host.fault = Some(fault);
    let end = host.run(&plan);
    let told = || {
        format!(
            "{fault:?}: {end:?}\n{world}\n{plan}\n{}",
            host.log.borrow().join("\n")
        )
    };
    if let Err(error) = &end {
        assert!(!format!("{error:?}").contains("refused"), "{}", told());
    }
    nothing_lost(world, &host.now(), &plan, &told);
    host.fault = None;
    // A required wait that failed leaves containers up: `up` and its kin go on from there.
    let next = planned(desired, &host.now(), options).unwrap();
    let again = host.run(&next);
    assert!(again.is_ok(), "second try: {again:?}\n{next}\n{}", told());
    if matches!(options.verb, hoist::scheduler::reconcile::Verb::Up(_)) {
        let whole = up();
        host.run(&planned(desired, &host.now(), &whole).unwrap())
            .unwrap();
        for service in desired.services.values() {
            let there = host.now();
            let own = there
                .containers
                .iter()
                .filter(|c| c.service == service.name && !c.one_off);
            assert_eq!(
                own.count(),
                usize::try_from(service.scale).unwrap(),
                "{}",
                told()
            );
        }
    }
}

/// Each container is still there, or was to be removed for good, or another has its place.
fn nothing_lost(
    before: &Observed,
    after: &Observed,
    plan: &hoist::scheduler::plan::Plan,
    told: &dyn Fn() -> String,
) {
    use hoist::scheduler::action::Action;
    let replaced = |id| {
        plan.steps().any(|(_, node)| matches!(&node.action, Action::CreateContainer { replaces: Some(old), .. } if old == id))
    };
    for container in &before.containers {
        let there = after.containers.iter().any(|c| c.id == container.id);
        let place = after.containers.iter().any(|c| c.name == container.name);
        assert!(
            there || place || !replaced(&container.id),
            "{} is lost\n{}",
            container.name,
            told()
        );
    }
}
