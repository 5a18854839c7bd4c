//! `port`.

use super::show;
use crate::cli::args::Port;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::view::containers::host;
use crate::engine;

/// Prints where a container's port is published.
pub fn run(context: &Context, args: &Port) -> Result<Exit, Error> {
    let project = context.project()?;
    let containers = engine::ps(&context.engine(), &project)?;
    let container = containers
        .iter()
        .filter(|it| it.service == args.service && it.number > 0)
        .filter(|it| args.index.is_none_or(|index| it.number == index))
        .min_by_key(|it| it.number)
        .ok_or_else(|| {
            let number = args
                .index
                .map_or(String::new(), |index| format!(" {index}"));
            let what = format!("service `{}` has no container{number}", args.service);
            context.misnamed(&args.service, Error::hinted(what, "see `hoist ps -a`"))
        })?;
    let published = container
        .ports
        .iter()
        .find(|port| port.target == args.private_port && port.protocol == args.protocol);
    match published {
        Some(port) => show(
            context,
            &format!("{}\n", host(&port.host_ip, &port.published.to_string())),
        ),
        None => Err(Error::failed(format!(
            "port {}/{} of container `{}` is not published",
            args.private_port, args.protocol, container.name
        ))),
    }
}
