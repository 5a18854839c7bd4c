//! `push`: images of services, and images by name.

use super::pull::{Targets, progress};
use super::show;
use crate::cli::args::Push;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::engine;

/// Sends images to their registries.
pub fn run(context: &Context, args: &Push) -> Result<Exit, Error> {
    let targets = match args.all_tags {
        true => every_tag(context, &args.targets)?,
        false => Targets::of(context, &args.targets, args.include_deps)?,
    };
    let mut images: Vec<(String, Option<String>)> = Vec::new();
    if let Some((loaded, services)) = &targets.services {
        for name in services {
            // As with docker, an image that is only used here goes nowhere unless it is asked for.
            let asked = args.targets.iter().any(|target| target == name.as_str());
            let Some(service) = loaded.project.services.get(name) else {
                continue;
            };
            if asked || loaded.is_buildable(name) {
                let place = loaded.image_place(name);
                images.push((service.image.clone(), place));
            } else {
                context.view.note(&format!(" Service {name}  Skipped (nothing is built for it; `hoist push {name}` pushes its image)\n"));
            }
        }
    }
    images.extend(targets.images.into_iter().map(|image| (image, None)));
    if context.global.dry_run {
        let lines = images.iter().map(|(image, _)| format!("push `{image}`\n"));
        return show(context, &lines.collect::<String>());
    }
    let request = engine::Push {
        images,
        settings: super::registries(context)?,
        ignore_failures: args.ignore_push_failures,
    };
    let mut progress = progress(context, "push", args.quiet);
    let pushed = engine::push(&context.engine(), &request, &mut |event| {
        progress.event(event)
    })?;
    drop(progress);
    let lines = pushed.iter().map(|it| match args.quiet {
        true => format!("{}\n", it.name),
        false => format!("{}: digest: {} size: {}\n", it.tag, it.digest, it.size),
    });
    show(context, &lines.collect::<String>())
}

/// All images that the store has of these repositories.
fn every_tag(context: &Context, repositories: &[String]) -> Result<Targets, Error> {
    let mut images = Vec::new();
    for repository in repositories {
        images.extend(engine::tags_here(&context.engine(), repository)?);
    }
    Ok(Targets {
        services: None,
        images,
    })
}
