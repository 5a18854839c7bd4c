//! `image …`, and `images` and `history`, which docker has by themselves.

use super::resources::Documents;
use super::{images, show};
use crate::cli::args::{History, Image, Images, InspectImages, ListImages, PruneImages};
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::view::human;
use crate::cli::view::images::{HISTORY, HISTORY_EXACT, USED, step, used as used_row, used_json};
use crate::cli::view::listing::Form;
use crate::engine;
use crate::id::ServiceName;
use indexmap::IndexSet;

/// Runs `image …`.
pub fn run(context: &Context, verb: Image) -> Result<Exit, Error> {
    match verb {
        Image::Ls(args) => images::list(context, &args),
        Image::Inspect(args) => inspect(context, &args),
        Image::History(args) => history(context, &args),
        Image::Tag(args) => images::tag(context, &args),
        Image::Rm(args) => images::remove(context, &args),
        Image::Prune(args) => prune(context, &args),
        Image::Save(args) => images::save(context, &args),
        Image::Load(args) => images::load(context, &args),
        Image::Import(args) => images::import(context, &args),
    }
}

/// The images of the project's containers; where there is no project, those in the store.
pub fn used(context: &Context, args: &Images) -> Result<Exit, Error> {
    let Ok(project) = context.project() else {
        if args.services.len() > 1 {
            let hint = Some("write one name or pattern, or go into a project's folder".to_owned());
            return Err(Error::usage(
                "outside of a project, `images` takes one name",
                hint,
            ));
        }
        let name = args.services.first().cloned();
        return images::list(
            context,
            &ListImages {
                name,
                all: false,
                digests: false,
                filter: Vec::new(),
                quiet: args.quiet,
                format: args.format.clone(),
                no_trunc: false,
            },
        );
    };
    let names = args
        .services
        .iter()
        .filter_map(|name| ServiceName::new(name.clone()).ok());
    context.check_services(&names.collect::<Vec<_>>())?;
    let form = super::form(&USED, &args.format)?;
    let mut found = engine::used_images(&context.engine(), &project)?;
    found.retain(|it| args.services.is_empty() || args.services.contains(&it.service));
    if args.quiet {
        let ids: IndexSet<&str> = found.iter().map(|it| it.id.hex()).collect();
        return show(
            context,
            &ids.iter().map(|id| format!("{id}\n")).collect::<String>(),
        );
    }
    let now = super::now();
    let row = match form {
        Form::Json => used_json,
        _ => used_row,
    };
    let rows: Vec<_> = found.iter().map(|it| row(it, now)).collect();
    show(context, &USED.fitted(&rows, &form, context.view.columns())?)
}

/// Shows how an image was made.
pub fn history(context: &Context, args: &History) -> Result<Exit, Error> {
    let fields = if args.human { HISTORY } else { HISTORY_EXACT };
    let form = super::form(&fields, &args.format)?;
    let steps = engine::history(&context.engine(), &args.image)?;
    let now = super::now();
    let rows: Vec<_> = steps
        .iter()
        .map(|it| step(it, now, (args.no_trunc, args.human)))
        .collect();
    if args.quiet {
        let ids = rows.iter().filter_map(|row| row["ID"].as_str());
        return show(
            context,
            &ids.map(|id| format!("{id}\n")).collect::<String>(),
        );
    }
    show(context, &fields.render(&rows, &form)?)
}

/// Shows all that is known of images.
fn inspect(context: &Context, args: &InspectImages) -> Result<Exit, Error> {
    let format = Documents::read(args.format.as_deref())?;
    let mut found = Vec::new();
    let mut failed = None;
    for image in &args.images {
        match engine::inspect(&context.engine(), image) {
            Ok(value) => found.push(value),
            Err(error) => {
                if let Some(error) = failed.replace(Error::from(error)) {
                    context.view.error(&error);
                }
            }
        }
    }
    show(context, &format.render(&found)?)?;
    failed.map_or(Ok(Exit::Done), Err)
}

/// Removes images that nothing needs, once the user agrees.
fn prune(context: &Context, args: &PruneImages) -> Result<Exit, Error> {
    let filter = images::filter(&args.filter)?;
    let which = match args.all {
        true => "all images that no container needs",
        false => "all images without a name that no container needs",
    };
    let sure = args.force || context.global.dry_run;
    if !sure
        && !context
            .view
            .confirm(&format!("This removes {which}.\nAre you sure?"))
    {
        return Ok(Exit::Done);
    }
    remove_unused(context, args.all, &filter)
}

/// Removes them, and says how much it was.
pub fn remove_unused(context: &Context, all: bool, filter: &engine::Filter) -> Result<Exit, Error> {
    if context.global.dry_run {
        let which = match all {
            true => "remove all images that no container needs",
            false => "remove all images without a name that no container needs",
        };
        return super::would(context, which);
    }
    let (removed, freed) = engine::prune_images(&context.engine(), all, filter)?;
    let mut text: String = removed.iter().map(images::line).collect();
    text.push_str(&format!("Total reclaimed space: {}\n", human::size(freed)));
    show(context, &text)
}
