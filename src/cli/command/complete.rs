//! `__complete`: what could stand next on a line, in the words that docker's command line asks and is answered in.

use super::show;
use crate::cli::args::next::{Expected, expected};
use crate::cli::args::{Cli, Global};
use crate::cli::context::Context;
use crate::cli::env::Env;
use crate::cli::exit::{Error, Exit};
use crate::cli::view::View;
use clap::{Arg, CommandFactory};
use std::ffi::OsString;

/// The word that asks.
pub const WORD: &str = "__complete";

/// Let the shell offer files.
const FILES: &str = ":0";
/// There is nothing but what was said.
const NO_FILES: &str = ":4";

/// Answers for a line; its last word is the one that is being typed.
pub fn run(env: Env, line: &[OsString]) -> Result<Exit, Error> {
    let line: Vec<String> = line
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let tree = Cli::command();
    let context = context(env, &line);
    let word = line.last().map_or("", String::as_str);
    let (offers, files) = match expected(&tree, &line) {
        Expected::Command(at) => {
            let seen = at.get_subcommands().filter(|it| !it.is_hide_set());
            let offer = |it: &clap::Command| {
                (
                    it.get_name().to_owned(),
                    it.get_about().map(|it| it.to_string()),
                )
            };
            (seen.map(offer).collect(), NO_FILES)
        }
        Expected::Flag(flags) => (flags.iter().filter_map(|arg| flag(arg)).collect(), NO_FILES),
        Expected::Value(arg) => values(&context, arg),
        Expected::Anything => (Vec::new(), FILES),
    };
    let mut text = String::new();
    for (name, help) in offers.iter().filter(|(name, _)| name.starts_with(word)) {
        let help = help.as_deref().and_then(|help| help.lines().next());
        match help.filter(|help| !help.is_empty()) {
            Some(help) => text += &format!("{name}\t{help}\n"),
            None => text += &format!("{name}\n"),
        }
    }
    show(&context, &format!("{text}{files}\n"))
}

type Offers = Vec<(String, Option<String>)>;

fn flag(arg: &Arg) -> Option<(String, Option<String>)> {
    let help = arg.get_help().map(|it| it.to_string());
    Some((format!("--{}", arg.get_long()?), help))
}

fn values(context: &Context, arg: &Arg) -> (Offers, &'static str) {
    let plain = |names: Vec<String>| names.into_iter().map(|name| (name, None)).collect();
    let kind = arg.get_value_names().and_then(|names| names.first());
    let of_service = kind.is_some_and(|it| it == "SERVICE");
    if of_service || matches!(arg.get_id().as_str(), "service" | "services") {
        return (plain(services(context)), NO_FILES);
    }
    if arg.get_long() == Some("profile") {
        return (plain(profiles(context)), NO_FILES);
    }
    match arg.get_possible_values().as_slice() {
        [] => (Vec::new(), FILES),
        known => {
            let names = known.iter().map(|it| it.get_name().to_owned());
            (plain(names.collect()), NO_FILES)
        }
    }
}

fn services(context: &Context) -> Vec<String> {
    let Ok(Ok(loaded)) = context.try_load() else {
        return Vec::new();
    };
    let names = loaded.project.services.keys();
    names.map(ToString::to_string).collect()
}

fn profiles(context: &Context) -> Vec<String> {
    let options = context
        .options()
        .map(|options| crate::compose::LoadOptions {
            profiles: vec!["*".to_owned()],
            ..options
        });
    let Ok(Ok(loaded)) = options.map(|options| crate::compose::load(&options)) else {
        return Vec::new();
    };
    let services = loaded.project.services.into_values();
    let all: std::collections::BTreeSet<String> = services.flat_map(|it| it.profiles).collect();
    all.into_iter().collect()
}

/// With the project that the flags before the command say.
fn context(mut env: Env, line: &[String]) -> Context {
    let tree = Cli::command();
    let verb = line
        .iter()
        .position(|word| tree.find_subcommand(word).is_some());
    let before = line.get(..verb.unwrap_or(0)).unwrap_or_default();
    let words = ["hoist"]
        .into_iter()
        .map(str::to_owned)
        .chain(before.iter().cloned());
    let words: Vec<OsString> = words.chain(["ps".to_owned()]).map(OsString::from).collect();
    let global = Cli::read(&words).map_or_else(|_| Global::default(), |cli| cli.global);
    env.read_files(&global);
    let view = View::new(&global, &env);
    Context { global, env, view }
}
