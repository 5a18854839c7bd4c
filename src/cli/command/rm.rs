//! `rm`.

use super::change;
use crate::cli::args::Rm;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::engine;
use crate::engine::ContainerState;
use crate::engine::ContainerSummary;
use crate::engine::Remove;
use crate::id::ProjectName;
use crate::id::ServiceName;

/// Removes stopped containers, once the user agrees.
pub fn run(context: &Context, args: Rm) -> Result<Exit, Error> {
    let services = context.chosen(&args.services)?;
    let project = context.project()?;
    let names = doomed(context, args.stop, &services, &project)?;
    if names.is_empty() {
        context.view.say("No stopped containers\n");
        return Ok(Exit::Done);
    }
    if !args.force && !context.global.dry_run {
        let question = format!("Going to remove {}\nAre you sure?", names.join(", "));
        if !context.view.confirm(&question) {
            return Ok(Exit::Done);
        }
    }
    let request = Remove {
        services,
        stop: args.stop,
        volumes: args.volumes,
        dry_run: context.global.dry_run,
        ..Remove::default()
    };
    change(context, "rm", &project, |engine, on_event| {
        engine::rm(engine, &project, request, on_event)
    })?;
    Ok(Exit::Done)
}

/// The containers that would be removed.
fn doomed(
    context: &Context,
    stop: bool,
    services: &[ServiceName],
    project: &ProjectName,
) -> Result<Vec<String>, Error> {
    let gone = |it: &ContainerSummary| {
        stop || matches!(
            it.state,
            ContainerState::Created | ContainerState::Exited | ContainerState::Dead
        )
    };
    let named = |it: &ContainerSummary| {
        services.is_empty() || services.iter().any(|name| name.as_str() == it.service)
    };
    let containers = engine::ps(&context.engine(), project)?.into_iter();
    let doomed = containers.filter(|it| gone(it) && named(it) && it.number > 0);
    Ok(doomed.map(|it| it.name).collect())
}
