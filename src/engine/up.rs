//! `up`.

use super::connection::{Answer, Call};
use super::{Engine, Error, providers};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{Failure, Reply, Request, Up};
use crate::state::event::Event;
use std::os::fd::{AsFd, BorrowedFd};

/// How a changing verb ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpReply {
    /// All is as asked.
    Done,
    /// A dry run: the plan, one line a node; nothing has changed.
    Plan(String),
}

/// Brings the project up. Readability of `cancel` stops what has not begun yet and answers with an error.
pub fn up(
    engine: &Engine,
    project: &ProjectName,
    mut request: Up,
    on_event: &mut dyn FnMut(&Event),
    cancel: Option<BorrowedFd<'_>>,
) -> Result<UpReply, Error> {
    providers::bring_up(project, &mut request, on_event)?;
    Call {
        engine,
        project,
        request: Request::Up(request),
        cancel: cancel.or(engine.cancel.as_ref().map(AsFd::as_fd)),
    }
    .run(on_event)
    .and_then(outcome)
}

/// Runs a verb that changes things.
pub(super) fn change(
    engine: &Engine,
    project: &ProjectName,
    request: Request,
    on_event: &mut dyn FnMut(&Event),
) -> Result<UpReply, Error> {
    Call {
        engine,
        project,
        request,
        cancel: engine.cancel.as_ref().map(AsFd::as_fd),
    }
    .run(on_event)
    .and_then(outcome)
}

/// The answer to a changing verb.
fn outcome(answer: Answer) -> Result<UpReply, Error> {
    match answer.reply {
        Reply::Plan(text) => Ok(UpReply::Plan(text)),
        Reply::Done => Ok(UpReply::Done),
        other => Err(unexpected(&other)),
    }
}

/// The supervisor answered another question; only a bug or another version does that.
pub(super) fn unexpected(reply: &Reply) -> Error {
    Failure::text(format!(
        "the supervisor gave an unexpected answer: {reply:?}"
    ))
    .into()
}
