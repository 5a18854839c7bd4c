//! `rm`.

use super::connection::Call;
use super::up::{UpReply, outcome};
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{Remove, Request};
use crate::state::event::Event;

/// Runs `rm` on the project's containers.
pub fn rm(
    engine: &Engine,
    project: &ProjectName,
    request: Remove,
    on_event: &mut dyn FnMut(&Event),
) -> Result<UpReply, Error> {
    let request = Request::Remove(request);
    Call {
        engine,
        project,
        request,
        cancel: None,
    }
    .run(on_event)
    .and_then(outcome)
}
