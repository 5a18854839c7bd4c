//! `create`: an `up` that starts nothing.

use super::{change, pull};
use crate::cli::args::Create;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::engine;

/// Creates containers.
pub fn run(context: &Context, args: &Create) -> Result<Exit, Error> {
    super::refuse_build(args.build)?;
    let mut options = context.options()?;
    options.services = args.services.iter().map(ToString::to_string).collect();
    let loaded = context.load_runnable(&options)?;
    let project = &loaded.project;
    pull::needed(
        context,
        &loaded,
        &args.services,
        (args.pull, args.quiet_pull),
    )?;
    let request = engine::Up {
        canonical: loaded.canonical.text(),
        services: args.services.clone(),
        dry_run: context.global.dry_run,
        scale: args.scale.iter().cloned().collect(),
        force_recreate: args.force_recreate,
        no_recreate: args.no_recreate,
        remove_orphans: args.remove_orphans || context.env.flag("COMPOSE_REMOVE_ORPHANS"),
        ignore_orphans: context.env.flag("COMPOSE_IGNORE_ORPHANS"),
        no_start: true,
        parallel: context.parallel(),
        compatibility: context.compatibility(),
        ..engine::Up::default()
    };
    change(context, "create", &project.name, |engine, on_event| {
        engine::up(engine, &project.name, request, on_event, None)
    })?;
    Ok(Exit::Done)
}
