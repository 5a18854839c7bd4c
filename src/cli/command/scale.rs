//! `scale`: an `up` of services with another number of containers.

use super::{change, pull};
use crate::cli::args::Scale;
use crate::cli::context::{Context, no_such_service};
use crate::cli::exit::{Error, Exit};
use crate::engine;
use crate::id::ServiceName;

/// Sets how many containers services have.
pub fn run(context: &Context, args: &Scale) -> Result<Exit, Error> {
    let mut options = context.options()?;
    let names: Vec<ServiceName> = args.scale.iter().map(|(name, _)| name.clone()).collect();
    options.services = names.iter().map(ToString::to_string).collect();
    let loaded = context.load_runnable(&options)?;
    let project = &loaded.project;
    if let Some(name) = names
        .iter()
        .find(|name| !project.services.contains_key(*name))
    {
        return Err(no_such_service(name.as_str(), &loaded));
    }
    pull::needed(context, &loaded, &names, (None, false))?;
    let request = engine::Up {
        canonical: loaded.canonical.text(),
        services: names,
        dry_run: context.global.dry_run,
        scale: args.scale.iter().cloned().collect(),
        no_deps: args.no_deps,
        parallel: context.parallel(),
        compatibility: context.compatibility(),
        ..engine::Up::default()
    };
    change(context, "scale", &project.name, |engine, on_event| {
        engine::up(engine, &project.name, request, on_event, None)
    })?;
    Ok(Exit::Done)
}
