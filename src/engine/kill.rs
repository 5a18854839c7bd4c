//! `kill`.

use super::up::{UpReply, change};
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
    change(engine, project, Request::Kill(request), on_event)
}
