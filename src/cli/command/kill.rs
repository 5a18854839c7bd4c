//! `kill`.

use super::change;
use crate::cli::args::Kill;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::compose::diagnostic::did_you_mean;
use crate::compose::is_signal;
use crate::engine;

/// What people send.
const COMMON: [&str; 9] = [
    "SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGSTOP", "SIGCONT",
];

/// Sends a signal to containers.
pub fn run(context: &Context, args: Kill) -> Result<Exit, Error> {
    if !is_signal(&args.signal) {
        let message = format!("`{}` is not a signal", args.signal);
        let names = COMMON.iter().copied();
        let hint = match did_you_mean(&args.signal, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`kill -l` of a shell lists them: `SIGTERM`, `TERM` and `15` are the same"
                .to_owned(),
        };
        return Err(Error::usage(message, Some(hint)));
    }
    context.check_services(&args.services)?;
    let project = context.project()?;
    context.refuse_unknown(&project)?;
    let request = engine::Kill {
        services: args.services,
        signal: args.signal,
        remove_orphans: args.remove_orphans || context.env.flag("COMPOSE_REMOVE_ORPHANS"),
        known: context.known_services()?,
        dry_run: context.global.dry_run,
        ..engine::Kill::default()
    };
    change(context, "kill", &project, |engine, on_event| {
        engine::kill(engine, &project, request, on_event)
    })?;
    Ok(Exit::Done)
}
