//! The verbs, one file each: flags to a request, a reply to a view.
//!
//! Invariants: a verb decides nothing about containers, the engine does; nothing here writes but through the view.

mod attached;
mod config;
mod down;
mod exec;
mod follower;
mod images;
mod interrupt;
mod kill;
mod login;
mod logout;
mod logs;
mod ls;
mod port;
mod ps;
mod pull;
mod push;
mod restart;
mod rm;
mod selfhelp;
mod start;
mod stop;
mod terminal;
mod up;
mod version;
mod wait;

use super::args::Verb;
use super::context::Context;
use super::exit::{Error, Exit};
use super::view::View;
use super::view::listing::{Fields, Form};
use super::view::template;
use crate::engine;
use crate::engine::Engine;
use crate::engine::UpReply;
use crate::id::ProjectName;
use crate::state::event::Event;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Runs a verb.
pub fn run(context: &Context, verb: Verb) -> Result<Exit, Error> {
    match verb {
        Verb::Up(args) => up::run(context, &args),
        Verb::Down(args) => down::run(context, &args),
        Verb::Ps(args) => ps::run(context, &args),
        Verb::Logs(args) => logs::run(context, &args),
        Verb::Exec(args) => exec::run(context, args),
        Verb::Config(args) => config::run(context, &args),
        Verb::Stop(args) => stop::run(context, args),
        Verb::Start(args) => start::run(context, args),
        Verb::Restart(args) => restart::run(context, args),
        Verb::Kill(args) => kill::run(context, args),
        Verb::Rm(args) => rm::run(context, args),
        Verb::Wait(args) => wait::run(context, args),
        Verb::Ls(args) => ls::run(context, &args),
        Verb::Port(args) => port::run(context, &args),
        Verb::Pull(args) => pull::run(context, &args),
        Verb::Push(args) => push::run(context, &args),
        Verb::Login(args) => login::run(context, &args),
        Verb::Logout(args) => logout::run(context, &args),
        Verb::Images(args) => images::list(context, &args),
        Verb::Rmi(args) => images::remove(context, &args),
        Verb::Load(args) => images::load(context, &args),
        Verb::Import(args) => images::import(context, &args),
        Verb::Tag(args) => images::tag(context, &args),
        Verb::Version(args) => version::run(context, &args),
        Verb::Completion(args) => selfhelp::completion(context, &args),
        Verb::Man(args) => selfhelp::man(context, &args),
    }
}

/// Verbs of docker compose that are not there yet; a typing error would be told otherwise.
const NOT_YET: [&str; 20] = [
    "alpha", "attach", "bridge", "build", "commit", "cp", "create", "events", "export", "pause",
    "publish", "run", "scale", "stats", "top", "unpause", "volumes", "watch", "viz", "generate",
];

/// Tells what is wrong with a command line, or gives the help that it asked for.
pub fn refused(view: &View, refused: &clap::Error) -> Result<Exit, Error> {
    if let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(verb))) =
        (refused.kind(), refused.get(ContextKind::InvalidSubcommand))
        && NOT_YET.contains(&verb.as_str())
    {
        let error = Error::usage(
            format!("`{verb}` is not implemented yet"),
            Some("`hoist --help` lists the commands there are".to_owned()),
        );
        view.error(&error);
        return Err(error);
    }
    let text = refused.render();
    if refused.use_stderr() {
        view.say(&view.stderr.styled(&text));
        return Err(Error::usage("told by clap", None));
    }
    view.data(&view.stdout.styled(&text))
        .map_err(Error::Output)?;
    Ok(Exit::Done)
}

/// Runs a verb that changes something, with progress; says whether anything happened.
fn change(
    context: &Context,
    verb: &'static str,
    project: &ProjectName,
    call: impl FnOnce(&Engine, &mut dyn FnMut(&Event)) -> Result<UpReply, engine::Error>,
) -> Result<bool, Error> {
    let mut progress = context.progress(verb);
    let mut happened = false;
    let reply = call(&context.engine(), &mut |event| {
        happened = true;
        progress.event(event);
    });
    drop(progress);
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
    Ok(settings.map_err(engine::Error::from)?)
}

/// Verbs that have no dry run must not run when one is asked for.
fn refuse_dry_run(context: &Context, verb: &str) -> Result<(), Error> {
    if context.global.dry_run {
        let message = format!("`{verb}` has no dry run");
        return Err(Error::usage(message, None));
    }
    Ok(())
}

/// Reads `--format`.
fn form(fields: &Fields, format: &str) -> Result<Form, Error> {
    fields.form(format).map_err(|error| {
        let hint = match error {
            template::Error::UnknownField(_) => Some(format!("fields: {}", fields.names())),
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
