//! `stop`.

use super::connection::Call;
use super::up::{UpReply, outcome};
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{Request, Select};
use crate::state::event::Event;

/// Runs `stop` on the project's containers.
pub fn stop(
    engine: &Engine,
    project: &ProjectName,
    request: Select,
    on_event: &mut dyn FnMut(&Event),
) -> Result<UpReply, Error> {
    let request = Request::Stop(request);
    Call {
        engine,
        project,
        request,
        cancel: None,
    }
    .run(on_event)
    .and_then(outcome)
}
