//! `down`.

use super::change;
use crate::cli::args::{Down, RemoveImages};
use crate::cli::context::{Context, all_services};
use crate::cli::exit::{Error, Exit};
use crate::engine;
use crate::id::ProjectName;
use crate::id::ServiceName;
use std::collections::BTreeSet;

/// Takes the project down. It needs no sound file: what was brought up is known without it.
pub fn run(context: &Context, args: &Down) -> Result<Exit, Error> {
    let project = context.project()?;
    let loaded = context.known()?;
    let known = loaded.as_ref().map(all_services);
    if let Some(known) = &known {
        let name = args.services.iter().find(|name| !known.contains(name));
        if let Some(name) = name {
            let known = known.iter().map(ServiceName::as_str);
            return Err(crate::cli::context::not_among(name.as_str(), known));
        }
    }
    let images = images(context, args, &project)?;
    let request = engine::Down {
        services: args.services.clone(),
        volumes: args.volumes,
        remove_orphans: args.remove_orphans || context.env.flag("COMPOSE_REMOVE_ORPHANS"),
        known,
        timeout: args.timeout,
        keep_logs: args.keep_logs,
        dry_run: context.global.dry_run,
    };
    let happened = change(context, "down", &project, |engine, on_event| {
        let reply = engine::down(engine, &project, request, on_event)?;
        if let Some(loaded) = loaded.as_ref().filter(|_| !context.global.dry_run) {
            engine::end_providers(&loaded.canonical, ("down", &args.services), on_event)?;
        }
        Ok(reply)
    })?;
    if !happened {
        context
            .view
            .warn(&format!("nothing of project `{project}` to remove"));
    }
    if !context.global.dry_run {
        remove_images(context, images);
    }
    Ok(Exit::Done)
}

/// The images that `--rmi` asks to remove. `local` ones are those built here without a name: there are none yet.
fn images(
    context: &Context,
    args: &Down,
    project: &ProjectName,
) -> Result<BTreeSet<String>, Error> {
    if args.rmi != Some(RemoveImages::All) {
        return Ok(BTreeSet::new());
    }
    let containers = engine::ps(&context.engine(), project)?;
    let named = |service: &String| {
        args.services.is_empty() || args.services.iter().any(|name| name.as_str() == service)
    };
    // what is not in the store cannot be removed from it
    let stored = |image: &String| image != "host" && !image.starts_with("oci:");
    Ok(containers
        .into_iter()
        .filter(|container| named(&container.service))
        .map(|container| container.image)
        .filter(stored)
        .collect())
}

/// Removes images; one that is still used elsewhere stays, with a warning.
fn remove_images(context: &Context, images: BTreeSet<String>) {
    for image in images {
        if let Err(error) = engine::rmi(&context.engine(), &image, false) {
            let causes: String = error.causes().iter().map(|c| format!(": {c}")).collect();
            context.view.warn(&format!("{error}{causes}"));
        }
    }
}
