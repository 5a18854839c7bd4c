//! `viz`.

use super::show;
use crate::cli::args::Viz;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::compose::render;
use crate::compose::render::Graph;

/// Prints the services as a graph.
pub fn run(context: &Context, args: &Viz) -> Result<Exit, Error> {
    let loaded = context.load(&context.options()?)?;
    let indent = if args.spaces { " " } else { "\t" }.repeat(args.indentation_size);
    let graph = Graph {
        indent: &indent,
        networks: args.networks,
        ports: args.ports,
        image: args.image,
    };
    show(context, &render::dot(&loaded.project, &graph))
}
