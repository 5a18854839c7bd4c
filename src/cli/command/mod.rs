//! The verbs, one file each: flags to a request, a reply to a view.
//!
//! Invariants: a verb decides nothing about containers, the engine does; nothing here writes but through the view.

mod attach;
mod attached;
mod boot;
mod commit;
pub mod complete;
mod config;
mod container;
mod container_run;
mod cp;
mod create;
mod dash;
mod doctor;
mod down;
mod events;
mod exec;
mod follower;
mod image;
mod images;
mod inspect;
mod interrupt;
mod kill;
mod lock;
mod login;
mod logout;
mod logs;
mod ls;
mod menu;
mod network_create;
mod overlay;
mod pause;
mod port;
mod project;
mod ps;
mod publish;
mod pull;
mod push;
mod refused;
mod resources;
mod restart;
mod rm;
mod run;
mod scale;
mod selfhelp;
mod solo;
mod start;
mod stats;
mod stop;
mod system;
mod terminal;
mod timings;
mod top;
mod up;
mod version;
mod viz;
mod volumes;
mod wait;
mod watch;

pub use self::refused::refused;
pub use self::version::docker_version;

use super::args::{Alpha, Cli, DryRun, Itself, Named, Verb};
use super::context::Context;
use super::exit::{Error, Exit};
use super::signals::{ENDING, Signals};
use super::view::document;
use super::view::listing::{Fields, Form};
use crate::compose::LoadOptions;
use crate::engine;
use crate::engine::Engine;
use crate::engine::UpReply;
use crate::id::ProjectName;
use crate::state::event::Event;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Runs a verb.
pub fn run(context: &Context, verb: Verb) -> Result<Exit, Error> {
    match verb {
        Verb::Up(Named(args)) => up::run(context, &args),
        Verb::Down(Named(args)) => down::run(context, &args),
        Verb::Ps(Named(args)) => ps::run(context, &args),
        Verb::Logs(Named(args)) => logs::run(context, &args),
        Verb::Exec(Named(args)) => exec::run(context, args),
        Verb::Run(Named(args)) => run::run(context, &args),
        Verb::Config(Named(args)) => config::run(context, &args),
        Verb::Stop(Named(args)) => stop::run(context, args),
        Verb::Start(Named(args)) => start::run(context, args),
        Verb::Restart(Named(args)) => restart::run(context, args),
        Verb::Create(Named(args)) => create::run(context, &args),
        Verb::Scale(Named(args)) => scale::run(context, &args),
        Verb::Pause(Named(args)) => pause::pause(context, args),
        Verb::Unpause(Named(args)) => pause::unpause(context, args),
        Verb::Kill(Named(args)) => kill::run(context, args),
        Verb::Rm(Named(args)) => rm::run(context, args),
        Verb::Wait(Named(args)) => wait::run(context, args),
        Verb::Attach(Named(args)) => attach::run(context, &args),
        Verb::Cp(Named(args)) => cp::run(context, &args),
        Verb::Stats(Named(args)) => stats::run(context, &args),
        Verb::Dash(Named(args)) => dash::run(context, &args),
        Verb::Top(Named(args)) => top::run(context, args),
        Verb::Timings(Named(args)) => timings::run(context, &args),
        Verb::Events(Named(args)) => events::run(context, &args),
        Verb::Watch(Named(args)) => watch::run(context, &args),
        Verb::Volumes(Named(args)) => volumes::run(context, &args),
        Verb::Viz(Named(args)) => viz::run(context, &args),
        Verb::Alpha(Named(verb)) => alpha(context, verb),
        Verb::Container(Named(args)) => container::run(context, args),
        Verb::Network(Named(args)) => resources::network(context, args),
        Verb::Volume(Named(args)) => resources::volume(context, args),
        Verb::Project(Named(args)) => project::run(context, args),
        Verb::Ls(Named(args)) => ls::run(context, &args),
        Verb::Port(Named(args)) => port::run(context, &args),
        Verb::Pull(Named(args)) => pull::run(context, &args),
        Verb::Push(Named(args)) => push::run(context, &args),
        Verb::Publish(Named(args)) => publish::run(context, args),
        Verb::Login(Named(args)) => login::run(context, &args),
        Verb::Logout(Named(args)) => logout::run(context, &args),
        Verb::Images(Named(args)) => image::used(context, &args),
        Verb::Image(Named(args)) => image::run(context, args),
        Verb::History(Named(args)) => image::history(context, &args),
        Verb::Inspect(Named(args)) => inspect::run(context, &args),
        Verb::System(Named(args)) => system::run(context, args),
        Verb::Lock(Named(args)) => lock::lock(context, &args),
        Verb::Vendor(Named(args)) => lock::vendor(context, &args),
        Verb::Export(Named(args)) => commit::export(context, args),
        Verb::Commit(Named(args)) => commit::commit(context, args),
        Verb::Rmi(Named(args)) => images::remove(context, &args),
        Verb::Save(Named(args)) => images::save(context, &args),
        Verb::Load(Named(args)) => images::load(context, &args),
        Verb::Import(Named(args)) => images::import(context, &args),
        Verb::Tag(Named(args)) => images::tag(context, &args),
        Verb::Itself(verb) => itself(context, verb),
    }
}

