//! `completion` and `man`: made from the flags themselves, so they cannot be wrong.

use super::show;
use crate::cli::args::{Cli, Completion, Man, Shell};
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use clap::CommandFactory;

/// Prints a completion script.
pub fn completion(context: &Context, args: &Completion) -> Result<Exit, Error> {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "hoist", &mut script);
    show(context, &String::from_utf8_lossy(&script))
}

/// Writes the man pages, one for hoist and one a verb.
pub fn man(_context: &Context, args: &Man) -> Result<Exit, Error> {
    let folder = &args.directory;
    std::fs::create_dir_all(folder)
        .map_err(Error::io(format!("make the folder `{}`", folder.display())))?;
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), folder).map_err(
        Error::io(format!("write man pages into `{}`", folder.display())),
    )?;
    Ok(Exit::Done)
}
