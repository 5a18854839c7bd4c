//! Another process in a running container.
//!
//! Invariants: it is confined as PID 1 is (namespaces, cgroups, capabilities, filter); neither the zygote's nor the
//! supervisor's death ends it; no descriptor of the caller but the pipes made for it gets in.

pub(crate) mod watch;

use crate::runtime::channel::Channel;
use crate::runtime::error::{RuntimeError, StartFailure};
use crate::runtime::spec::{ProcessSpec, Seccomp};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;

const PEER: &str = "exec process";
const PATIENCE: Duration = Duration::from_secs(10);

/// What is executed where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecRequest {
    /// PID 1 of the container, in the host's namespace.
    pub pid: i32,
    /// Its start time, against reuse.
    pub start_time: u64,
    /// `CgroupSpec::path` of the container.
    pub cgroup: String,
    /// The process.
    pub process: ProcessSpec,
    /// Seccomp profile of the container.
    pub seccomp: Seccomp,
    /// The container is privileged (or the exec is).
    pub privileged: bool,
    /// Size of the terminal, rows and columns, if `process.tty`.
    pub terminal: Option<(u16, u16)>,
    /// Kill everything it started when the last holder of the control connection closes it (health probes).
    pub kill_on_hangup: bool,
}

/// To an exec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecCommand {
    /// Send a signal to the process.
    Signal(i32),
    /// Kill it and all it started.
    Kill,
    /// New size of the terminal.
    Resize {
        /// Rows.
        rows: u16,
        /// Columns.
        cols: u16,
    },
}

/// From an exec.
#[derive(Debug)]
pub enum ExecEvent {
    /// It executes the program. With a terminal, its master end is handed over here.
    Started {
        /// PID in the host's namespace.
        pid: i32,
        /// Master end of the terminal; read and write it, set its size.
        terminal: Option<OwnedFd>,
    },
    /// It did not start.
    Failed(StartFailure),
    /// It ended with this code (128 + signal). The connection closes after it.
    Exited {
        /// The exit code.
        code: i32,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WireExecEvent {
    Started { pid: i32, terminal: bool },
    Failed(StartFailure),
    Exited { code: i32 },
}

/// An exec on its way. The control connection may be passed to another process ([`ExecHandle::control`]).
#[derive(Debug)]
pub struct ExecHandle {
    /// Events and commands.
    pub control: ExecControl,
    /// Write end, if `process.stdin` and no terminal.
    pub stdin: Option<OwnedFd>,
    /// Read end, if no terminal.
    pub stdout: Option<OwnedFd>,
    /// Read end, if no terminal.
    pub stderr: Option<OwnedFd>,
}

/// Connection to one exec; poll it for reading, then [`ExecControl::recv`] until `None`.
#[derive(Debug)]
pub struct ExecControl(Channel);

impl AsFd for ExecControl {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl std::os::fd::AsRawFd for ExecControl {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        std::os::fd::AsRawFd::as_raw_fd(&self.0.as_fd())
    }
}

impl ExecControl {
    /// Takes the socket of an exec that another process started.
    pub fn new(socket: OwnedFd) -> Self {
        Self(Channel::new(socket))
    }

    /// The socket, to pass it on before anything was received.
    pub fn into_socket(self) -> OwnedFd {
        self.0.into_socket()
    }

    pub(crate) fn request(
        &self,
        request: &ExecRequest,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), RuntimeError> {
        self.0.send(request, fds, PATIENCE).map_err(link_error)
    }

    /// The next event, `None` if there is none yet. Never blocks.
    ///
    /// # Errors
    /// [`RuntimeError::Closed`] if the process that watches the exec is gone.
    pub fn recv(&mut self) -> Result<Option<ExecEvent>, RuntimeError> {
        match self.0.recv().map_err(link_error)? {
            None => Ok(None),
            Some((event, fds)) => joined(event, fds).map(Some),
        }
    }

    /// The next event, waiting at most `patience` (`None` = for ever): for callers without an event loop.
    pub fn wait(&mut self, patience: Option<Duration>) -> Result<ExecEvent, RuntimeError> {
        let (event, fds) = self.0.wait(patience).map_err(link_error)?;
        joined(event, fds)
    }

    /// Sends a command.
    pub fn send(&self, command: &ExecCommand) -> Result<(), RuntimeError> {
        self.0.send(command, &[], PATIENCE).map_err(link_error)
    }
}

fn joined(event: WireExecEvent, mut fds: Vec<OwnedFd>) -> Result<ExecEvent, RuntimeError> {
    Ok(match event {
        WireExecEvent::Started { pid, terminal } => {
            if terminal == fds.is_empty() {
                return Err(RuntimeError::Protocol {
                    peer: PEER,
                    source: io::Error::other("the terminal is missing"),
                });
            }
            ExecEvent::Started {
                pid,
                terminal: fds.pop(),
            }
        }
        WireExecEvent::Failed(failure) => ExecEvent::Failed(failure),
        WireExecEvent::Exited { code } => ExecEvent::Exited { code },
    })
}

fn link_error(source: io::Error) -> RuntimeError {
    match source.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset => RuntimeError::Closed(PEER),
        io::ErrorKind::InvalidData => RuntimeError::Protocol { peer: PEER, source },
        _ => RuntimeError::Link { peer: PEER, source },
    }
}
