//! What a supervisor and a shim say to each other.

use super::kept::Manifest;
use crate::runtime::error::StartFailure;
use crate::runtime::identity::Identity;
use crate::runtime::spec::ContainerSpec;
use rustix::fd::OwnedFd;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything a shim needs; sent once, kept by it for restarts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaunchRequest {
    /// Existing folder (0700) on a tmpfs: `out err shim.sock pid.json exit.json` are made in it.
    pub run_dir: PathBuf,
    /// Existing folder for the log's segments.
    pub log_dir: PathBuf,
    /// How much log is kept.
    pub log_limits: LogLimits,
    /// The container.
    pub spec: ContainerSpec,
    /// Do not start it yet: wait for [`ShimCommand::Start`] (so that somebody can attach before the first output).
    pub hold: bool,
    /// Size of the terminal at start, if `spec.process.tty`.
    pub terminal: Option<(u16, u16)>,
    /// Start a supervisor when ours dies.
    pub watchdog: Option<Watchdog>,
}

/// How much log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLimits {
    /// A segment is closed when it is longer, bytes.
    pub segment: u64,
    /// Segments kept.
    pub segments: u32,
    /// When the log cannot be written, the container waits; otherwise its output is dropped, and the log says so later.
    #[serde(default)]
    pub blocking: bool,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            segment: 64 << 20,
            segments: 3,
            blocking: false,
        }
    }
}

/// How a shim brings a supervisor back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watchdog {
    /// The file a supervisor holds a `flock` on for life.
    pub supervisor_lock: PathBuf,
    /// Its arguments after `argv[0]`, which is `hoist-supervisor`. The locked descriptor's number is in the environment
    /// as `HOIST_LOCK_FD`.
    pub supervisor_args: Vec<String>,
    /// Its environment, `KEY=value` (our helper processes have an empty one of their own).
    pub supervisor_env: Vec<String>,
}

/// Descriptors handed to a shim.
#[derive(Debug, Default)]
pub struct LaunchFds {
    /// The namespace for [`NetworkNs::Given`](crate::runtime::spec::NetworkNs::Given).
    pub netns: Option<OwnedFd>,
    /// Kept open and given to whoever adopts: DNS sockets, reserved ports. Names are the caller's.
    pub keep: Vec<(String, OwnedFd)>,
    /// Listeners served by [`Hooks::proxy`](crate::runtime::Hooks) in a process that is made when the first client comes.
    pub proxies: Vec<Proxy>,
}

/// A listening (TCP) or bound (UDP) socket that is proxied.
#[derive(Debug)]
pub struct Proxy {
    /// The socket.
    pub listener: OwnedFd,
    /// TCP or UDP.
    pub tcp: bool,
    /// Where its clients want to go.
    pub target: SocketAddr,
}

/// Supervisor to shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShimCommand {
    /// Create and start the container (again, after `Exited` or `Failed`, in the same network namespace).
    Start,
    /// Send a signal to PID 1, or to every process of the container.
    Signal {
        /// Signal number.
        signal: i32,
        /// Every process.
        all: bool,
    },
    /// New size of the terminal.
    Resize {
        /// Rows.
        rows: u16,
        /// Columns.
        cols: u16,
    },
    /// Ask for [`ShimEvent::Attached`].
    Attach {
        /// When the client closes its end of stdin, the container sees the end of input (without terminal).
        close_stdin: bool,
        /// The container waits while the client does not keep up; otherwise the client loses output.
        lossless: bool,
    },
    /// These are its published ports from now on: descriptors called [`PORT`](super::kept::PORT), and proxies.
    Ports(Manifest),
    /// Kill what is left of the container, remove its cgroup and our files, and exit.
    Release,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code; 128 + signal if a signal ended it; -1 if nobody knows: its shim was killed, and the kernel (< 6.15)
    /// does not tell others.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The kernel killed a process of it for lack of memory.
    pub oom: bool,
    /// Nanoseconds since 1970.
    pub time: i64,
    /// How long it ran, by a clock that nobody sets; `None` if nobody was there.
    #[serde(default)]
    pub ran: Option<Duration>,
}

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShimState {
    /// Not started yet (`hold`).
    Held,
    /// PID 1 runs.
    Running,
    /// PID 1 ended; waiting for `Start` or `Release`.
    Exited,
    /// It did not start; waiting for `Start` or `Release`.
    Failed,
}

