//! `down`.

use super::up::{UpReply, change};
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{Down, Request};
use crate::state::event::{Event, Subject, What};
use crate::state::kept_logs;
use std::time::Duration;

/// A supervisor takes this long at most to empty the folders of what is gone, or to die.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes the project down. A project without any state is a warning, as in docker compose.
pub fn down(
    engine: &Engine,
    project: &ProjectName,
    request: Down,
    on_event: &mut dyn FnMut(&Event),
) -> Result<UpReply, Error> {
    let paths = engine.paths.project(project);
    if request.volumes && request.services.is_empty() && !request.dry_run {
        let kept = engine.paths.kept_logs(project);
        kept_logs::remove(&kept).map_err(Error::io("remove", &kept))?;
    }
    if !paths.root.exists() && !request.volumes {
        // Its last supervisor may have been killed when all was done but the emptying of folders, or is still at it.
        paths
            .remove_aside(&paths.aside_in_the_end(PATIENCE))
            .map_err(Error::io("remove what is left in", &paths.root))?;
        on_event(&Event {
            time: 0,
            subject: Subject::Project,
            what: What::Warning {
                text: format!("no resource of project `{project}` found to remove"),
            },
            cause: String::new(),
            until: None,
        });
        return Ok(UpReply::Done);
    }
    change(engine, project, Request::Down(request), on_event)
}
