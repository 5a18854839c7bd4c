//! `attach`.

use super::terminal::{self, Manner};
use crate::cli::args::{Attach, Joining};
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::signals::Signals;
use crate::cli::term;
use crate::engine;
use crate::engine::Place;
use crate::id::ProjectName;
use std::io::{self, IsTerminal};

/// Attaches to a running container; its exit code is ours, unless the user leaves it.
pub fn run(context: &Context, args: &Attach) -> Result<Exit, Error> {
    let place = Place {
        service: args.service.clone(),
        index: args.index,
        container: None,
    };
    join(context, &context.project()?, place, &args.joining)
}

/// Attaches to the container at a place.
pub fn join(
    context: &Context,
    project: &ProjectName,
    place: Place,
    args: &Joining,
) -> Result<Exit, Error> {
    let keys = args.detach_keys.as_deref();
    let keys = keys.map_or_else(|| Ok(terminal::default_keys()), terminal::detach_keys)?;
    if context.global.dry_run {
        return super::would(context, &format!("attach to `{}`", place.service));
    }
    let service = place.service.clone();
    let here = io::stdin().is_terminal();
    let signals = Signals::hold(&terminal::WITH_TTY).map_err(Error::io("hold signals back"))?;
    let request = engine::Attach {
        place,
        stdin: !args.no_stdin,
        lossless: false,
        terminal: here.then(term::size),
    };
    let (_, mut session) = engine::attach(&context.engine(), project, request)
        .map_err(|error| context.misnamed(&service, error))?;
    let tty = session.terminal.is_some();
    if args.no_stdin {
        session.stdin = None;
    }
    let manner = Manner {
        raw: tty && here && !args.no_stdin,
        forward: args.sig_proxy,
        no_input: args.no_stdin,
        detach_keys: Some(keys),
        ..Manner::default()
    };
    terminal::run(&context.view, session, &signals, manner)
}
