//! `run`, and what else brings up one container and stays with it.

use super::connection::Call;
use super::session::Session;
use super::up::unexpected;
use super::{Engine, Error, providers};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{Attached, Reply, Request, Run};
use crate::state::event::Event;
use std::os::fd::BorrowedFd;

/// What became of a run.
#[derive(Debug)]
pub enum RunReply {
    /// It runs in the background.
    Started(Attached),
    /// It runs, and these are its streams.
    Attached(Attached, Session),
    /// It was created and not started.
    Created,
    /// A dry run: the plan, one line a node; nothing has changed.
    Plan(String),
}

/// Brings up what the container needs, then the container. Readability of `cancel` stops what has not begun yet.
pub fn run(
    engine: &Engine,
    project: &ProjectName,
    mut request: Run,
    on_event: &mut dyn FnMut(&Event),
    cancel: Option<BorrowedFd<'_>>,
) -> Result<RunReply, Error> {
    providers::bring_up(project, &mut request.up, on_event)?;
    let call = Call {
        engine,
        project,
        request: Request::Run(Box::new(request)),
        cancel,
    };
    let (answer, channel) = call.open(on_event)?;
    match answer.reply {
        Reply::Plan(text) => Ok(RunReply::Plan(text)),
        Reply::Done => Ok(RunReply::Created),
        Reply::Attached(attached) if answer.fds.is_empty() => Ok(RunReply::Started(attached)),
        Reply::Attached(attached) => {
            let session = Session::attached(engine, project, &attached, answer.fds, channel)?;
            Ok(RunReply::Attached(attached, session))
        }
        other => Err(unexpected(&other)),
    }
}
