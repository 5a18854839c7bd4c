//! `stop`.

use super::change;
use crate::cli::args::Stop;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::engine;
use crate::engine::Select;

/// Stops containers and keeps them.
pub fn run(context: &Context, args: Stop) -> Result<Exit, Error> {
    context.check_services(&args.services)?;
    let project = context.project()?;
    let request = Select {
        services: args.services,
        timeout: args.timeout,
        dry_run: context.global.dry_run,
        ..Select::default()
    };
    change(context, "stop", &project, |engine, on_event| {
        engine::stop(engine, &project, request, on_event)
    })?;
    Ok(Exit::Done)
}
