//! `container …`: single containers of the whole installation, by name or id.

use super::logs::period;
use super::ps::Filter;
use super::resources::{Documents, each, prune};
use super::terminal::{self, Manner};
use super::{container_run, show};
use crate::cli::args::Container;
use crate::cli::args::Cp;
use crate::cli::args::container as args;
use crate::cli::args::inspect::Tail;
use crate::cli::args::resources::Inspect;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::signals::Signals;
use crate::cli::term;
use crate::cli::view::containers;
use crate::cli::view::inspected;
use crate::cli::view::lines::{LineStyle, Prefixer};
use crate::cli::view::processes;
use crate::engine;
use crate::engine::{ContainerState, ContainerSummary, Engine, Kill, Place, Remove, Select, Start};
use std::cmp::Reverse;
use std::ops::ControlFlow;
use std::os::fd::AsFd;

/// Runs a `container` command.
pub fn run(context: &Context, command: Container) -> Result<Exit, Error> {
    let engine = &context.engine();
    match command {
        Container::Run(args) => container_run::run(context, &args),
        Container::Create(args) => container_run::create(context, &args),
        Container::Ls(args) => list(context, &args),
        Container::Logs(args) => logs(context, &args),
        Container::Exec(args) => exec(context, args),
        Container::Attach(args) => attach(context, &args),
        Container::Cp(args) => cp(context, args),
        Container::Port(args) => port(context, &args),
        Container::Inspect(args) => inspect(context, &args),
        Container::Wait(args) => wait(context, &args.names),
        Container::Top(args) => {
            let it = engine::container(engine, &args.name)?;
            let list = engine::top(engine, &it.project, select(&it, None))?;
            let columns = context.view.columns();
            show(context, &processes::table(&list, super::now(), columns))
        }
        changing => change(context, changing),
    }
}

/// Commands that change each of the named containers.
fn change(context: &Context, command: Container) -> Result<Exit, Error> {
    let engine = &context.engine();
    match command {
        Container::Start(args) => each(context, &args.names, "start", |name| {
            let it = engine::container(engine, name)?;
            let request = Start {
                containers: vec![it.id.clone()],
                ..Start::default()
            };
            engine::start(engine, &it.project, request, &mut |_| ()).map(drop)
        }),
        Container::Stop(args) => each(context, &args.names, "stop", |name| {
            let it = engine::container(engine, name)?;
            engine::stop(engine, &it.project, select(&it, args.timeout), &mut |_| ()).map(drop)
        }),
        Container::Restart(args) => each(context, &args.names, "restart", |name| {
            let it = engine::container(engine, name)?;
            engine::restart(engine, &it.project, select(&it, args.timeout), &mut |_| ()).map(drop)
        }),
        Container::Pause(args) => each(context, &args.names, "pause", |name| {
            let it = engine::container(engine, name)?;
            engine::pause(engine, &it.project, select(&it, None), &mut |_| ()).map(drop)
        }),
        Container::Unpause(args) => each(context, &args.names, "unpause", |name| {
            let it = engine::container(engine, name)?;
            engine::unpause(engine, &it.project, select(&it, None), &mut |_| ()).map(drop)
        }),
        Container::Kill(args) => each(context, &args.names, "kill", |name| {
            let it = engine::container(engine, name)?;
            let request = Kill {
                signal: args.signal.clone(),
                containers: vec![it.id.clone()],
                ..Kill::default()
            };
            engine::kill(engine, &it.project, request, &mut |_| ()).map(drop)
        }),
        Container::Rm(args) => {
            if !args.force {
                refuse_running(engine, &args.names)?;
            }
            each(context, &args.names, "remove", |name| {
                remove(engine, name, args.volumes)
            })
        }
        Container::Prune(args) => {
            let over = |it: &ContainerSummary| {
                matches!(it.state, ContainerState::Created | ContainerState::Exited)
            };
            let all = engine::containers(engine)?.into_iter();
            let names: Vec<String> = all.filter(over).map(|it| it.name).collect();
            prune(context, "containers", &names, args.force, |name| {
                remove(engine, name, false)
            })
        }
        looking => run(context, looking),
    }
}

fn select(it: &ContainerSummary, timeout: Option<std::time::Duration>) -> Select {
    Select {
        containers: vec![it.id.clone()],
        timeout,
        ..Select::default()
    }
}

fn refuse_running(engine: &Engine, names: &[String]) -> Result<(), Error> {
    for name in names {
        let it = engine::container(engine, name)?;
        if !matches!(
            it.state,
            ContainerState::Created | ContainerState::Exited | ContainerState::Dead
        ) {
            return Err(Error::hinted(
                format!("container `{}` runs", it.name),
                "stop it first, or remove it with `-f`",
            ));
        }
    }
    Ok(())
}

fn remove(engine: &Engine, name: &str, volumes: bool) -> Result<(), engine::Error> {
    let it = engine::container(engine, name)?;
    let request = Remove {
        stop: true,
        volumes,
        containers: vec![it.id.clone()],
        ..Remove::default()
    };
    engine::rm(engine, &it.project, request, &mut |_| ())?;
    if it.labels.contains_key(engine::SOLO) {
        engine::leave_solo(engine, &it.project, &mut |_| ())?;
    }
    Ok(())
}

