//! A process whose streams are ours: one that `exec` started, or PID 1 of a container that we are attached to.
//!
//! Its streams go past the supervisor, so they survive it. What it does not survive is asked of its successor.

use super::connection::{Call, second};
use super::exec::not_started;
use super::up::unexpected;
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{
    Attached, Channel, ExecCommand, ExecControl, ExecEvent, Failure, Reply, Request, Signal,
    TerminalSize, WaitFor,
};
use crate::state::event::{Subject, What};
use crate::state::journal;
use rustix::pipe::PipeFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, channel};

/// A process and its streams.
#[derive(Debug)]
pub struct Session {
    /// Write end, if stdin was asked for (without a terminal).
    pub stdin: Option<OwnedFd>,
    /// Read end (without a terminal).
    pub stdout: Option<OwnedFd>,
    /// Read end (without a terminal).
    pub stderr: Option<OwnedFd>,
    /// The terminal: read and write it.
    pub terminal: Option<OwnedFd>,
    /// Everything it writes comes, up to the end of each stream; otherwise what is in the streams when it ends is all.
    pub lossless: bool,
    pub(super) control: Control,
}

/// How a session is talked about with who watches the process.
#[derive(Debug)]
pub(super) enum Control {
    Exec(ExecControl),
    Container(Container),
}

/// A container that is attached to.
#[derive(Debug)]
pub(super) struct Container {
    engine: Engine,
    project: ProjectName,
    id: String,
    /// Readable (closed) when the answer is there.
    bell: OwnedFd,
    answer: Receiver<Result<i32, Error>>,
}

/// What happens to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// It ended, with this code.
    Exited(i32),
}

impl Session {
    /// Of an answer to `run` or `attach`, whose second answer comes through `channel`.
    pub(super) fn attached(
        engine: &Engine,
        project: &ProjectName,
        attached: &Attached,
        fds: Vec<OwnedFd>,
        channel: Channel,
    ) -> Result<Self, Error> {
        let mut fds = fds.into_iter();
        let terminal = if attached.terminal { fds.next() } else { None };
        Ok(Self {
            terminal,
            stdin: if attached.stdin { fds.next() } else { None },
            stdout: fds.next(),
            stderr: fds.next(),
            lossless: attached.lossless,
            control: Control::Container(Container::watch(
                engine.clone(),
                project.clone(),
                attached.container.clone(),
                channel,
            )?),
        })
    }

    /// Readable when [`Self::next_event`] has news.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.control {
            Control::Exec(control) => control.as_fd(),
            Control::Container(container) => container.bell.as_fd(),
        }
    }

    /// What has happened since; never blocks.
    pub fn next_event(&mut self) -> Result<Option<SessionEvent>, Error> {
        let control = match &mut self.control {
            Control::Exec(control) => control,
            Control::Container(container) => {
                let code = container.answer.try_recv().ok().transpose()?;
                return Ok(code.map(SessionEvent::Exited));
            }
        };
        match control.recv().map_err(lost)? {
            Some(ExecEvent::Exited { code }) => Ok(Some(SessionEvent::Exited(code))),
            Some(ExecEvent::Failed(failure)) => {
                Err(not_started(&failure.to_string(), failure.code).into())
            }
            Some(ExecEvent::Started { .. }) | None => Ok(None),
        }
    }

    /// The terminal has another size now.
    pub fn resize(&mut self, rows: u16, cols: u16) -> Result<(), Error> {
        match &self.control {
            Control::Exec(control) => control
                .send(&ExecCommand::Resize { rows, cols })
                .map_err(|e| lost(e).into()),
            Control::Container(it) => it.ask(Request::Resize(TerminalSize {
                container: it.id.clone(),
                rows,
                cols,
            })),
        }
    }

    /// Sends a signal to the process.
    pub fn signal(&mut self, signal: i32) -> Result<(), Error> {
        match &self.control {
            Control::Exec(control) => control
                .send(&ExecCommand::Signal(signal))
                .map_err(|e| lost(e).into()),
            Control::Container(it) => it.ask(Request::Signal(Signal {
                container: it.id.clone(),
                signal,
            })),
        }
    }
}

impl Container {
    /// Waits for the end in a thread of its own.
    fn watch(
        engine: Engine,
        project: ProjectName,
        id: String,
        mut from: Channel,
    ) -> Result<Self, Error> {
        let failed = Error::io("make a pipe to", "the supervisor's thread");
        let (bell, ringer) =
            rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|e| failed(e.into()))?;
        let (sender, answer) = channel();
        let me = (engine.clone(), project.clone(), id.clone());
        std::thread::spawn(move || {
            let (engine, project, id) = me;
            let _ = sender.send(end(&engine, &project, &id, &mut from));
            drop(ringer);
        });
        Ok(Self {
            engine,
            project,
            id,
            bell,
            answer,
        })
    }

    fn ask(&self, request: Request) -> Result<(), Error> {
        Call {
            engine: &self.engine,
            project: &self.project,
            request,
            cancel: None,
        }
        .run(&mut |_| ())
        .map(drop)
    }
}

/// The exit code of a container: from whom we are connected with, from its successor, or from what is written.
fn end(
    engine: &Engine,
    project: &ProjectName,
    id: &str,
    channel: &mut Channel,
) -> Result<i32, Error> {
    if let Some(reply) = second(channel)? {
        return code(reply);
    }
    let call = Call {
        engine,
        project,
        request: Request::WaitFor(WaitFor {
            container: id.to_owned(),
        }),
        cancel: None,
    };
    match call.run(&mut |_| ()) {
        Ok(answer) => code(answer.reply),
        // Removed by its own wish before we could ask again.
        Err(error) => written(engine, project, id).ok_or(error),
    }
}

fn code(reply: Reply) -> Result<i32, Error> {
    match &reply {
        Reply::Exits(exits) if !exits.is_empty() => Ok(exits[0].1),
        other => Err(unexpected(other)),
    }
}

fn written(engine: &Engine, project: &ProjectName, id: &str) -> Option<i32> {
    let mut journal = journal::Reader::at_start(&engine.paths.project(project).journal());
    let events = journal.read().ok()?.into_iter().rev();
    let mut codes = events.filter_map(|event| match (event.subject, event.what) {
        (Subject::Container { id: of, .. }, What::Exited { code, .. }) if of == id => Some(code),
        _ => None,
    });
    codes.next()
}

pub(super) fn lost(error: impl std::error::Error + 'static) -> Failure {
    let mut failure = Failure::new(&error);
    failure.causes.insert(0, failure.message);
    failure.message = "lost the process that was started in the container".to_owned();
    failure.with_code(125)
}
