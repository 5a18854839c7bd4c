//! `pause` and `unpause`.

use super::up::{UpReply, change};
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{Request, Select};
use crate::state::event::Event;

/// Freezes all processes of the containers that run.
pub fn pause(
    engine: &Engine,
    project: &ProjectName,
    request: Select,
    on_event: &mut dyn FnMut(&Event),
) -> Result<UpReply, Error> {
    change(engine, project, Request::Pause(request), on_event)
}

/// Lets the processes of paused containers go on.
pub fn unpause(
    engine: &Engine,
    project: &ProjectName,
    request: Select,
    on_event: &mut dyn FnMut(&Event),
) -> Result<UpReply, Error> {
    change(engine, project, Request::Unpause(request), on_event)
}
