//! `image ls`, `rmi`, `save`, `load`, `import`, `tag`.

use super::show;
use crate::cli::args::{Import, ListImages, Load, Rmi, Save, Tag};
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::view::images;
use crate::engine;
use crate::engine::{Depot, Filter, Removed};
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

/// Lists the images in the store.
pub fn list(context: &Context, args: &ListImages) -> Result<Exit, Error> {
    let fields = images::fields(args.digests);
    let form = super::form(&fields, &args.format)?;
    let filter = args
        .name
        .iter()
        .fold(filter(&args.filter)?, |filter, name| {
            filter.or_reference(name)
        });
    let found = engine::images(&context.engine(), &filter)?;
    let rows = images::rows(&found, super::now(), args.no_trunc);
    if !args.quiet {
        return show(context, &fields.render(&rows, &form)?);
    }
    let mut ids: Vec<&str> = rows.iter().filter_map(|row| row["ID"].as_str()).collect();
    ids.dedup();
    show(
        context,
        &ids.iter().map(|id| format!("{id}\n")).collect::<String>(),
    )
}

/// Reads `--filter`; a mistake in it is one of the command line.
pub fn filter(texts: &[String]) -> Result<Filter, Error> {
    Filter::parse(texts).map_err(|error| Error::usage(error.to_string(), error.hint()))
}

/// Removes images from the store.
pub fn remove(context: &Context, args: &Rmi) -> Result<Exit, Error> {
    let mut failed = None;
    for image in &args.images {
        if context.global.dry_run {
            super::would(context, &format!("remove image {image}"))?;
            continue;
        }
        match engine::rmi(&context.engine(), image, args.force) {
            Ok(removed) => {
                show(context, &removed.iter().map(line).collect::<String>())?;
            }
            Err(error) if args.force && error.is_missing_image() => {
                context.view.warn(&error.to_string());
            }
            // as docker: one that cannot be removed does not keep the others
            Err(error) => {
                if let Some(error) = failed.replace(Error::from(error)) {
                    context.view.error(&error);
                }
            }
        }
    }
    failed.map_or(Ok(Exit::Done), Err)
}

/// As docker tells of it.
pub fn line(removed: &Removed) -> String {
    match removed {
        Removed::Untagged(name) => format!("Untagged: {name}\n"),
        Removed::Deleted(id) => format!("Deleted: {id}\n"),
    }
}

/// Brings images in from an archive.
pub fn load(context: &Context, args: &Load) -> Result<Exit, Error> {
    super::refuse_dry_run(context, "load")?;
    let (engine, platform) = (context.engine(), args.platform.as_deref());
    let loaded = match args.input.as_deref() {
        None | Some("-") => {
            let mut input = open(None)?;
            engine::load(&engine, Depot::Stream(&mut *input), platform)?
        }
        Some(place) => engine::load(&engine, Depot::At(place), platform)?,
    };
    if args.quiet {
        return Ok(Exit::Done);
    }
    let line = |name: &String| match name.starts_with("sha256:") {
        true => format!("Loaded image ID: {name}\n"),
        false => format!("Loaded image: {name}\n"),
    };
    show(context, &loaded.iter().map(line).collect::<String>())
}

/// Writes images to an archive or folder.
pub fn save(context: &Context, args: &Save) -> Result<Exit, Error> {
    super::refuse_dry_run(context, "save")?;
    let saving = engine::Saving {
        images: &args.images,
        platform: args.platform.as_deref(),
    };
    let engine = context.engine();
    match args.output.as_deref() {
        Some(place) if place != "-" => engine::save(&engine, &saving, Depot::At(place))?,
        _ => engine::save(
            &engine,
            &saving,
            Depot::Stream(&mut context.stream("save")?),
        )?,
    }
    Ok(Exit::Done)
}

/// Makes an image from a root filesystem.
pub fn import(context: &Context, args: &Import) -> Result<Exit, Error> {
    super::refuse_dry_run(context, "import")?;
    let mut input = open(Some(&args.file))?;
    let request = engine::Importing {
        name: args.name.as_ref().map(|name| name.as_str()),
        changes: &args.change,
        message: args.message.as_deref(),
        platform: args.platform.as_deref(),
    };
    let id = engine::import(&context.engine(), &mut input, request)?;
    show(context, &format!("{id}\n"))
}

/// Gives an image another name.
pub fn tag(context: &Context, args: &Tag) -> Result<Exit, Error> {
    if context.global.dry_run {
        let words = format!("tag {} as {}", args.source.as_str(), args.target.as_str());
        return super::would(context, &words);
    }
    engine::tag(
        &context.engine(),
        args.source.as_str(),
        args.target.as_str(),
    )?;
    Ok(Exit::Done)
}

/// A file, or stdin for `-` or none.
fn open(file: Option<&Path>) -> Result<Box<dyn Read + Send>, Error> {
    match file {
        Some(path) if path != Path::new("-") => {
            let file = File::open(path).map_err(Error::io(format!("open `{}`", path.display())))?;
            Ok(Box::new(file))
        }
        _ if io::stdin().is_terminal() => Err(Error::usage(
            "stdin is a terminal, not an archive",
            Some("name a file: `hoist load -i FILE`, `hoist import FILE`".to_owned()),
        )),
        _ => Ok(Box::new(io::stdin())),
    }
}
