//! `run`.

use super::interrupt;
use super::overlay::Overlay;
use super::terminal::{self, Manner};
use crate::cli::args::Run;
use crate::cli::context::{Context, no_such_service};
use crate::cli::exit::{Error, Exit};
use crate::cli::signals::{ENDING, Signals};
use crate::cli::term;
use crate::compose::LoadOptions;
use crate::compose::Loaded;
use crate::engine;
use crate::engine::{Attach, OneOff, RunReply};
use crate::id::ServiceName;
use serde_json::{Map, Value, json};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

/// Runs a command in a container of its own, with what its service has and depends on; its exit code is ours.
pub fn run(context: &Context, args: &Run) -> Result<Exit, Error> {
    super::refuse_build(args.build)?;
    let tty = wants_tty(context, args)?;
    let mut options = context.options()?;
    options.services = vec![args.service.clone()];
    let base = context.load(&options)?;
    let project = base.project.name.clone();
    let of: Vec<ServiceName> = ServiceName::new(&args.service).into_iter().collect();
    let quiet = args.quiet_pull || args.quiet;
    super::pull::needed(context, &base, &of, (args.pull, quiet))?;
    let request = request(context, args, (&options, &base), tty)?;
    let signals = Signals::hold(if tty {
        &terminal::WITH_TTY
    } else {
        &terminal::WITHOUT_TTY
    })
    .map_err(Error::io("hold signals back"))?;
    let (reply, interrupted) = bring_up(context, args, &project, request, &signals)?;
    if let Some(signal) = interrupted {
        drop(reply);
        return Ok(Exit::Signal(signal));
    }
    match reply? {
        RunReply::Plan(text) => super::plan(context, &project, &text).map(|()| Exit::Done),
        RunReply::Created => Ok(Exit::Done),
        RunReply::Started(container) => super::show(context, &format!("{}\n", container.container)),
        RunReply::Attached(_, session) => {
            let manner = Manner {
                raw: tty,
                forward: true,
                no_input: !args.interactive,
                detach_keys: tty.then(terminal::default_keys),
                ..Manner::default()
            };
            terminal::run(&context.view, session, &signals, manner)
        }
    }
}

fn bring_up(
    context: &Context,
    args: &Run,
    project: &crate::id::ProjectName,
    request: engine::Run,
    signals: &Signals,
) -> Result<(Result<RunReply, engine::Error>, Option<i32>), Error> {
    let (cancelled, cancel) = interrupt::pipe()?;
    let on_signal = |count, signal| match count {
        1 => drop(rustix::io::write(&cancel, b"x")),
        _ => signals.yield_to(signal),
    };
    let mut progress = context.progress("run");
    let (reply, first) = interrupt::watched(signals, on_signal, || {
        let mut show = |event: &_| {
            if !args.quiet {
                progress.event(event);
            }
        };
        engine::run(
            &context.engine(),
            project,
            request,
            &mut show,
            Some(cancelled.as_fd()),
        )
    })?;
    let ends = first.filter(|signal| ENDING.contains(signal) && reply.is_err());
    Ok((reply, ends.map(|signal| signal as i32)))
}

/// A terminal at both ends gives one to the command; asking for one without having one is an error.
fn wants_tty(context: &Context, args: &Run) -> Result<bool, Error> {
    let here = io::stdin().is_terminal() && context.view.stdout.terminal;
    match (args.tty && !args.detach, here) {
        (true, false) => Err(Error::hinted(
            "cannot allocate a terminal: stdin or stdout is none",
            "leave out `-t`",
        )),
        _ => Ok((here && !args.no_tty && !args.detach && args.interactive) || args.tty),
    }
}

fn request(
    context: &Context,
    args: &Run,
    (options, base): (&LoadOptions, &Loaded),
    tty: bool,
) -> Result<engine::Run, Error> {
    let of = base.project.services.get_key_value(args.service.as_str());
    let Some((of, _)) = of else {
        return Err(no_such_service(&args.service, base));
    };
    let changed = overlay(context, args)?.load(options, base, &args.service)?;
    let id = crate::id::ContainerId::random();
    let key = ServiceName::new(format!("{of}-run-{}", id.short()))
        .map_err(|error| Error::failed(error.to_string()))?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => format!("{}-{key}", base.project.name),
    };
    let canonical = with_one_off(base, &changed, (of, &key), |service| {
        service.insert("container_name".to_owned(), json!(name));
        service.insert("restart".to_owned(), json!("no"));
        service.insert("tty".to_owned(), json!(tty));
        let stdin = args.interactive && !args.detach;
        service.insert("stdin_open".to_owned(), json!(stdin));
    });
    let remove_orphans = args.remove_orphans || context.env.flag("COMPOSE_REMOVE_ORPHANS");
    Ok(engine::Run {
        up: engine::Up {
            services: vec![key],
            dry_run: context.global.dry_run,
            no_deps: args.no_deps,
            remove_orphans,
            ignore_orphans: context.env.flag("COMPOSE_IGNORE_ORPHANS"),
            parallel: context.parallel(),
            compatibility: context.compatibility(),
            canonical,
            ..engine::Up::default()
        },
        one_off: Some(OneOff {
            of: of.clone(),
            auto_remove: args.remove,
            use_aliases: args.use_aliases,
        }),
        attach: (!args.detach).then(|| Attach {
            stdin: args.interactive,
            lossless: true,
            terminal: tty.then(term::size),
            ..Attach::default()
        }),
    })
}

/// The project with one service more: what the flags have made of one of its own, to be run once.
fn with_one_off(
    base: &Loaded,
    changed: &Loaded,
    (of, key): (&ServiceName, &ServiceName),
    change: impl FnOnce(&mut Map<String, Value>),
) -> String {
    let tree = |loaded: &Loaded| -> Value {
        let text = loaded.canonical.text();
        serde_json::from_str(&text).expect("the canonical text is JSON")
    };
    let (mut project, mut changed) = (tree(base), tree(changed));
    let mut service = changed["services"][of.as_str()].take();
    if let Value::Object(service) = &mut service {
        service.remove("scale");
        if let Some(Value::Object(deploy)) = service.get_mut("deploy") {
            deploy.remove("replicas");
            deploy.remove("restart_policy");
        }
        change(service);
    }
    project["services"][key.as_str()] = service;
    // what the flags name may be new to the project
    if let Value::Object(volumes) = changed["volumes"].take() {
        for (name, volume) in volumes {
            project["volumes"][name] = volume;
        }
    }
    project.to_string()
}

/// The flags as attributes.
fn overlay(context: &Context, args: &Run) -> Result<Overlay, Error> {
    let mut overlay = Overlay::default();
    if let Some(entrypoint) = &args.entrypoint {
        overlay.replace("entrypoint", &json!(entrypoint));
    }
    if !args.command.is_empty() || args.entrypoint.is_some() {
        overlay.replace("command", &json!(args.command));
    }
    if !args.publish.is_empty() {
        overlay.replace("ports", &json!(args.publish));
    } else if !args.service_ports {
        overlay.reset("ports");
    }
    let mut env = super::environment_of_files(context, &args.env_from_file)?;
    env.extend(args.env.iter().cloned());
    overlay.merge_list("environment", &env);
    overlay.merge_list("labels", &args.label);
    overlay.merge_list("volumes", &args.volume);
    overlay.merge_list("cap_add", &args.cap_add);
    overlay.merge_list("cap_drop", &args.cap_drop);
    for (key, value) in [("user", &args.user), ("working_dir", &args.workdir)] {
        if let Some(value) = value {
            overlay.merge(key, &json!(value));
        }
    }
    Ok(overlay)
}
