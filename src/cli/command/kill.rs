//! `kill`.

use super::change;
use crate::cli::args::Kill;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::engine;

/// Sends a signal to containers.
pub fn run(context: &Context, args: Kill) -> Result<Exit, Error> {
    context.check_services(&args.services)?;
    let project = context.project()?;
    let request = engine::Kill {
        services: args.services,
        signal: args.signal,
        remove_orphans: args.remove_orphans || context.env.flag("COMPOSE_REMOVE_ORPHANS"),
        known: context.known_services()?,
        dry_run: context.global.dry_run,
        ..engine::Kill::default()
    };
    change(context, "kill", &project, |engine, on_event| {
        engine::kill(engine, &project, request, on_event)
    })?;
    Ok(Exit::Done)
}
