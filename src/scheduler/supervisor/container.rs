//! A container as the rest of the supervisor sees it: what it is, how it does, and where to send commands.

use super::control::{ContainerState, HealthState};
use super::forward;
use super::health::Probe;
use super::launch::Launch;
use super::machine::Command;
use super::native::Seen;
use crate::id::NetworkName;
use crate::network::spec::AttachmentSpec;
use crate::network::spec::PublishedPort;
use crate::runtime::LaunchFds;
use crate::scheduler::execute::HostError;
use crate::state::paths::ContainerPaths;
use crate::state::record::ContainerRecord;
use crate::state::record::LifeRecord;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::IpAddr;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// A container of the project.
pub struct Container {
    /// What was decided at its creation.
    pub record: ContainerRecord<Launch>,
    /// What the ledger has of its life.
    pub life: RefCell<LifeRecord>,
    /// Its folders.
    pub paths: ContainerPaths,
    /// How it does; its machine writes, everybody may wait on it.
    pub status: watch::Sender<Status>,
    /// Addresses and host ports while it has them.
    pub endpoint: RefCell<Option<EndpointRecord>>,
    /// Second copies of what its shim holds open, for a shim in place of it.
    pub kept: RefCell<LaunchFds>,
    /// How far a `LOG` probe has searched.
    pub log_seen: RefCell<Option<Seen>>,
    /// Its log on the way to somebody else.
    pub outlet: Option<forward::Shared>,
    /// Its `post_start` hooks, while they run beside who is attached, and what became of them.
    pub hooks: RefCell<Option<JoinHandle<Result<(), HostError>>>>,
    /// Where its machine listens.
    pub commands: mpsc::UnboundedSender<Command>,
    /// How many wait for its health: probes hurry while somebody does.
    pub waiters: watch::Sender<usize>,
}

/// How a container does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Lifecycle.
    pub phase: Phase,
    /// Verdict of its health check, if it has one and runs.
    pub health: Option<HealthState>,
    /// PID 1 and its start time while it runs.
    pub process: Option<(i32, u64)>,
    /// Exit code of the last run.
    pub exit_code: Option<i32>,
    /// It ended because its control group had no memory left.
    pub oom: bool,
    /// When PID 1 was last started, nanoseconds since the epoch; 0 = never.
    pub started: i64,
    /// When it last ended.
    pub finished: i64,
    /// Its last shim is about to end: until then the writable layer is mounted.
    pub lingers: bool,
    /// What the last health probe that failed said.
    pub complaint: Option<String>,
    /// The last five health probes, oldest first.
    pub probes: VecDeque<Probe>,
    /// How many of them, and of those before, have failed in a row.
    pub failing: u32,
}

impl Status {
    /// Of a container that is known to have no process.
    pub fn at_rest(life: &LifeRecord) -> Self {
        Self {
            phase: if life.started == 0 {
                Phase::Created
            } else {
                Phase::Exited
            },
            started: life.started,
            exit_code: life.exit_code,
            oom: life.oom,
            finished: life.finished,
            ..Self::default()
        }
    }
}

/// Lifecycle of a container. `Starting` ends in `Running`, or falls back to where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Never started.
    #[default]
    Created,
    /// PID 1 is being made.
    Starting,
    /// PID 1 lives.
    Running,
    /// PID 1 lives, frozen.
    Paused,
    /// PID 1 ended, the next start is scheduled.
    Restarting,
    /// PID 1 ended.
    Exited,
}

impl Phase {
    /// In docker's words.
    pub fn state(self) -> ContainerState {
        match self {
            Self::Created | Self::Starting => ContainerState::Created,
            Self::Running => ContainerState::Running,
            Self::Paused => ContainerState::Paused,
            Self::Restarting => ContainerState::Restarting,
            Self::Exited => ContainerState::Exited,
        }
    }
}

/// What a container has of the network while it runs; on the run folder, for an adopter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRecord {
    /// Interfaces and the ports asked for.
    pub attachment: AttachmentSpec,
    /// The host ports it got.
    pub ports: Vec<PublishedPort>,
}

impl EndpointRecord {
    /// The addresses on one network.
    pub fn addresses_on<'a>(
        &'a self,
        network: &'a NetworkName,
    ) -> impl Iterator<Item = IpAddr> + 'a {
        let on_it = self
            .attachment
            .interfaces
            .iter()
            .filter(move |i| i.network == *network);
        on_it.flat_map(|i| i.addresses())
    }
}

impl Container {
    /// Sends a command to the machine and waits for its word.
    pub async fn ask(&self, command: impl FnOnce(Answer) -> Command) -> Result<(), HostError> {
        let (answer, word) = oneshot::channel();
        let gone = || HostError::new(format!("container `{}` is gone", self.record.name));
        self.commands.send(command(answer)).map_err(|_| gone())?;
        word.await.map_err(|_| gone())?
    }

    /// Waits until its status is such, and gives it. Ends also when the machine does.
    pub async fn until(&self, such: impl FnMut(&Status) -> bool) -> Status {
        let mut status = self.status.subscribe();
        let found = status.wait_for(such).await.map(|s| s.clone());
        found.unwrap_or_else(|_| self.status.borrow().clone())
    }

    /// Whether PID 1 lives and is not frozen.
    pub fn is_running(&self) -> bool {
        self.status.borrow().phase == Phase::Running
    }

    /// Whether PID 1 lives.
    pub fn lives(&self) -> bool {
        matches!(self.status.borrow().phase, Phase::Running | Phase::Paused)
    }

    /// Made by `run`, outside the service's replicas.
    pub fn is_one_off(&self) -> bool {
        self.record.number == 0
    }
}

/// How a machine answers a command.
pub type Answer = oneshot::Sender<Result<(), HostError>>;

/// Counts as a waiter for health as long as it lives.
pub struct Waiting<'a>(&'a Container);

impl<'a> Waiting<'a> {
    /// One more waits.
    pub fn for_health_of(container: &'a Container) -> Self {
        container.waiters.send_modify(|n| *n += 1);
        Self(container)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiters.send_modify(|n| *n -= 1);
    }
}
