//! `start`.

use super::up::{UpReply, change};
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
    change(engine, project, Request::Start(request), on_event)
}
