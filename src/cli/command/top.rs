//! `top`.

use super::show;
use crate::cli::args::Services;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::view::processes;
use crate::engine;
use crate::engine::Select;

/// Shows the processes of containers.
pub fn run(context: &Context, args: Services) -> Result<Exit, Error> {
    context.check_services(&args.services)?;
    let request = Select {
        services: args.services,
        ..Select::default()
    };
    let containers = engine::top(&context.engine(), &context.project()?, request)?;
    // as docker compose: no head over nothing
    if containers.is_empty() {
        return Ok(Exit::Done);
    }
    show(
        context,
        &processes::table(&containers, super::now(), context.view.columns()),
    )
}
