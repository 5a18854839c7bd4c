//! `stop`.

use super::change;
use crate::cli::args::Stop;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::engine;
use crate::engine::Select;

/// Stops containers and keeps them.
pub fn run(context: &Context, args: Stop) -> Result<Exit, Error> {
    let services = context.chosen(&args.services)?;
    let project = context.project()?;
    context.refuse_unknown(&project)?;
    let loaded = context.try_load()?.ok();
    let request = Select {
        services,
        timeout: args.timeout,
        dry_run: context.global.dry_run,
        ..Select::default()
    };
    change(context, "stop", &project, |engine, on_event| {
        let reply = engine::stop(engine, &project, request, on_event)?;
        if let Some(loaded) = loaded.as_ref().filter(|_| !context.global.dry_run) {
            engine::end_providers(&loaded.canonical, ("stop", &args.services), on_event)?;
        }
        Ok(reply)
    })?;
    Ok(Exit::Done)
}