fn list(context: &Context, args: &args::ListContainers) -> Result<Exit, Error> {
    let form = super::form(&containers::FIELDS, &args.format)?;
    let last = args.last.or(args.latest.then_some(1));
    let mut filter = Filter::read(&args.filter)?;
    filter.all = args.all || last.is_some();
    filter.one_offs = true;
    let mut all = engine::containers(&context.engine())?;
    all.retain(|it| filter.takes(it));
    if let Some(last) = last {
        all.sort_by_key(|it| Reverse(it.created));
        all.truncate(last);
    }
    if args.quiet {
        let ids: String = all.iter().map(|it| format!("{}\n", &it.id[..12])).collect();
        return show(context, &ids);
    }
    let now = super::now();
    let rows: Vec<_> = all
        .iter()
        .map(|it| containers::row(it, now, args.no_trunc))
        .collect();
    let text = containers::FIELDS.fitted(&rows, &form, context.view.columns())?;
    show(context, &text)
}

fn inspect(context: &Context, args: &Inspect) -> Result<Exit, Error> {
    let format = Documents::read(args.format.as_deref())?;
    let engine = context.engine();
    let mut found = Vec::new();
    for name in &args.names {
        let it = engine::container(&engine, name)?;
        found.push(inspected::container(&it));
    }
    show(context, &format.render(&found)?)
}

fn wait(context: &Context, names: &[String]) -> Result<Exit, Error> {
    let engine = context.engine();
    for name in names {
        let it = engine::container(&engine, name)?;
        for (_, code) in engine::wait(&engine, &it.project, select(&it, None))? {
            show(context, &format!("{code}\n"))?;
        }
    }
    Ok(Exit::Done)
}

fn logs(context: &Context, args: &args::Logs) -> Result<Exit, Error> {
    let engine = context.engine();
    let it = engine::container(&engine, &args.name)?;
    if it.unlogged {
        return Err(Error::failed(super::logs::unlogged(&it.name)));
    }
    let period = period(args.since.as_deref(), args.until.as_deref())?;
    let request = engine::Logs {
        services: vec![it.service.clone()],
        container: Some(it.id.clone()),
        follow: args.follow,
        tail: match args.tail {
            Tail::All => None,
            Tail::Last(lines) => Some(lines),
        },
        since: period.since,
        until: period.until,
        previous: false,
        live: false,
    };
    let style = LineStyle {
        prefix: false,
        timestamps: args.timestamps,
        style: context.view.log_style(true),
    };
    let mut prefixer = Prefixer::new(it.project.as_str(), Vec::new(), style);
    let mut out = context.view.buffered(args.follow);
    let mut broken = None;
    engine::logs(&engine, &it.project, &request, None, &mut |line| match out
        .line(line.stream, &prefixer.line(super::logs::said(line)))
    {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            broken = Some(error);
            ControlFlow::Break(())
        }
    })?;
    let ended = broken.map_or_else(|| out.finish(), Err);
    ended.map_err(Error::Output)?;
    Ok(Exit::Done)
}

fn attach(context: &Context, args: &args::Attach) -> Result<Exit, Error> {
    let it = engine::container(&context.engine(), &args.name)?;
    let place = Place {
        service: it.service,
        index: None,
        container: Some(it.id),
    };
    super::attach::join(context, &it.project, place, &args.joining)
}

fn cp(context: &Context, args: args::Copy) -> Result<Exit, Error> {
    let copy = Cp {
        source: args.source,
        target: args.target,
        how: args.how,
        index: None,
        all: true,
    };
    super::cp::copy(context, &copy, None)
}

fn port(context: &Context, args: &args::Port) -> Result<Exit, Error> {
    let it = engine::container(&context.engine(), &args.name)?;
    let wanted = args.port.as_deref();
    let wanted = wanted.map(|it| it.split_once('/').unwrap_or((it, "tcp")));
    let mut text = String::new();
    for port in &it.ports {
        let place = containers::host(&port.host_ip, &port.published.to_string());
        let (target, protocol) = (port.target.to_string(), port.protocol.as_str());
        match wanted {
            None => text += &format!("{target}/{protocol} -> {place}\n"),
            Some(wanted) if wanted == (&*target, protocol) => text += &format!("{place}\n"),
            Some(_) => {}
        }
    }
    match wanted {
        Some((port, protocol)) if text.is_empty() => Err(Error::failed(format!(
            "port {port}/{protocol} of container `{}` is not published",
            it.name
        ))),
        _ => show(context, &text),
    }
}

fn exec(context: &Context, args: args::Exec) -> Result<Exit, Error> {
    let engine = context.engine();
    let it = engine::container(&engine, &args.name)?;
    if context.global.dry_run {
        let words = format!("execute `{}` in `{}`", args.command.join(" "), it.name);
        return super::would(context, &words);
    }
    let tty = args.tty && !args.detach;
    if tty && rustix::termios::tcgetwinsize(std::io::stdin().as_fd()).is_err() {
        return Err(Error::hinted("stdin is no terminal", "leave out `-t`"));
    }
    let signals = Signals::hold(if tty {
        &terminal::WITH_TTY
    } else {
        &terminal::WITHOUT_TTY
    })
    .map_err(Error::io("hold signals back"))?;
    let request = engine::Exec {
        container: Some(it.id),
        service: it.service,
        command: args.command,
        tty: tty.then(term::size),
        stdin: args.interactive && !args.detach,
        env: super::exec::environment(context, args.env),
        user: args.user,
        workdir: args.workdir,
        privileged: args.privileged,
        detach: args.detach,
        ..engine::Exec::default()
    };
    let session = engine::exec(&engine, &it.project, request)?;
    if args.detach {
        return Ok(Exit::Done);
    }
    let manner = Manner {
        raw: tty,
        no_input: !args.interactive && !tty,
        ..Manner::default()
    };
    terminal::run(&context.view, session, &signals, manner)
}
