//! The executor's own promises: order, parallelism, batches, failure, cancelling, deadlines, events.

use super::next_id;
use hoist::compose::model::Condition;
use hoist::id::NetworkName;
use hoist::id::ServiceName;
use hoist::scheduler::action::Action;
use hoist::scheduler::action::ContainerRef;
use hoist::scheduler::action::Kind;
use hoist::scheduler::execute::Cancel;
use hoist::scheduler::execute::ExecuteError;
use hoist::scheduler::execute::Host;
use hoist::scheduler::execute::HostError;
use hoist::scheduler::execute::WaitOutcome;
use hoist::scheduler::execute::Walk;
use hoist::scheduler::execute::execute;
use hoist::scheduler::plan::Cause;
use hoist::scheduler::plan::Plan;
use hoist::scheduler::plan::Step;
use hoist::state::event::Event;
use hoist::state::event::Subject;
use hoist::state::event::What;
use std::cell::Cell;
use std::cell::RefCell;
use std::time::Duration;
use tokio::sync::watch;

/// Performs an action by noting it. What a name asks for happens: `slow` ends only after `quick` has begun, `broken` and
/// `sticky` fail, `sticky` also when it is taken back, `never` does not end.
struct Noting {
    log: RefCell<Vec<String>>,
    at_once: Cell<usize>,
    most_at_once: Cell<usize>,
    together: Option<Kind>,
    begun: watch::Sender<Vec<String>>,
}

impl Noting {
    fn new() -> Self {
        Self {
            log: RefCell::default(),
            at_once: Cell::new(0),
            most_at_once: Cell::new(0),
            together: None,
            begun: watch::channel(vec![]).0,
        }
    }

    fn note(&self, text: String) {
        self.log.borrow_mut().push(text);
    }

    fn log(&self) -> String {
        self.log.borrow().join(", ")
    }

    async fn begun(&self, word: &str) {
        let mut seen = self.begun.subscribe();
        seen.wait_for(|all| all.iter().any(|text| text.contains(word)))
            .await
            .unwrap();
    }
}

impl Host for Noting {
    async fn watch(&self, _: &ContainerRef, _: Duration) -> Result<WaitOutcome, HostError> {
        Ok(WaitOutcome::Met)
    }

    async fn perform(&self, action: &Action) -> Result<(), HostError> {
        let text = action.to_string();
        self.begun.send_modify(|all| all.push(text.clone()));
        self.at_once.set(self.at_once.get() + 1);
        self.most_at_once
            .set(self.most_at_once.get().max(self.at_once.get()));
        tokio::task::yield_now().await;
        if text.contains("slow") {
            self.begun("quick").await;
        }
        if text.contains("never") {
            std::future::pending::<()>().await;
        }
        self.at_once.set(self.at_once.get() - 1);
        if text.contains("broken") || text.contains("sticky") {
            return Err(HostError::because("cannot do it", "it is broken"));
        }
        self.note(text);
        Ok(())
    }

    async fn undo(&self, action: &Action) -> Result<(), HostError> {
        let text = action.to_string();
        if text.contains("sticky") {
            return Err(HostError::new("it sticks"));
        }
        self.note(format!("undo {text}"));
        Ok(())
    }

    async fn wait(
        &self,
        containers: &[ContainerRef],
        _: Condition,
    ) -> Result<WaitOutcome, HostError> {
        let name = &containers[0].name;
        match name.as_str() {
            "unwell" => Ok(WaitOutcome::Unmet(
                "container unwell is unhealthy".to_owned(),
            )),
            "quick" => {
                self.begun("quick").await;
                Ok(WaitOutcome::Met)
            }
            _ => std::future::pending().await,
        }
    }

    fn batches(&self, kind: Kind) -> bool {
        self.together == Some(kind)
    }

    async fn perform_all(&self, actions: &[&Action]) -> Vec<Result<(), HostError>> {
        self.note(format!("{} together", actions.len()));
        actions.iter().map(|_| Ok(())).collect()
    }
}

fn container(name: &str) -> ContainerRef {
    ContainerRef {
        id: next_id(),
        name: name.to_owned(),
        service: ServiceName::new(name).unwrap(),
        number: 1,
    }
}

fn start(plan: &mut Plan, name: &str, after: &[Step]) -> Step {
    let container = container(name);
    plan.add(Action::StartContainer { container }, Cause::New, after)
}

fn network(plan: &mut Plan, name: &str, after: &[Step]) -> Step {
    let action = Action::CreateNetwork {
        key: name.to_owned(),
        name: NetworkName::new(name).unwrap(),
    };
    plan.add(action, Cause::Missing, after)
}

