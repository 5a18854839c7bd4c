//! `wait`.

use super::change;
use crate::cli::args::Wait;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::engine;
use crate::engine::Down;
use crate::engine::Select;

/// Blocks until containers have stopped; its code is that of the last one.
pub fn run(context: &Context, args: Wait) -> Result<Exit, Error> {
    context.check_services(&args.services)?;
    let project = context.project()?;
    if context.global.dry_run {
        return super::would(context, "wait until the containers have stopped");
    }
    let request = Select {
        services: args.services,
        ..Select::default()
    };
    let exits = engine::wait(&context.engine(), &project, request)?;
    for (container, code) in &exits {
        let line = format!("container \"{container}\" exited with status code {code}\n");
        context.view.data(&line).map_err(Error::Output)?;
    }
    if args.down_project {
        change(context, "down", &project, |engine, on_event| {
            engine::down(engine, &project, Down::default(), on_event)
        })?;
    }
    Ok(exits
        .last()
        .map_or(Exit::Done, |(_, code)| Exit::Code(*code)))
}
