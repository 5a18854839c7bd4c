//! `rm`.

use super::up::{UpReply, change};
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
    change(engine, project, Request::Remove(request), on_event)
}
