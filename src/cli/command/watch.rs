//! `watch`, and `up --watch`: what changes here is brought into the containers.

use super::{change, interrupt, pull};
use crate::cli::args::Watch;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::signals::{ENDING, Signals};
use crate::cli::view::View;
use crate::cli::view::progress::Progress;
use crate::compose::Loaded;
use crate::engine;
use crate::engine::{Engine, Watched};
use crate::id::ServiceName;
use std::os::fd::{AsFd, OwnedFd};

/// Brings the services up, then watches until the user says so.
pub fn run(context: &Context, args: &Watch) -> Result<Exit, Error> {
    let mut options = context.options()?;
    options.services = args.services.iter().map(ToString::to_string).collect();
    let loaded = context.load_runnable(&options)?;
    if context.global.dry_run {
        return super::would(context, "watch");
    }
    let signals = Signals::hold(&ENDING).map_err(Error::io("hold signals back"))?;
    if !args.no_up {
        up(context, args, &loaded)?;
    }
    let (cancelled, cancel) = interrupt::pipe()?;
    let (engine, services) = (context.engine(), services(&args.services, &loaded));
    let stop = |_, _| {
        let _ = rustix::io::write(&cancel, b"x");
    };
    let quiet = args.quiet;
    let (watched, signal) = interrupt::watched(&signals, stop, || {
        watch(
            &context.view,
            &engine,
            (&loaded, &services),
            &cancelled,
            quiet,
        )
    })?;
    watched?;
    Ok(signal.map_or(Exit::Done, |signal| Exit::Signal(signal as i32)))
}

fn up(context: &Context, args: &Watch, loaded: &Loaded) -> Result<(), Error> {
    pull::needed(context, loaded, &args.services, (None, args.quiet))?;
    let request = engine::Up {
        canonical: loaded.canonical.text(),
        services: args.services.clone(),
        parallel: context.parallel(),
        compatibility: context.compatibility(),
        ..engine::Up::default()
    };
    let project = &loaded.project.name;
    change(context, "up", project, |engine, on_event| {
        engine::up(engine, project, request, on_event, None)
    })?;
    Ok(())
}

/// The services whose rules are meant.
pub fn services(named: &[ServiceName], loaded: &Loaded) -> Vec<ServiceName> {
    match named {
        [] => loaded.project.services.keys().cloned().collect(),
        named => named.to_vec(),
    }
}

/// Watches until `cancelled` is readable, and says what it does.
pub fn watch(
    view: &View,
    engine: &Engine,
    (loaded, services): (&Loaded, &[ServiceName]),
    cancelled: &OwnedFd,
    quiet: bool,
) -> Result<(), engine::Error> {
    let project = &loaded.project.name;
    let say = |text: String| {
        if !quiet {
            view.note(&text);
        }
    };
    let mut told = |watched: Watched<'_>| match watched {
        Watched::Begun(1) => say("Watch enabled for 1 path\n".to_owned()),
        Watched::Begun(rules) => say(format!("Watch enabled for {rules} paths\n")),
        Watched::Synced(service, 1) => say(format!("Synced 1 path to {service}\n")),
        Watched::Synced(service, count) => say(format!("Synced {count} paths to {service}\n")),
        Watched::Restarted(service) => say(format!("Restarted {service}\n")),
        Watched::Executed(service, 0) => say(format!("Ran the command of {service}\n")),
        Watched::Executed(service, code) => {
            view.warn(&format!("the command of {service} ended with code {code}"));
        }
        Watched::Rebuild(service, path) => view.warn(&format!(
            "`{}` has changed: {service} needs another image, and hoist does not build yet; \
             make it elsewhere, then `hoist load -i FILE` and `hoist up -d {service}`",
            path.display()
        )),
        Watched::Failed(service, error) => {
            let causes: String = error.causes().iter().map(|c| format!(": {c}")).collect();
            view.warn(&format!("{service}: {error}{causes}"));
        }
        Watched::Event(event) => {
            if !quiet {
                Progress::beside_logs(view).event(event);
            }
        }
    };
    engine::watch(
        engine,
        project,
        (&loaded.canonical, services),
        cancelled.as_fd(),
        &mut told,
    )
}
