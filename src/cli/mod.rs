//! The command line: arguments in, views out.
//!
//! ```text
//!  words ─▶ args ─▶ command/<verb> ─▶ engine::<verb> ─▶ events ─▶ view ─▶ stdout, stderr
//!            env ─┘                                        exit ─▶ code
//! ```
//!
//! Invariants: only `view` writes to stdout and stderr; the exit code is decided in one place, `exit`; a command that is
//! refused has asked the engine for nothing.

mod args;
mod command;
mod context;
mod env;
mod exit;
mod invocation;
mod signals;
mod term;
mod view;

use args::{Cli, Global};
use clap::CommandFactory;
use clap::error::ErrorKind;
use context::Context;
use env::Env;
use exit::{Error, Exit};
use invocation::Invocation;
use std::ffi::OsString;
use std::process::ExitCode;
use view::View;

/// Runs one command line and gives its exit code.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let mut env = Env::of_process();
    let call = Invocation::of(args);
    env.as_docker = call.as_docker;
    env.called = call.name().to_owned();
    if call.metadata {
        let view = View::new(&Global::default(), &env);
        let told = view.data(&Invocation::describe()).map_err(Error::Output);
        return ExitCode::from(exit::code(&told.map(|()| Exit::Done)));
    }
    if let Some(host) = &call.elsewhere {
        let refused = Error::hinted(
            format!("`{host}` is the Docker daemon of another machine"),
            "leave out `--host`: the projects are those of this machine",
        );
        View::new(&Global::default(), &env).error(&refused);
        return ExitCode::from(exit::code(&Err(refused)));
    }
    if call
        .words
        .get(1)
        .is_some_and(|word| word == command::complete::WORD)
    {
        return ExitCode::from(exit::code(&command::complete::run(env, &call.words[2..])));
    }
    let result = match Cli::read(&call.words) {
        Ok(cli) => {
            env.read_files(&cli.global);
            dispatch(cli, env)
        }
        Err(asked) if asked.kind() == ErrorKind::DisplayVersion && env.as_docker => {
            let view = View::new(&Global::default(), &env);
            let told = view.data(&command::docker_version());
            told.map(|()| Exit::Done).map_err(Error::Output)
        }
        Err(refused) => {
            let view = View::new(&Global::default(), &env);
            command::refused(&view, &refused, &call.words)
        }
    };
    ExitCode::from(exit::code(&result))
}

/// Why one of our own processes could not begin. Its stderr is its log.
pub fn reentry_failed(error: &dyn std::error::Error) -> ExitCode {
    view::error::log(error);
    ExitCode::FAILURE
}

fn dispatch(mut cli: Cli, env: Env) -> Result<Exit, Error> {
    if let Some(args::Verb::Run(args::Named(run))) = &mut cli.verb {
        cli.global.project_name = run.project_name.take().or(cli.global.project_name);
    }
    let mut view = View::new(&cli.global, &env);
    if matches!(&cli.verb, Some(args::Verb::Config(args::Named(config))) if config.wants_json()) {
        // Who reads the project as JSON reads its problems as JSON, too.
        view.mode = view::progress::Mode::Json;
    }
    let context = Context {
        global: cli.global,
        env,
        view,
    };
    let result = context
        .env
        .check(&context.global)
        .and_then(|()| match cli.verb {
            Some(verb) => command::run(&context, verb),
            None => help(&context.view),
        });
    if let Err(error) = &result {
        context.view.error(error);
    }
    result
}

/// No verb: say which there are.
fn help(view: &View) -> Result<Exit, Error> {
    let text = Cli::command().render_help();
    view.data(&view.stdout.styled(&text))
        .map_err(Error::Output)?;
    Ok(Exit::Done)
}