/// What a shim knows, told to an adopter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimStatus {
    /// The shim's own PID.
    pub shim: i32,
    /// Where the container is in its life.
    pub state: ShimState,
    /// PID 1 and its start time, while running.
    pub pid: Option<(i32, u64)>,
    /// How it last ended.
    pub exit: Option<Exit>,
    /// Why it did not start.
    pub failure: Option<StartFailure>,
}

/// Shim to supervisor.
#[derive(Debug)]
pub enum ShimEvent {
    /// First event after [`ShimLink::connect`](crate::runtime::ShimLink::connect).
    Hello {
        /// What the shim knows.
        status: ShimStatus,
        /// Duplicates of the descriptors it keeps.
        kept: LaunchFds,
    },
    /// What the shim holds of the container's streams from now on, for a shim that may have to take over.
    Streams(Vec<(String, OwnedFd)>),
    /// PID 1 executes the user's program.
    Started {
        /// PID in the host's namespace.
        pid: i32,
        /// `/proc/PID/stat` field 22.
        start_time: u64,
    },
    /// It did not start.
    Failed(StartFailure),
    /// PID 1 ended; `exit.json` is in place and all its output is in the log.
    Exited(Exit),
    /// Nothing is left of it but the mount of its writable layer, which goes with the shim.
    Released,
    /// Answer to [`ShimCommand::Attach`].
    Attached(Attachment),
}

/// The streams of a container, to be read and written by a client.
#[derive(Debug)]
pub enum Attachment {
    /// One bidirectional stream socket: what is written is typed, what is read is what the terminal shows.
    Terminal(OwnedFd),
    /// Pipes. A reader that is slow loses output here (never in the log), unless it asked for all of it.
    Pipes {
        /// Write end of stdin, if the container has `stdin`.
        stdin: Option<OwnedFd>,
        /// Read end: copy of standard output from now on.
        stdout: OwnedFd,
        /// Read end: copy of standard error from now on.
        stderr: OwnedFd,
    },
}

/// [`ShimEvent`] as it is on the wire; the descriptors travel beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WireEvent {
    Hello { status: ShimStatus, kept: Manifest },
    Streams(Manifest),
    Started { pid: i32, start_time: u64 },
    Failed(StartFailure),
    Exited(Exit),
    Released,
    Attached { terminal: bool, stdin: bool },
}

/// [`LaunchRequest`] with the meaning of its descriptors.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WireLaunch {
    pub request: LaunchRequest,
    pub fds: Manifest,
    /// PID 1 of a container that lost its shim.
    pub orphan: Option<Identity>,
}

impl WireEvent {
    /// Joins an event with its descriptors; `None` if they do not fit.
    pub(crate) fn join(self, fds: Vec<OwnedFd>) -> Option<ShimEvent> {
        let mut fds = match self {
            Self::Hello { status, kept } => {
                let kept = kept.claim(fds)?;
                return Some(ShimEvent::Hello { status, kept });
            }
            Self::Streams(names) => return Some(ShimEvent::Streams(names.claim(fds)?.keep)),
            _ => fds.into_iter(),
        };
        Some(match self {
            Self::Started { pid, start_time } => ShimEvent::Started { pid, start_time },
            Self::Failed(failure) => ShimEvent::Failed(failure),
            Self::Exited(exit) => ShimEvent::Exited(exit),
            Self::Released => ShimEvent::Released,
            Self::Attached { terminal: true, .. } => {
                ShimEvent::Attached(Attachment::Terminal(fds.next()?))
            }
            Self::Hello { .. } | Self::Streams(_) => return None,
            Self::Attached { stdin, .. } => ShimEvent::Attached(Attachment::Pipes {
                stdin: if stdin { Some(fds.next()?) } else { None },
                stdout: fds.next()?,
                stderr: fds.next()?,
            }),
        })
    }
}