fn wait(name: &str) -> Action {
    Action::Await {
        service: ServiceName::new(name).unwrap(),
        containers: vec![container(name)],
        condition: Condition::Healthy,
    }
}

fn walk_on(host: &Noting, plan: &Plan, walk: Walk) -> (Result<(), ExecuteError>, Vec<Event>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let mut events = vec![];
    let mut sink = |event| events.push(event);
    let cancel = Cancel::default();
    let walking = execute(plan, host, walk, &cancel, &mut sink);
    // A walk that hangs shall fail the test, not the machine.
    let limit = Duration::from_secs(20);
    let end = runtime.block_on(async { tokio::time::timeout(limit, walking).await });
    (end.expect("the walk hangs"), events)
}

#[test]
fn a_step_begins_when_the_steps_before_it_are_done_whatever_others_do() {
    let mut plan = Plan::default();
    start(&mut plan, "slow", &[]);
    let first = start(&mut plan, "first", &[]);
    start(&mut plan, "quick", &[first]);
    let host = Noting::new();
    walk_on(&host, &plan, Walk::default()).0.unwrap();
    assert!(
        host.log().starts_with("start container first, "),
        "{}",
        host.log()
    );
    assert_eq!(host.log.borrow().len(), 3);
}

#[test]
fn no_more_steps_run_at_once_than_allowed() {
    let mut plan = Plan::default();
    for n in 0..30 {
        start(&mut plan, &format!("c{n}"), &[]);
    }
    for (parallel, most) in [(1, 1), (7, 7), (64, 30), (0, 1)] {
        let host = Noting::new();
        walk_on(
            &host,
            &plan,
            Walk {
                parallel,
                ..Walk::default()
            },
        )
        .0
        .unwrap();
        assert_eq!(host.most_at_once.get(), most, "{parallel} allowed");
    }
}

#[test]
fn waiting_takes_no_room() {
    let mut plan = Plan::default();
    let held = plan.add(wait("quick"), Cause::Asked("--wait"), &[]);
    start(&mut plan, "last", &[held]);
    start(&mut plan, "quick", &[]);
    let host = Noting::new();
    walk_on(
        &host,
        &plan,
        Walk {
            parallel: 1,
            ..Walk::default()
        },
    )
    .0
    .unwrap();
    assert_eq!(host.log(), "start container quick, start container last");
}

#[test]
fn a_host_that_wants_a_kind_together_gets_what_is_ready() {
    let mut plan = Plan::default();
    let all: Vec<_> = (0..5)
        .map(|n| start(&mut plan, &format!("c{n}"), &[]))
        .collect();
    network(&mut plan, "net", &[]);
    start(&mut plan, "last", &all);
    let host = Noting {
        together: Some(Kind::StartContainer),
        ..Noting::new()
    };
    walk_on(
        &host,
        &plan,
        Walk {
            parallel: 1,
            ..Walk::default()
        },
    )
    .0
    .unwrap();
    assert_eq!(
        host.log(),
        "5 together, create network net, start container last"
    );
}

#[test]
fn after_a_failure_nothing_begins_what_runs_ends_what_waits_is_dropped_and_the_failed_step_is_undone()
 {
    let mut plan = Plan::default();
    let broken = start(&mut plan, "broken", &[]);
    start(&mut plan, "quick", &[]);
    let held = plan.add(wait("forever"), Cause::Asked("--wait"), &[]);
    start(&mut plan, "later", &[held]);
    start(&mut plan, "dependent", &[broken]);
    let host = Noting::new();
    let (end, events) = walk_on(&host, &plan, Walk::default());
    let Err(ExecuteError::Failed { failures, cleanup }) = end else {
        panic!("{end:?}");
    };
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].error.to_string(), "cannot do it");
    assert!(cleanup.is_empty());
    assert_eq!(
        host.log(),
        "start container quick, undo start container broken"
    );
    let told = events.iter().any(|event| {
        matches!(&event.what, What::Failed { error } if error == "cannot do it: it is broken")
    });
    assert!(told, "{events:#?}");
}

#[test]
fn everything_can_be_taken_back_the_last_first() {
    let mut plan = Plan::default();
    let a = network(&mut plan, "a", &[]);
    let b = start(&mut plan, "b", &[a]);
    start(&mut plan, "broken", &[b]);
    let host = Noting::new();
    let walk = Walk {
        undo_on_failure: true,
        ..Walk::default()
    };
    walk_on(&host, &plan, walk).0.unwrap_err();
    let undone = "undo start container broken, undo start container b, undo create network a";
    assert_eq!(
        host.log(),
        format!("create network a, start container b, {undone}")
    );
}

