//! What is done with all projects when the machine comes up or goes down.

use super::ls::ls;
use super::start::start;
use super::stop::stop;
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{ContainerState, Select, Start};
use crate::state::event::Event;

type OnEvent<'a> = &'a mut dyn FnMut(&ProjectName, &Event);

/// Starts what restart policies bring back after a boot, each project in the order of its dependencies. One that fails is
/// tried once more after the others: it may use what another one has. What failed for good comes back, by project.
pub fn boot(engine: &Engine, on_event: OnEvent<'_>) -> Result<Vec<(ProjectName, Error)>, Error> {
    let mut waiting: Vec<ProjectName> = names(engine)?;
    for last in [false, true] {
        let mut failed = Vec::new();
        for project in waiting {
            let request = Start {
                boot: true,
                ..Start::default()
            };
            if let Err(error) = start(engine, &project, request, &mut |e| on_event(&project, e)) {
                failed.push((project, error));
            }
        }
        if last || failed.is_empty() {
            return Ok(failed);
        }
        waiting = failed.into_iter().map(|(project, _)| project).collect();
    }
    Ok(Vec::new())
}

/// Stops everything, as for a shutdown: what runs now runs again after the next boot, if its restart policy says so.
pub fn halt(engine: &Engine, on_event: OnEvent<'_>) -> Result<Vec<(ProjectName, Error)>, Error> {
    let mut failed = Vec::new();
    for summary in ls(engine)? {
        let rests = |state: ContainerState| {
            matches!(state, ContainerState::Created | ContainerState::Exited)
        };
        if summary.status.iter().all(|(state, _)| rests(*state)) {
            continue;
        }
        let request = Select {
            halt: true,
            ..Select::default()
        };
        let project = summary.name;
        if let Err(error) = stop(engine, &project, request, &mut |e| on_event(&project, e)) {
            failed.push((project, error));
        }
    }
    Ok(failed)
}

fn names(engine: &Engine) -> Result<Vec<ProjectName>, Error> {
    let projects = engine.paths.projects();
    projects.map_err(Error::io("read", &engine.paths.root))
}
