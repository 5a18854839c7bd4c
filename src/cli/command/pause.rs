//! `pause` and `unpause`.

use super::change;
use crate::cli::args::Services;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::engine;
use crate::engine::Select;

/// Freezes containers.
pub fn pause(context: &Context, args: Services) -> Result<Exit, Error> {
    let (project, request) = (context.project()?, request(context, &args)?);
    change(context, "pause", &project, |engine, on_event| {
        engine::pause(engine, &project, request, on_event)
    })?;
    Ok(Exit::Done)
}

/// Lets them go on.
pub fn unpause(context: &Context, args: Services) -> Result<Exit, Error> {
    let (project, request) = (context.project()?, request(context, &args)?);
    change(context, "unpause", &project, |engine, on_event| {
        engine::unpause(engine, &project, request, on_event)
    })?;
    Ok(Exit::Done)
}

fn request(context: &Context, args: &Services) -> Result<Select, Error> {
    Ok(Select {
        services: context.chosen(&args.services)?,
        dry_run: context.global.dry_run,
        ..Select::default()
    })
}