#[test]
fn what_cannot_be_taken_back_is_told_and_does_not_keep_the_rest() {
    let mut plan = Plan::default();
    network(&mut plan, "a", &[]);
    start(&mut plan, "sticky", &[]);
    let host = Noting::new();
    let walk = Walk {
        undo_on_failure: true,
        ..Walk::default()
    };
    let Err(ExecuteError::Failed { cleanup, .. }) = walk_on(&host, &plan, walk).0 else {
        panic!("it has to fail");
    };
    assert_eq!(cleanup.len(), 1);
    assert_eq!(cleanup[0].error.to_string(), "it sticks");
    assert!(
        host.log().ends_with("undo create network a"),
        "{}",
        host.log()
    );
}

#[test]
fn an_optional_step_that_fails_is_a_warning_and_the_rest_goes_on() {
    let mut plan = Plan::default();
    let needed_by = vec![ServiceName::new("web").unwrap()];
    let unwell = plan.add_optional(wait("unwell"), Cause::NeededBy(needed_by), &[]);
    start(&mut plan, "web", &[unwell]);
    let host = Noting::new();
    let (end, events) = walk_on(&host, &plan, Walk::default());
    assert!(end.is_ok());
    assert_eq!(host.log(), "start container web");
    let text = "dependency failed to start: container unwell is unhealthy".to_owned();
    assert!(
        events
            .iter()
            .any(|event| event.what == What::Warning { text: text.clone() })
    );
}

#[test]
fn a_condition_that_cannot_hold_fails_the_walk() {
    let mut plan = Plan::default();
    let unwell = plan.add(wait("unwell"), Cause::Asked("--wait"), &[]);
    start(&mut plan, "web", &[unwell]);
    let host = Noting::new();
    let end = walk_on(&host, &plan, Walk::default()).0.unwrap_err();
    assert_eq!(end.to_string(), "container unwell is unhealthy");
    assert_eq!(host.log(), "");
}

#[test]
fn a_deadline_ends_waiting() {
    let mut plan = Plan::default();
    plan.add(wait("forever"), Cause::Asked("--wait"), &[]);
    let deadline = Some(Duration::from_millis(1));
    let end = walk_on(
        &Noting::new(),
        &plan,
        Walk {
            deadline,
            ..Walk::default()
        },
    )
    .0;
    assert_eq!(
        end.unwrap_err().to_string(),
        "application not healthy after 1ms"
    );
}

#[test]
fn a_cancelled_walk_begins_nothing_more_and_lets_what_runs_end() {
    let mut plan = Plan::default();
    let first = start(&mut plan, "first", &[]);
    start(&mut plan, "second", &[first]);
    plan.add(wait("forever"), Cause::Asked("--wait"), &[]);
    let host = Noting::new();
    let cancel = Cancel::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let end = runtime.block_on(async {
        let mut sink = |event: Event| {
            if event.what == What::Starting {
                cancel.cancel();
            }
        };
        execute(&plan, &host, Walk::default(), &cancel, &mut sink).await
    });
    assert!(
        matches!(end, Err(ExecuteError::Cancelled { .. })),
        "{end:?}"
    );
    assert_eq!(host.log(), "start container first");
    let mut sink = |event: Event| panic!("{event:?}");
    let end = runtime.block_on(execute(&plan, &host, Walk::default(), &cancel, &mut sink));
    assert!(
        matches!(end, Err(ExecuteError::Cancelled { .. })),
        "cancelled before it began"
    );
}

#[test]
fn events_tell_each_step_with_its_cause() {
    let mut plan = Plan::default();
    plan.kept.push(container("kept"));
    let net = network(&mut plan, "net", &[]);
    let quick = start(&mut plan, "quick", &[net]);
    plan.add(wait("quick"), Cause::Asked("--wait"), &[quick]);
    let (_, events) = walk_on(&Noting::new(), &plan, Walk::default());
    let lines: Vec<String> = events
        .iter()
        .map(|event| {
            let subject = match &event.subject {
                Subject::Container { name, .. } => name.clone(),
                Subject::Network(name) => name.clone(),
                other => format!("{other:?}"),
            };
            format!("{subject} {:?} {}", event.what, event.cause)
                .trim_end()
                .to_owned()
        })
        .collect();
    assert_eq!(
        lines,
        [
            "kept Running",
            "net Creating none yet",
            "net Created",
            "quick Starting new",
            "quick Started",
            "quick Waiting { condition: \"is healthy\" } --wait",
            "quick Healthy",
        ]
    );
}
