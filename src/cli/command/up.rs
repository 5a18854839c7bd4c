//! `up`.

use super::attached::Attached;
use super::follower::Follower;
use super::interrupt;
use super::timings::Told;
use crate::cli::args::{PullWhen, Up};
use crate::cli::context::Context;
use crate::cli::context::no_such_service;
use crate::cli::exit::{Error, Exit};
use crate::cli::signals::{ENDING, Signals};
use crate::cli::view::timings::Needs;
use crate::compose::Loaded;
use crate::engine;
use crate::engine::UpReply;
use crate::id::ServiceName;
use crate::state::event::Event;
use nix::sys::signal::Signal;
use std::collections::HashSet;
use std::io::IsTerminal;
use std::os::fd::AsFd;

/// Brings the project up; attached, stays with it until it has ended or is told to end.
pub fn run(context: &Context, args: &Up) -> Result<Exit, Error> {
    refuse(context, args)?;
    let mut options = context.options()?;
    options.services = args.services.iter().map(ToString::to_string).collect();
    let loaded = context.load(&options)?;
    loaded
        .runnable()
        .map_err(|found| Error::Compose(Box::new(found)))?;
    check_names(args, &loaded)?;
    let dry_run = context.global.dry_run;
    let attached = !(args.detach || args.wait || args.no_start || dry_run);
    let request = request(context, args, &loaded)?;

    // held before threads are started: they inherit what is held
    let signals = Signals::hold(&ENDING).map_err(Error::io("hold signals back"))?;
    let engine = context.engine();
    let since = super::now();
    let services = selected(args, &loaded);
    let images = images(context, args, &loaded, &services)?;
    let names: Vec<String> = services.iter().map(ToString::to_string).collect();
    let attachment = Attached {
        context,
        engine: &engine,
        project: &loaded.project.name,
        services,
        timeout: args.timeout,
        exit_code_from: args.exit_code_from.clone(),
        loaded: &loaded,
        watch: args.watch,
        menu: wants_menu(context, args),
    };
    let work = (images, request);
    let mut told = Told::when(args.timings.is_some() && !dry_run);
    let (reply, interrupted) = bring_up(&attachment, work, &signals, attached, &mut told)?;
    if let Some(file) = args.timings.as_ref().filter(|_| !dry_run) {
        let needs = Needs::of(&loaded);
        told.write(context, attachment.project.as_str(), &needs, file)?;
    }
    if attached {
        if interrupted.is_none() {
            reply?;
        }
        let follower = Follower::new(context, args, &loaded, &names, since);
        return attachment.stay(follower, &signals, interrupted);
    }
    if let Some(signal) = interrupted {
        return Ok(Exit::Signal(signal as i32));
    }
    if let UpReply::Plan(text) = reply? {
        super::plan(context, attachment.project, &text)?;
    }
    Ok(Exit::Done)
}

/// Keys are listened to on a terminal, unless a flag or variable says no.
fn wants_menu(context: &Context, args: &Up) -> bool {
    let by_variable = context
        .env
        .get("COMPOSE_MENU")
        .map(|_| context.env.flag("COMPOSE_MENU"));
    let terminals = std::io::stdin().is_terminal() && context.view.stderr.terminal;
    terminals && args.menu.or(by_variable).unwrap_or(!context.env.ci())
}

/// The images that have to be here first.
fn images(
    context: &Context,
    args: &Up,
    loaded: &Loaded,
    services: &[ServiceName],
) -> Result<Images, Error> {
    let scaled = |name: &ServiceName| {
        let flag = args.scale.iter().rfind(|(scaled, _)| scaled == name);
        let in_file = loaded.project.services.get(name).map(|it| it.scale);
        flag.map(|(_, count)| *count).or(in_file).unwrap_or(1)
    };
    let running: Vec<ServiceName> = services
        .iter()
        .filter(|it| scaled(it) > 0)
        .cloned()
        .collect();
    let policy = engine::Policy {
        flag: args.pull.and_then(PullWhen::policy),
        otherwise: engine::When::Missing,
        platform: context.env.get("DOCKER_DEFAULT_PLATFORM"),
    };
    let nothing = context.global.dry_run;
    let images = match nothing {
        true => Vec::new(),
        false => engine::wanted(loaded, &running, policy),
    };
    Ok(Images {
        pull: engine::Pull {
            images,
            settings: super::registries(context)?,
            ignore_failures: false,
            tell_skipped: false,
        },
        lock: ((args.locked || args.offline) && !nothing)
            .then(|| super::lock::of_project(loaded, &running, args.offline)),
        quiet: args.quiet_pull,
    })
}