/// Runs a verb about hoist itself.
fn itself(context: &Context, verb: Itself) -> Result<Exit, Error> {
    match verb {
        Itself::Doctor(Named(args)) => doctor::run(context, &args),
        Itself::Version(Named(args)) => version::run(context, &args),
        Itself::Completion(Named(args)) => selfhelp::completion(context, &args),
        Itself::Man(Named(args)) => selfhelp::man(context, &args),
    }
}

/// Runs `alpha …`.
fn alpha(context: &Context, verb: Alpha) -> Result<Exit, Error> {
    match verb {
        Alpha::Scale(args) => scale::run(context, &args),
        Alpha::Watch(args) => watch::run(context, &args),
        Alpha::Viz(args) => viz::run(context, &args),
        Alpha::Publish(args) => publish::run(context, args),
        Alpha::DryRun(args) => dry_run(context, args),
    }
}

/// Runs a verb that changes something, with progress; says whether anything happened. The first signal cancels what has not
/// begun, the second ends us, whatever the supervisor is doing.
fn change(
    context: &Context,
    verb: &'static str,
    project: &ProjectName,
    call: impl FnOnce(&Engine, &mut dyn FnMut(&Event)) -> Result<UpReply, engine::Error>,
) -> Result<bool, Error> {
    // held before threads are started: they inherit what is held
    let signals = Signals::hold(&ENDING).map_err(Error::io("hold signals back"))?;
    let (cancelled, cancel) = interrupt::pipe()?;
    let engine = Engine {
        cancel: Some(Arc::new(cancelled)),
        ..context.engine()
    };
    let on_signal = |count, signal| match count {
        1 => drop(rustix::io::write(&cancel, b"x")),
        _ => signals.yield_to(signal),
    };
    let mut progress = context.progress(verb);
    let mut happened = false;
    let (reply, interrupted) = interrupt::watched(&signals, on_signal, || {
        call(&engine, &mut |event| {
            happened = true;
            progress.event(event);
        })
    })?;
    drop(progress);
    if let Some(signal) = interrupted.filter(|_| reply.is_err()) {
        return Err(Error::Interrupted(signal as i32));
    }
    if let UpReply::Plan(text) = reply? {
        plan(context, project, &text)?;
        return Ok(true);
    }
    Ok(happened)
}

/// Shows what a dry run would have done.
fn plan(context: &Context, project: &ProjectName, text: &str) -> Result<(), Error> {
    if text.trim().is_empty() {
        context
            .view
            .say(&format!("project `{project}`: nothing to do\n"));
        return Ok(());
    }
    let end = if text.ends_with('\n') { "" } else { "\n" };
    context
        .view
        .data(&format!("{text}{end}"))
        .map_err(Error::Output)
}

