//! `exec`.

use super::connection::Call;
use super::up::unexpected;
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control;
use crate::scheduler::supervisor::control::{
    Exec, ExecCommand, ExecControl, Failure, Reply, Request,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A process running in a container. It does not depend on the supervisor any longer.
#[derive(Debug)]
pub struct ExecSession {
    /// Write end, if stdin was asked for (without a terminal).
    pub stdin: Option<OwnedFd>,
    /// Read end (without a terminal).
    pub stdout: Option<OwnedFd>,
    /// Read end (without a terminal).
    pub stderr: Option<OwnedFd>,
    /// Master end of the terminal.
    pub pty: Option<OwnedFd>,
    control: ExecControl,
}

/// What happens to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecEvent {
    /// It ended, with this code.
    Exited(i32),
}

/// Starts a process; returns once it executes the program.
pub fn exec(engine: &Engine, project: &ProjectName, request: Exec) -> Result<ExecSession, Error> {
    let (tty, stdin) = (request.tty.is_some(), request.stdin);
    let answer = Call {
        engine,
        project,
        request: Request::Exec(request),
        cancel: None,
    }
    .run(&mut |_| ())?;
    if answer.reply != Reply::Exec {
        return Err(unexpected(&answer.reply));
    }
    let mut fds = answer.fds.into_iter();
    let missing = || Failure::text("the supervisor sent no streams with its answer");
    let mut session = ExecSession {
        control: ExecControl::new(fds.next().ok_or_else(missing)?),
        stdin: if stdin && !tty { fds.next() } else { None },
        stdout: fds.next(),
        stderr: fds.next(),
        pty: None,
    };
    match session.control.wait(None).map_err(lost)? {
        control::ExecEvent::Started { terminal, .. } => session.pty = terminal,
        control::ExecEvent::Failed(failure) => {
            return Err(not_started(&failure.to_string(), failure.code).into());
        }
        control::ExecEvent::Exited { code } => {
            return Err(not_started("it ended before it began", code).into());
        }
    }
    Ok(session)
}

impl ExecSession {
    /// Readable when [`Self::next_event`] has news.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// What has happened since; never blocks.
    pub fn next_event(&mut self) -> Result<Option<ExecEvent>, Error> {
        match self.control.recv().map_err(lost)? {
            Some(control::ExecEvent::Exited { code }) => Ok(Some(ExecEvent::Exited(code))),
            Some(control::ExecEvent::Failed(failure)) => {
                Err(not_started(&failure.to_string(), failure.code).into())
            }
            Some(control::ExecEvent::Started { .. }) | None => Ok(None),
        }
    }

    /// The terminal has another size now.
    pub fn resize(&mut self, rows: u16, cols: u16) -> Result<(), Error> {
        self.control
            .send(&ExecCommand::Resize { rows, cols })
            .map_err(|e| lost(e).into())
    }

    /// Sends a signal to the process.
    pub fn signal(&mut self, signal: i32) -> Result<(), Error> {
        self.control
            .send(&ExecCommand::Signal(signal))
            .map_err(|e| lost(e).into())
    }
}

fn lost(error: impl std::error::Error + 'static) -> Failure {
    let mut failure = Failure::new(&error);
    failure.causes.insert(0, failure.message);
    failure.message = "lost the process that was started in the container".to_owned();
    failure.with_code(125)
}

fn not_started(message: &str, code: i32) -> Failure {
    Failure::text(message).with_code(u8::try_from(code).unwrap_or(125))
}
