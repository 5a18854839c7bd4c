//! `restart`.

use super::up::{UpReply, change};
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{Request, Select};
use crate::state::event::Event;

/// Runs `restart` on the project's containers.
pub fn restart(
    engine: &Engine,
    project: &ProjectName,
    request: Select,
    on_event: &mut dyn FnMut(&Event),
) -> Result<UpReply, Error> {
    change(engine, project, Request::Restart(request), on_event)
}
