//! `ps`.

use super::connection::Call;
use super::up::unexpected;
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{ContainerSummary, Reply, Request};
use crate::scheduler::supervisor::rest;

/// All containers of the project, by service and number. A project without state has none.
pub fn ps(engine: &Engine, project: &ProjectName) -> Result<Vec<ContainerSummary>, Error> {
    if !engine.paths.project(project).root.exists() {
        return Ok(Vec::new());
    }
    if let Some(list) = rest::containers(&engine.paths, project) {
        return Ok(list);
    }
    let answer = Call {
        engine,
        project,
        request: Request::Ps,
        cancel: None,
    }
    .run(&mut |_| ())?;
    match answer.reply {
        Reply::Containers(list) => Ok(list),
        other => Err(unexpected(&other)),
    }
}
