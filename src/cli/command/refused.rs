//! What is wrong with a command line, in our own words: what, and one thing that can be typed.

use crate::cli::args::Cli;
use crate::cli::exit::{Error, Exit};
use crate::cli::view::View;
use crate::compose::diagnostic::{did_you_mean, one_of_few};
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::{OsStr, OsString};

/// Commands of docker compose that are not there; a typing error would be told otherwise.
const NOT_YET: [(&str, &str); 3] = [
    (
        "build",
        "make the image elsewhere, bring it in with `hoist load -i FILE`, and name it with `image`",
    ),
    ("bridge", "`hoist config` prints the file for other tools"),
    (
        "generate",
        "`hoist container inspect` tells what a container is made of",
    ),
];

/// Tells what is wrong, or gives the help that was asked for.
pub fn refused(view: &View, refused: &clap::Error, words: &[OsString]) -> Result<Exit, Error> {
    if !refused.use_stderr() {
        let text = refused.render();
        view.data(&view.stdout.styled(&text))
            .map_err(Error::Output)?;
        return Ok(Exit::Done);
    }
    // A group without its verb: which verbs there are is what one wants to know.
    if refused.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let text = refused.render();
        view.data(&view.stdout.styled(&text))
            .map_err(Error::Output)?;
        return Ok(Exit::Done);
    }
    let error = told(refused, words);
    view.error(&error);
    Err(error)
}

fn told(refused: &clap::Error, words: &[OsString]) -> Error {
    let text = |kind| match refused.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let path = usage_path(refused, words);
    match refused.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            unknown_command(&word, &path)
        }
        ErrorKind::UnknownArgument => {
            let word = text(ContextKind::InvalidArg).unwrap_or_default();
            if !word.starts_with('-') {
                let hint = format!("`{} --help` shows what it takes", shown(&path));
                let message = format!("`{word}` is one argument too many");
                return Error::usage(message, Some(hint));
            }
            let message = format!("unknown flag `{word}`");
            let hint = match near_flag(&word, &path) {
                Some(flag) => format!("did you mean `{flag}`?"),
                None => format!("`{} --help` lists the flags", shown(&path)),
            };
            Error::usage(message, Some(hint))
        }
        ErrorKind::InvalidValue if refused.get(ContextKind::ValidValue).is_some() => {
            let flag = text(ContextKind::InvalidArg).unwrap_or_default();
            let value = text(ContextKind::InvalidValue).unwrap_or_default();
            let all = match refused.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(all)) => all.iter().map(String::as_str).collect(),
                _ => Vec::new(),
            };
            wrong_word(&flag, &value, &all, &path)
        }
        _ => {
            let rendered = refused.render().to_string();
            let message = first_paragraph(&rendered)
                .replace("invalid digit found in string", "must be a whole number");
            Error::usage(message, Some(format!("{} --help", shown(&path))))
        }
    }
}

/// A value that is none of a few words.
fn wrong_word(flag: &str, value: &str, all: &[&str], path: &[String]) -> Error {
    let flag = flag.split(' ').next().unwrap_or(flag);
    let message = match value {
        "" => format!("`{flag}` needs a value"),
        value => format!("`{flag}` cannot be `{value}`"),
    };
    let hint = match all {
        [] => format!("{} --help", shown(path)),
        all => one_of_few(value, all),
    };
    Error::usage(message, Some(hint))
}

fn unknown_command(word: &str, path: &[String]) -> Error {
    if let Some((_, instead)) = NOT_YET.iter().find(|(verb, _)| *verb == word) {
        let message = format!("`{word}` is not implemented yet");
        return Error::usage(message, Some((*instead).to_owned()));
    }
    let parent = command(path);
    let known = parent.get_subcommands().filter(|it| !it.is_hide_set());
    let names: Vec<String> = known.map(|it| it.get_name().to_owned()).collect();
    let hint = match did_you_mean(word, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("`{} --help` lists the commands", shown(path)),
    };
    Error::usage(format!("unknown command `{word}`"), Some(hint))
}

/// The flag of this command that was probably meant.
fn near_flag(word: &str, path: &[String]) -> Option<String> {
    let written = word.strip_prefix("--")?;
    let written = written.split('=').next().unwrap_or(written);
    let commands = [command(path), command(&[])];
    let mut names: Vec<String> = Vec::new();
    for command in &commands {
        let args = command.get_arguments().filter(|arg| !arg.is_hide_set());
        names.extend(args.filter_map(|arg| arg.get_long().map(str::to_owned)));
    }
    let near = did_you_mean(written, names.iter().map(String::as_str))?;
    Some(format!("--{near}"))
}

/// The commands that the refused line had named, as its usage tells: `hoist container run`.
fn usage_path(refused: &clap::Error, words: &[OsString]) -> Vec<String> {
    let usage = match refused.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string(),
        _ => words.join(OsStr::new(" ")).to_string_lossy().into_owned(),
    };
    let words = usage
        .trim_start_matches("Usage:")
        .split_whitespace()
        .skip(1);
    let mut path: Vec<String> = Vec::new();
    let mut at = Cli::command();
    for word in words {
        match at.find_subcommand(word) {
            Some(next) => {
                path.push(next.get_name().to_owned());
                at = next.clone();
            }
            // `docker compose` is two words, and flags of the project may stand between
            None if path.is_empty() => {}
            None => break,
        }
    }
    path
}

fn command(path: &[String]) -> clap::Command {
    let mut at = Cli::command();
    for name in path {
        if let Some(next) = at.find_subcommand(name) {
            at = next.clone();
        }
    }
    at
}

fn shown(path: &[String]) -> String {
    std::iter::once("hoist")
        .chain(path.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What clap says before it repeats the usage, without its `error: `, on one line.
fn first_paragraph(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let ends = |line: &&str| !line.starts_with("Usage:") && !line.starts_with("For more");
    let lines = text.lines().take_while(ends);
    let words: Vec<&str> = lines
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let words: Vec<&str> = words
        .into_iter()
        .take_while(|line| !line.starts_with("tip:"))
        .collect();
    words.join(" ").replace('\'', "`")
}
