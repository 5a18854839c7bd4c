//! `system …`: what the whole machine has.

use super::{boot, image, images, show};
use crate::cli::args::container::Container;
use crate::cli::args::{Df, PruneSystem, System};
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::view::disk;
use crate::engine;

/// Runs `system …`.
pub fn run(context: &Context, verb: System) -> Result<Exit, Error> {
    match verb {
        System::Df(args) => df(context, &args),
        System::Prune(args) => prune(context, &args),
        System::Enable(args) => boot::enable(context, &args),
        System::Disable => boot::disable(context),
        System::Start => boot::start(context),
        System::Stop => boot::stop(context),
    }
}

fn df(context: &Context, args: &Df) -> Result<Exit, Error> {
    let form = super::form(&disk::FIELDS, &args.format)?;
    let usage = engine::df(&context.engine())?;
    let running = engine::containers(&context.engine())?;
    let text = match args.verbose {
        true => disk::verbose(&usage, &running, super::now()),
        false => disk::FIELDS.render(&disk::rows(&usage, &running), &form)?,
    };
    show(context, &text)
}

fn prune(context: &Context, args: &PruneSystem) -> Result<Exit, Error> {
    let filter = images::filter(&args.filter)?;
    let mut doomed = vec![
        "containers that have ended",
        "networks of projects without containers",
    ];
    if args.volumes {
        doomed.push("volumes without a name that no container mounts");
    }
    doomed.push(match args.all {
        true => "images that no container needs",
        false => "images without a name that no container needs",
    });
    let list: String = doomed.iter().map(|it| format!("  - all {it}\n")).collect();
    let question = format!("This removes:\n{list}Are you sure?");
    let sure = args.force || context.global.dry_run;
    if !sure && !context.view.confirm(&question) {
        return Ok(Exit::Done);
    }
    use crate::cli::args::resources::{Network, Prune, PruneVolumes, Volume};
    let force = true;
    super::container::run(context, Container::Prune(Prune { force }))?;
    super::resources::network(context, Network::Prune(Prune { force }))?;
    if args.volumes {
        let all = false;
        super::resources::volume(context, Volume::Prune(PruneVolumes { all, force }))?;
    }
    image::remove_unused(context, args.all, &filter)
}
