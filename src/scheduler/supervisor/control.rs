//! The words between a command and its project's supervisor: messages over a unix stream socket.
//!
//! A connection carries one [`Request`]. The answer is any number of [`Frame::Event`]s and one [`Frame::Reply`] or
//! [`Frame::Error`]; descriptors (of an exec) travel with the reply. A client that goes away cancels nothing. A
//! [`Reply::Attached`] is followed by a second reply, [`Reply::Exits`], once the container has ended.

mod probe;
mod single;
mod verbs;

use crate::id::ProjectName;
use crate::id::ServiceName;
use crate::state::event::Event;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use self::probe::ProbeSummary;
pub use self::single::{
    Attach, Attached, OneOff, Place, Processes, Root, Run, Signal, TerminalSize, Usage, WaitFor,
};
pub use self::verbs::{Exec, Kill, Remove};
pub use crate::runtime::channel::Channel;
pub use crate::runtime::exec::{ExecCommand, ExecControl, ExecEvent};

/// What a client says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// First: what it wants, and which version it is of.
    Request {
        /// Its version.
        version: String,
        /// What it wants.
        request: Request,
    },
    /// Later, perhaps: that it wants it no more.
    Cancel,
}

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Is anybody there, and of which version?
    Ping,
    /// Bring the project (or some of it) up.
    Up(Up),
    /// Take it down.
    Down(Down),
    /// Stop containers, keep them.
    Stop(Select),
    /// Start existing containers.
    Start(Start),
    /// Stop and start containers.
    Restart(Select),
    /// Send a signal.
    Kill(Kill),
    /// Remove stopped containers.
    Remove(Remove),
    /// List containers.
    Ps,
    /// Run a command inside a container.
    Exec(Exec),
    /// Block until containers have exited.
    Wait(Select),
    /// Bring up one container, with all it needs, and attach to it.
    Run(Box<Run>),
    /// Attach to a running container.
    Attach(Attach),
    /// Block until one container has exited.
    WaitFor(WaitFor),
    /// Send a signal to PID 1 of one container.
    Signal(Signal),
    /// Set the size of a container's terminal.
    Resize(TerminalSize),
    /// Freeze containers.
    Pause(Select),
    /// Let them go on.
    Unpause(Select),
    /// What containers use.
    Usage(Select),
    /// What runs in containers.
    Processes(Select),
    /// The file system of a container, by descriptor.
    Root(Place),
}

/// `up`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Up {
    /// The project as `compose::Canonical::text` wrote it.
    pub canonical: String,
    /// Named services; empty = all.
    pub services: Vec<ServiceName>,
    /// Wait until running and healthy (one-shot dependencies: completed).
    pub wait: bool,
    /// Limit of that wait.
    pub wait_timeout: Option<Duration>,
    /// Answer with the plan, change nothing.
    pub dry_run: bool,
    /// Replicas by service, over the file.
    pub scale: BTreeMap<ServiceName, u32>,
    /// Recreate even what has not changed.
    pub force_recreate: bool,
    /// Never recreate.
    pub no_recreate: bool,
    /// Recreate dependencies of named services, too.
    pub always_recreate_deps: bool,
    /// Remove containers of services that are no longer in the file.
    pub remove_orphans: bool,
    /// Say nothing of such containers.
    #[serde(default)]
    pub ignore_orphans: bool,
    /// Leave dependencies alone.
    pub no_deps: bool,
    /// Create, do not start.
    pub no_start: bool,
    /// New anonymous volumes for recreated containers.
    pub renew_anonymous_volumes: bool,
    /// Make named volumes whose configuration has changed anew; what is in them is lost.
    #[serde(default)]
    pub renew_volumes: bool,
    /// Grace period over the file's.
    pub timeout: Option<Duration>,
    /// Concurrent actions; `None` = no limit.
    pub parallel: Option<usize>,
    /// Names with `_` as the first docker-compose made them.
    #[serde(default)]
    pub compatibility: bool,
}

/// `down`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Down {
    /// Named services; empty = all, and networks.
    pub services: Vec<ServiceName>,
    /// Remove named and anonymous volumes (`-v`).
    pub volumes: bool,
    /// Remove containers of unknown services, too.
    pub remove_orphans: bool,
    /// Services the file knows (selected or not); `None` = no file was read, everything is ours.
    pub known: Option<Vec<ServiceName>>,
    /// Grace period over the containers' own.
    pub timeout: Option<Duration>,
    /// Keep the logs of what is removed.
    #[serde(default)]
    pub keep_logs: bool,
    /// Answer with the plan, change nothing.
    pub dry_run: bool,
}

/// Which containers, and how long they may take.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Select {
    /// Named services; empty = all.
    pub services: Vec<ServiceName>,
    /// Grace period over the containers' own.
    pub timeout: Option<Duration>,
    /// Leave dependents alone (`restart --no-deps`).
    pub no_deps: bool,
    /// Only these, by full id; empty = all of the services.
    #[serde(default)]
    pub containers: Vec<String>,
    /// The machine goes down: what is stopped runs again after the next boot, if its restart policy says so.
    #[serde(default)]
    pub halt: bool,
    /// Answer with the plan, change nothing.
    pub dry_run: bool,
}

