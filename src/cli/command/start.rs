//! `start`.

use super::change;
use crate::cli::args::Start;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::engine;

/// Starts containers that exist.
pub fn run(context: &Context, args: Start) -> Result<Exit, Error> {
    context.check_services(&args.services)?;
    let project = context.project()?;
    let request = engine::Start {
        services: args.services,
        wait: args.wait,
        wait_timeout: args.wait_timeout,
        dry_run: context.global.dry_run,
        ..engine::Start::default()
    };
    change(context, "start", &project, |engine, on_event| {
        engine::start(engine, &project, request, on_event)
    })?;
    Ok(Exit::Done)
}
