//! `volumes`: those of the project.

use super::show;
use crate::cli::args::Volumes;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::view::resources::{VOLUMES, volume};
use crate::engine;

/// Lists volumes.
pub fn run(context: &Context, args: &Volumes) -> Result<Exit, Error> {
    let form = super::form(&VOLUMES, &args.format)?;
    context.check_services(&args.services)?;
    let project = context.project()?;
    let mounted: Option<Vec<String>> = match args.services.as_slice() {
        [] => None,
        services => {
            let containers = engine::ps(&context.engine(), &project)?.into_iter();
            let named = containers.filter(|c| services.iter().any(|s| s.as_str() == c.service));
            Some(named.flat_map(|c| c.mounts).collect())
        }
    };
    let wanted = |volume: &engine::Volume| match &mounted {
        Some(names) => names.iter().any(|name| name == volume.name.as_str()),
        // as docker: those of the file, which is what has the label of the project
        None => volume.project.as_ref() == Some(&project) && !volume.anonymous,
    };
    let mut list = engine::volumes(&context.engine())?;
    list.retain(wanted);
    if args.quiet {
        let names: String = list.iter().map(|v| format!("{}\n", v.name)).collect();
        return show(context, &names);
    }
    let rows: Vec<_> = list.iter().map(volume).collect();
    show(context, &VOLUMES.render(&rows, &form)?)
}