/// `start`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Start {
    /// Named services; empty = all.
    pub services: Vec<ServiceName>,
    /// Only these, by full id; empty = all of the services.
    #[serde(default)]
    pub containers: Vec<String>,
    /// Wait until running and healthy.
    pub wait: bool,
    /// Limit of that wait.
    pub wait_timeout: Option<Duration>,
    /// The machine has come up: only what its restart policy brings back.
    #[serde(default)]
    pub boot: bool,
    /// Answer with the plan, change nothing.
    pub dry_run: bool,
}

/// What the supervisor says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// Progress.
    Event(Event),
    /// The end, well.
    Reply(Reply),
    /// The end, badly.
    Error(Failure),
}

/// A failed request, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What happened, to which thing.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What to type.
    pub hint: Option<String>,
    /// Exit code for the command (1, 125, 126, 127, …).
    pub code: u8,
}

impl Failure {
    /// An error of the operation (exit code 1) with the chain of its causes.
    pub fn new(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Self {
            message: error.to_string(),
            causes,
            hint: None,
            code: 1,
        }
    }

    /// An error in words, exit code 1.
    pub fn text(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            code: 1,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with another exit code.
    #[must_use]
    pub fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }
}

/// The end of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Answer to [`Request::Ping`].
    Pong {
        /// The supervisor's version.
        version: String,
        /// Its process.
        pid: i32,
    },
    /// The verb is done.
    Done,
    /// The plan of a dry run, one line a node.
    Plan(String),
    /// Answer to [`Request::Ps`].
    Containers(Vec<ContainerSummary>),
    /// Answer to [`Request::Exec`]; descriptors: control, then the pty master, or stdin (if open), stdout, stderr.
    Exec,
    /// Answer to [`Request::Wait`], and the end of an attachment: container name and exit code.
    Exits(Vec<(String, i32)>),
    /// Answer to [`Request::Run`] and [`Request::Attach`]; descriptors: the terminal's socket, or stdin (if open), stdout,
    /// stderr; none if it was not asked for.
    Attached(Attached),
    /// Answer to [`Request::Usage`].
    Usage(Vec<Usage>),
    /// Answer to [`Request::Processes`].
    Processes(Vec<Processes>),
    /// Answer to [`Request::Root`]; descriptors: the root folder, then one a mount.
    Root(Root),
}

/// A container as tables show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSummary {
    /// Full id.
    pub id: String,
    /// `project-service-1`.
    pub name: String,
    /// Its project.
    pub project: ProjectName,
    /// Its service.
    pub service: String,
    /// Replica number.
    pub number: u32,
    /// Image reference as written.
    pub image: String,
    /// Argument vector of PID 1, entrypoint first.
    pub command: Vec<String>,
    /// Nanoseconds since the epoch.
    pub created: i64,
    /// When PID 1 was last started, nanoseconds since the epoch; 0 = never.
    pub started: i64,
    /// When PID 1 last ended, nanoseconds since the epoch; 0 = never.
    pub finished: i64,
    /// Lifecycle.
    pub state: ContainerState,
    /// Health, if it has a check.
    pub health: Option<HealthState>,
    /// Its last five probes, oldest first.
    #[serde(default)]
    pub probes: Vec<ProbeSummary>,
    /// How many probes have failed in a row.
    #[serde(default)]
    pub failing: u32,
    /// How often it was started again since a user started it.
    #[serde(default)]
    pub restarts: u32,
    /// Exit code of the last run; `None` while running, or if nobody could know it.
    pub exit_code: Option<i32>,
    /// That was because its control group had no memory left.
    #[serde(default)]
    pub oom: bool,
    /// PID 1 in the host's namespace while running.
    pub pid: Option<i32>,
    /// Published ports.
    pub ports: Vec<PortSummary>,
    /// Ports the image or file exposes without publishing, `80/tcp`.
    pub exposed: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// OCI annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Network names and the container's addresses on them.
    pub networks: Vec<(String, String)>,
    /// Named and anonymous volumes and bind sources.
    pub mounts: Vec<String>,
    /// Where its log segments are.
    pub log_dir: PathBuf,
    /// They are for who is there: nobody keeps them.
    #[serde(default)]
    pub unlogged: bool,
    /// Whether attached `up` shows it.
    pub attach: bool,
}

/// Lifecycle of a container, docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    /// Never started.
    Created,
    /// PID 1 lives.
    Running,
    /// Frozen.
    Paused,
    /// PID 1 ended; a restart is due.
    Restarting,
    /// PID 1 ended.
    Exited,
    /// It could not be removed.
    Dead,
}

/// Health of a container, docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    /// No verdict yet.
    Starting,
    /// The last probe passed.
    Healthy,
    /// Too many probes failed in a row.
    Unhealthy,
}

/// A published port as tables show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSummary {
    /// Host address: `0.0.0.0` and `::` are two entries.
    pub host_ip: String,
    /// Host port.
    pub published: u16,
    /// Container port.
    pub target: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}