/// What to fetch before anything is brought up.
struct Images {
    pull: engine::Pull,
    /// Only what this names.
    lock: Option<engine::Lock>,
    quiet: bool,
}

/// The reply of the engine, and the signal that interrupted it: the first one cancels what has not begun yet, the second
/// kills what has, if we are attached to it; one more ends us, whatever the supervisor is doing.
fn bring_up(
    attachment: &Attached<'_>,
    (images, request): (Images, engine::Up),
    signals: &Signals,
    attached: bool,
    told: &mut Told,
) -> Result<(Result<UpReply, engine::Error>, Option<Signal>), Error> {
    let (cancelled, cancel) = interrupt::pipe()?;
    let on_signal = |count, signal| match count {
        1 => drop(rustix::io::write(&cancel, b"x")),
        2 if attached => attachment.kill(),
        _ => signals.yield_to(signal),
    };
    let mut progress = attachment.context.progress("up");
    let engine = attachment.engine;
    let quiet = images.quiet;
    interrupt::watched(signals, on_signal, || {
        let mut show = |event: &Event, quiet: bool| {
            told.hear(event);
            if !quiet {
                progress.event(event);
            }
        };
        let mut on_pull = |event: &Event| show(event, quiet);
        let stop = Some(cancelled.as_fd());
        match &images.lock {
            Some(lock) => engine::bring_locked(engine, lock, &images.pull, &mut on_pull, stop)?,
            None => drop(engine::pull(engine, &images.pull, &mut on_pull, stop)?),
        }
        engine::up(
            engine,
            attachment.project,
            request,
            &mut |event| show(event, false),
            Some(cancelled.as_fd()),
        )
    })
}

/// What `up` brings up: the named services with what they depend on, or all, in the order of the file.
fn selected(args: &Up, loaded: &Loaded) -> Vec<ServiceName> {
    let services = &loaded.project.services;
    let mut wanted: HashSet<&ServiceName> = HashSet::new();
    let mut next: Vec<&ServiceName> = match args.services.as_slice() {
        [] => services.keys().collect(),
        named => named.iter().collect(),
    };
    while let Some(name) = next.pop() {
        if wanted.insert(name)
            && !args.no_deps
            && let Some(service) = services.get(name)
        {
            next.extend(service.depends_on.keys());
        }
    }
    let names = services.keys().filter(|name| wanted.contains(name));
    names.cloned().collect()
}

/// Flags that ask for what is not there yet are an error, never ignored.
fn refuse(context: &Context, args: &Up) -> Result<(), Error> {
    let not_yet = |flag: &str, hint: &str| {
        let hint = Some(hint.to_owned());
        Err(Error::usage(
            format!("`{flag}` is not implemented yet"),
            hint,
        ))
    };
    if args.build {
        return not_yet(
            "--build",
            "make the image elsewhere and bring it in with `hoist load -i FILE`",
        );
    }
    if remove_orphans(context, args) && context.env.flag("COMPOSE_IGNORE_ORPHANS") {
        return Err(Error::usage(
            "cannot combine COMPOSE_IGNORE_ORPHANS and --remove-orphans",
            None,
        ));
    }
    Ok(())
}

fn remove_orphans(context: &Context, args: &Up) -> bool {
    args.remove_orphans || context.env.flag("COMPOSE_REMOVE_ORPHANS")
}

/// Every service that a flag names must be one of the project's.
fn check_names(args: &Up, loaded: &Loaded) -> Result<(), Error> {
    let scaled = args.scale.iter().map(|(name, _)| name);
    let named = scaled
        .chain(&args.attach)
        .chain(&args.no_attach)
        .chain(&args.exit_code_from);
    for name in named {
        if !loaded.project.services.contains_key(name) {
            return Err(no_such_service(name.as_str(), loaded));
        }
    }
    Ok(())
}

fn request(context: &Context, args: &Up, loaded: &Loaded) -> Result<engine::Up, Error> {
    Ok(engine::Up {
        canonical: loaded.canonical.text(),
        services: args.services.clone(),
        wait: args.wait,
        wait_timeout: args.wait_timeout.filter(|_| args.wait),
        dry_run: context.global.dry_run,
        scale: args.scale.iter().cloned().collect(),
        force_recreate: args.force_recreate,
        no_recreate: args.no_recreate,
        always_recreate_deps: args.always_recreate_deps,
        remove_orphans: remove_orphans(context, args),
        ignore_orphans: context.env.flag("COMPOSE_IGNORE_ORPHANS"),
        no_deps: args.no_deps,
        no_start: args.no_start,
        renew_anonymous_volumes: args.renew_anon_volumes,
        renew_volumes: args.yes,
        timeout: args.timeout,
        parallel: context.parallel(),
        compatibility: context.compatibility(),
    })
}
