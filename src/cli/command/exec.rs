//! `exec`.

use super::terminal::{self, Manner};
use crate::cli::args::Exec;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::signals::Signals;
use crate::cli::term;
use crate::engine;
use std::io::{self, IsTerminal};

/// Runs a command in a container; its exit code is ours.
pub fn run(context: &Context, args: Exec) -> Result<Exit, Error> {
    if context.global.dry_run {
        let words = format!("execute `{}` in `{}`", args.command.join(" "), args.service);
        return super::would(context, &words);
    }
    let project = context.project()?;
    let tty = wants_tty(context, &args)?;
    let detach = args.detach;
    // held before the command starts: a Ctrl-C from now on is the command's
    let signals = Signals::hold(if tty {
        &terminal::WITH_TTY
    } else {
        &terminal::WITHOUT_TTY
    })
    .map_err(Error::io("hold signals back"))?;
    let request = engine::Exec {
        service: args.service,
        index: args.index,
        container: None,
        command: args.command,
        tty: tty.then(term::size),
        stdin: args.interactive && !detach,
        env: environment(context, args.env),
        user: args.user,
        workdir: args.workdir,
        privileged: args.privileged,
        detach,
    };
    let service = request.service.clone();
    let session = engine::exec(&context.engine(), &project, request)
        .map_err(|error| context.misnamed(&service, error))?;
    if detach {
        return Ok(Exit::Done);
    }
    let manner = Manner {
        raw: tty,
        ..Manner::default()
    };
    terminal::run(&context.view, session, &signals, manner)
}

/// A terminal at both ends gives one to the command; asking for one without having one is an error.
fn wants_tty(context: &Context, args: &Exec) -> Result<bool, Error> {
    let here = io::stdin().is_terminal() && context.view.stdout.terminal;
    match (args.tty && !args.detach, here) {
        (true, false) => Err(Error::hinted(
            "cannot allocate a terminal: stdin or stdout is none",
            "leave out `-t`",
        )),
        _ => Ok(here && !args.no_tty && !args.detach && args.interactive),
    }
}

/// `KEY` alone takes the value from here, and is left out if it has none.
pub fn environment(context: &Context, given: Vec<String>) -> Vec<String> {
    let resolve = |entry: String| {
        if entry.contains('=') {
            return Some(entry);
        }
        let value = context.env.vars.get(&entry)?;
        Some(format!("{entry}={value}"))
    };
    given.into_iter().filter_map(resolve).collect()
}
