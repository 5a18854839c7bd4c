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
    context.refuse_unknown(&project)?;
    let services = match args.services {
        named if !named.is_empty() => named,
        // Each service of the file must be there to be started; without a sound file, what is there is.
        _ => context.try_load()?.map_or_else(
            |_| Vec::new(),
            |loaded| {
                let services = loaded.project.services.values();
                let wanted = services.filter(|service| service.scale > 0);
                wanted.map(|service| service.name.clone()).collect()
            },
        ),
    };
    let request = engine::Start {
        services,
        wait: args.wait,
        wait_timeout: args.wait_timeout.filter(|_| args.wait),
        dry_run: context.global.dry_run,
        ..engine::Start::default()
    };
    change(context, "start", &project, |engine, on_event| {
        engine::start(engine, &project, request, on_event)
    })?;
    Ok(Exit::Done)
}
