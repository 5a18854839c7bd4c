//! `restart`.

use super::change;
use crate::cli::args::Restart;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::engine;
use crate::engine::Select;

/// Stops containers and starts them again, as they are.
pub fn run(context: &Context, args: Restart) -> Result<Exit, Error> {
    let services = context.chosen(&args.services)?;
    let project = context.project()?;
    context.refuse_unknown(&project)?;
    let request = Select {
        services,
        timeout: args.timeout,
        no_deps: args.no_deps,
        dry_run: context.global.dry_run,
        ..Select::default()
    };
    change(context, "restart", &project, |engine, on_event| {
        engine::restart(engine, &project, request, on_event)
    })?;
    Ok(Exit::Done)
}
