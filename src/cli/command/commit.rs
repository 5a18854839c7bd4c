//! `commit` and `export`.

use super::show;
use crate::cli::args::{Commit, Export};
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::engine;

/// Makes an image of a service's container, and prints its id.
pub fn commit(context: &Context, args: Commit) -> Result<Exit, Error> {
    if context.global.dry_run {
        let name = args.name.map_or(String::new(), |name| format!(" `{name}`"));
        let words = format!(
            "make an image{name} of a container of service `{}`",
            args.service
        );
        return super::would(context, &words);
    }
    let project = context.project()?;
    let request = engine::CommitRequest {
        service: args.service,
        index: args.index.filter(|&index| index > 0),
        name: args.name,
        changes: args.change,
        author: args.author,
        message: args.message,
        pause: args.pause,
    };
    let id = engine::commit(&context.engine(), &project, &request)
        .map_err(|error| context.misnamed(&request.service, error))?;
    show(context, &format!("{id}\n"))
}

/// Writes the files of a service's container.
pub fn export(context: &Context, args: Export) -> Result<Exit, Error> {
    if context.global.dry_run {
        let words = format!(
            "write the files of a container of service `{}`",
            args.service
        );
        return super::would(context, &words);
    }
    let project = context.project()?;
    let of = (args.service.as_str(), args.index.filter(|&index| index > 0));
    let engine = context.engine();
    let misnamed = |error: engine::Error| context.misnamed(&args.service, error);
    match &args.output {
        Some(path) => {
            let mut file = engine::WholeFile::create(path).map_err(engine::Error::from)?;
            engine::export(&engine, &project, of, file.writer()).map_err(misnamed)?;
            file.finish().map_err(engine::Error::from)?;
        }
        None => engine::export(&engine, &project, of, &mut context.stream("export")?)
            .map_err(misnamed)?,
    }
    Ok(Exit::Done)
}
