//! `kill`.

use super::connection::Call;
use super::up::{UpReply, outcome};
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{Kill, Request};
use crate::state::event::Event;

/// Runs `kill` on the project's containers.
pub fn kill(
    engine: &Engine,
    project: &ProjectName,
    request: Kill,
    on_event: &mut dyn FnMut(&Event),
) -> Result<UpReply, Error> {
    let request = Request::Kill(request);
    Call {
        engine,
        project,
        request,
        cancel: None,
    }
    .run(on_event)
    .and_then(outcome)
}
