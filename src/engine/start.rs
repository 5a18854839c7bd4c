//! `start`.

use super::connection::Call;
use super::up::{UpReply, outcome};
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{Request, Start};
use crate::state::event::Event;

/// Runs `start` on the project's containers.
pub fn start(
    engine: &Engine,
    project: &ProjectName,
    request: Start,
    on_event: &mut dyn FnMut(&Event),
) -> Result<UpReply, Error> {
    let request = Request::Start(request);
    Call {
        engine,
        project,
        request,
        cancel: None,
    }
    .run(on_event)
    .and_then(outcome)
}