/// What is configured about registries.
fn registries(context: &Context) -> Result<engine::Settings, Error> {
    let settings = engine::Settings::from_environment(&context.env.vars);
    let mut settings = settings.map_err(engine::Error::from)?;
    for host in &context.global.insecure_registry {
        settings.trust(host);
    }
    Ok(settings)
}

/// Verbs that have no dry run must not run when one is asked for.
fn refuse_dry_run(context: &Context, verb: &str) -> Result<(), Error> {
    if context.global.dry_run {
        let message = format!("`{verb}` has no dry run");
        return Err(Error::usage(message, None));
    }
    Ok(())
}

/// The dry run of a verb that has no plan.
fn would(context: &Context, words: &str) -> Result<Exit, Error> {
    show(context, &format!("{words}\n"))
}

/// `alpha dry-run -- COMMAND…`: the same as `--dry-run COMMAND…`.
fn dry_run(context: &Context, args: DryRun) -> Result<Exit, Error> {
    let words = std::iter::once("hoist".to_owned()).chain(args.command);
    let words: Vec<OsString> = words.map(OsString::from).collect();
    let cli = match Cli::read(&words) {
        Ok(cli) => cli,
        Err(refused) => return self::refused(&context.view, &refused, &words),
    };
    let Some(verb) = cli.verb else {
        return Err(Error::usage("no command to try", None));
    };
    let mut global = context.global.clone();
    global.dry_run = true;
    let context = Context {
        global,
        env: context.env.clone(),
        view: context.view.clone(),
    };
    run(&context, verb)
}

/// There is no builder: what asks for it says so.
fn refuse_build(build: bool) -> Result<(), Error> {
    if build {
        return Err(Error::usage(
            "`--build` is not implemented yet",
            Some("make the image elsewhere and bring it in with `hoist load -i FILE`".to_owned()),
        ));
    }
    Ok(())
}

/// The variables of `--env-from-file`, read as `env_file` is.
fn environment_of_files(context: &Context, files: &[PathBuf]) -> Result<Vec<String>, Error> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let options = context.options()?;
    let files: Vec<PathBuf> = files
        .iter()
        .map(|file| options.working_directory.join(file))
        .collect();
    let document = serde_json::json!({
        "name": "flags",
        "services": { "flags": { "image": "host", "env_file": files } },
    });
    let document = document.to_string().replace('$', "$$");
    let loaded = context.load(&LoadOptions {
        files: vec![PathBuf::from("-")],
        stdin: Some(document.into_bytes()),
        project_name: Some("flags".to_owned()),
        env_files: Vec::new(),
        profiles: Vec::new(),
        services: Vec::new(),
        ..options
    })?;
    let services = loaded.project.services.into_values();
    let environment = services.flat_map(|service| service.environment);
    let pair = |(key, value): (String, Option<String>)| Some(format!("{key}={}", value?));
    Ok(environment.filter_map(pair).collect())
}

/// `KEY=VALUE`, each; a key alone has an empty value.
fn pairs(list: &[String]) -> BTreeMap<String, String> {
    list.iter().map(|it| pair(it)).collect()
}

fn pair(text: &str) -> (String, String) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (key.to_owned(), value.to_owned())
}

/// Reads `--format`.
fn form(fields: &Fields, format: &str) -> Result<Form, Error> {
    fields.form(format).map_err(|error| {
        let hint = match error {
            document::Error::UnknownField(_) => Some(format!("fields: {}", fields.names())),
            _ => None,
        };
        Error::usage(error.to_string(), hint)
    })
}

/// Writes data to stdout: the end of most commands that look.
fn show(context: &Context, text: &str) -> Result<Exit, Error> {
    context.view.data(text).map_err(Error::Output)?;
    Ok(Exit::Done)
}

/// Nanoseconds since the epoch.
fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}
