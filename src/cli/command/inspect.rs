//! `inspect`: what goes by a name, whatever it is. As docker: a container before an image, a volume before a network.

use super::resources::Documents;
use super::show;
use crate::cli::args::{InspectAny, InspectKind as Kind};
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::view::inspected;
use crate::cli::view::resources::{inspect_network, inspect_volume};
use crate::engine::{self, Engine};
use serde_json::Value;

/// Prints what is known of each; a name that nothing has is an error after the others were shown.
pub fn run(context: &Context, args: &InspectAny) -> Result<Exit, Error> {
    let format = Documents::read(args.format.as_deref())?;
    let engine = context.engine();
    let mut found = Vec::new();
    let mut missing = None;
    for name in &args.names {
        match find(&engine, name, args.kind)? {
            Some(value) => found.push(value),
            None => missing = missing.or(Some(name)),
        }
    }
    show(context, &format.render(&found)?)?;
    match missing {
        None => Ok(Exit::Done),
        Some(name) => {
            let kind = args.kind.map_or("object", Kind::word);
            let list = args.kind.map_or("container", Kind::word);
            let hint = format!("hoist {list} ls");
            Err(Error::hinted(format!("no such {kind}: `{name}`"), hint))
        }
    }
}

fn find(engine: &Engine, name: &str, only: Option<Kind>) -> Result<Option<Value>, Error> {
    let wanted = |kind| only.is_none_or(|only| only == kind);
    if wanted(Kind::Container)
        && let Ok(it) = engine::container(engine, name)
    {
        return Ok(Some(inspected::container(&it)));
    }
    if wanted(Kind::Image) {
        match engine::inspect(engine, name) {
            Err(error) if error.is_missing_image() => {}
            done => return Ok(Some(done?)),
        }
    }
    if wanted(Kind::Volume) {
        let all = engine::volumes(engine)?;
        if let Some(it) = all.iter().find(|it| it.name.as_str() == name) {
            return Ok(Some(inspect_volume(it)));
        }
    }
    if wanted(Kind::Network) {
        let all = engine::networks(engine)?;
        if let Some(it) = all.iter().find(|it| it.name.as_str() == name) {
            return Ok(Some(inspect_network(it)));
        }
    }
    Ok(None)
}
