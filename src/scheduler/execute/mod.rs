//! Walks a plan: every step as soon as the steps before it are done, at most so many at once.
//!
//! When a step fails, nothing further begins, what waits is dropped, what runs is let finish, and the failed step is
//! taken back, so that nothing half made stays. Steps that succeeded stay, as with docker compose: a stack of which one
//! service fails can be looked at (`ps`, `logs`), and running the command again goes on from there. With
//! [`Walk::undo_on_failure`] everything the walk made is taken back, last first. What was stopped or removed is not
//! brought back. An optional step that fails is a warning, and what comes after it goes on.
//!
//! Invariants: a step begins only when all steps before it are done; the executor makes no choice that the plan did not
//! make; on one plan and one host no step is performed twice.

mod pool;
mod report;
mod walker;

use self::report::Report;
pub(in crate::scheduler) use self::report::chain;
use self::walker::Ending;
use self::walker::Walker;
use super::action::Action;
use super::action::ContainerRef;
use super::action::Kind;
use super::plan::Plan;
use crate::compose::model::Condition;
use crate::state::event::Event;
use std::time::Duration;

/// What performs actions: the real one is `scheduler::host`, tests have a simulated one.
#[expect(
    async_fn_in_trait,
    reason = "everything runs on one thread, no future need be Send"
)]
pub trait Host {
    /// Performs one action (never one that waits or counts). Performing it again does no harm.
    async fn perform(&self, action: &Action) -> Result<(), HostError>;

    /// Takes back what `action` made, also if it was made in part only, or not at all.
    async fn undo(&self, action: &Action) -> Result<(), HostError> {
        match action.inverse() {
            Some(inverse) => self.perform(&inverse).await,
            None => Ok(()),
        }
    }

    /// Waits until `condition` holds for all of `containers`, or cannot hold any more. Dropped when nobody wants to
    /// know any longer.
    async fn wait(
        &self,
        containers: &[ContainerRef],
        condition: Condition,
    ) -> Result<WaitOutcome, HostError>;

    /// Of which of `containers` the condition does not hold yet, in words, with what they have said.
    fn unmet(&self, containers: &[ContainerRef], condition: Condition) -> Vec<String> {
        let _ = (containers, condition);
        Vec::new()
    }

    /// Looks for so long whether `container` stays up.
    async fn watch(
        &self,
        container: &ContainerRef,
        duration: Duration,
    ) -> Result<WaitOutcome, HostError>;

    /// Whether it wants the ready actions of a kind together, in one [`Host::perform_all`].
    fn batches(&self, kind: Kind) -> bool {
        let _ = kind;
        false
    }

    /// Performs several independent actions of one kind; one result each, in order.
    async fn perform_all(&self, actions: &[&Action]) -> Vec<Result<(), HostError>> {
        let mut results = Vec::with_capacity(actions.len());
        for action in actions {
            results.push(self.perform(action).await);
        }
        results
    }
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitOutcome {
    /// The condition holds.
    Met,
    /// It cannot hold; the text says why, e.g. `container app-db-1 is unhealthy`.
    Unmet(String),
}

/// Why an action failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    /// What happened to which thing.
    pub message: String,
    /// What can be typed to get on.
    pub hint: Option<String>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl HostError {
    /// An error of this text, with no cause.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// An error of this text, caused by `source`.
    pub fn because(
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            message: message.into(),
            hint: None,
            source: Some(source.into()),
        }
    }

    /// With something to type.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The hint, if there is one.
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// How to walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    /// At most this many actions at once; waiting does not count.
    pub parallel: usize,
    /// When it ends early, take back everything this walk made, not only the step that failed.
    pub undo_on_failure: bool,
    /// Give up waiting after this time (`--wait-timeout`).
    pub deadline: Option<Duration>,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            parallel: 64,
            undo_on_failure: false,
            deadline: None,
        }
    }
}

/// Asks a walk to end early. Clones are one token.
#[derive(Debug, Clone)]
pub struct Cancel(tokio::sync::watch::Sender<bool>);

impl Default for Cancel {
    fn default() -> Self {
        Self(tokio::sync::watch::channel(false).0)
    }
}

impl Cancel {
    /// Begins nothing more; what runs is let finish, what waits is dropped.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Whether somebody asked.
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Until somebody asks.
    pub async fn cancelled(&self) {
        // The sender is ours, so the channel cannot close while we wait.
        let _ = self.0.subscribe().wait_for(|asked| *asked).await;
    }
}

/// Why a walk did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// Actions failed.
    #[error("{}", failures.first().map_or_else(String::new, |f| f.error.to_string()))]
    Failed {
        /// What failed, in the order it happened; at least one.
        failures: Vec<Failure>,
        /// What could not be taken back.
        cleanup: Vec<Failure>,
    },
    /// It was asked to end early.
    #[error("cancelled")]
    Cancelled {
        /// What could not be taken back.
        cleanup: Vec<Failure>,
    },
    /// It waited too long.
    #[error("application not healthy after {limit:?}{}", listed(late))]
    Deadline {
        /// The limit.
        limit: Duration,
        /// What it waited for, in words.
        late: Vec<String>,
        /// What could not be taken back.
        cleanup: Vec<Failure>,
    },
}

fn listed(late: &[String]) -> String {
    late.iter().map(|what| format!("\n  {what}")).collect()
}

/// One action that failed.
#[derive(Debug)]
pub struct Failure {
    /// Which.
    pub action: Action,
    /// Why.
    pub error: HostError,
}

/// Performs `plan` on `host`; tells `sink` what happens.
pub async fn execute<H: Host>(
    plan: &Plan,
    host: &H,
    walk: Walk,
    cancel: &Cancel,
    sink: &mut dyn FnMut(Event),
) -> Result<(), ExecuteError> {
    let mut report = Report::new(sink);
    for container in &plan.kept {
        report.kept(container);
    }
    let mut walker = Walker::new(plan, host, report);
    let end = walker.run(walk, cancel).await;
    let cleanup = walker.take_back(walk.undo_on_failure && end.is_err()).await;
    match end {
        Ok(()) => Ok(()),
        Err(Ending::Failed(failures)) => Err(ExecuteError::Failed { failures, cleanup }),
        Err(Ending::Cancelled) => Err(ExecuteError::Cancelled { cleanup }),
        Err(Ending::Deadline { limit, late }) => Err(ExecuteError::Deadline {
            limit,
            late,
            cleanup,
        }),
    }
}
