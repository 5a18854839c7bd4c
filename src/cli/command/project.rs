//! `project …`: the projects of the whole installation.

use super::resources::{each, inspect, prune};
use super::{change, ls};
use crate::cli::args::{Project, RemoveProject};
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::engine;
use crate::engine::ContainerState;
use crate::engine::Down;
use crate::id::ProjectName;
use serde_json::json;

/// Runs a `project` command.
pub fn run(context: &Context, args: Project) -> Result<Exit, Error> {
    let engine = context.engine();
    match args {
        Project::Ls(args) => ls::run(context, &args),
        Project::Inspect(args) => {
            let all = engine::ls(&engine)?;
            inspect(context, "project", &args, |name| {
                let project = all.iter().find(|it| it.name.as_str() == name)?;
                let containers = engine::ps(&engine, &project.name).ok()?;
                let containers: Vec<_> = containers
                    .iter()
                    .map(|it| json!({ "Name": it.name, "Service": it.service, "Id": it.id }))
                    .collect();
                Some(json!({
                    "Name": name,
                    "ConfigFiles": project.config_files,
                    "Containers": containers,
                }))
            })
        }
        Project::Rm(args) => remove(context, &args),
        Project::Prune(args) => prune_idle(context, args.force),
    }
}

fn remove(context: &Context, args: &RemoveProject) -> Result<Exit, Error> {
    let engine = context.engine();
    let known = engine::ls(&engine)?;
    if let Some(name) = args
        .names
        .iter()
        .find(|name| !known.iter().any(|it| it.name.as_str() == *name))
    {
        return Err(Error::hinted(
            format!("no such project: `{name}`"),
            "hoist project ls -a",
        ));
    }
    for name in &args.names {
        let project = project(name)?;
        let request = Down {
            volumes: args.volumes,
            timeout: args.timeout,
            dry_run: context.global.dry_run,
            ..Down::default()
        };
        change(context, "down", &project, |engine, on_event| {
            engine::down(engine, &project, request, on_event)
        })?;
    }
    Ok(Exit::Done)
}

/// Takes down what nothing of runs.
fn prune_idle(context: &Context, force: bool) -> Result<Exit, Error> {
    let engine = context.engine();
    let idle = |state: &ContainerState| {
        matches!(
            state,
            ContainerState::Created | ContainerState::Exited | ContainerState::Dead
        )
    };
    let unused = engine::ls(&engine)?.into_iter();
    let unused: Vec<String> = unused
        .filter(|it| it.status.iter().all(|(state, _)| idle(state)))
        .map(|it| it.name.to_string())
        .collect();
    if context.global.dry_run {
        return each(context, &unused, "take down", |_| Ok(()));
    }
    prune(
        context,
        "projects",
        &unused,
        force,
        |name| match ProjectName::new(name) {
            Ok(name) => engine::down(&engine, &name, Down::default(), &mut |_| ()).map(drop),
            Err(_) => Ok(()),
        },
    )
}

fn project(name: &str) -> Result<ProjectName, Error> {
    ProjectName::new(name).map_err(|error| Error::usage(error.to_string(), None))
}
