//! `stop`.

use super::up::{UpReply, change};
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
    change(engine, project, Request::Stop(request), on_event)
}
