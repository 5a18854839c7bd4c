//! Flags that are made ready for the parser only where the line asks for them.
//!
//! A tree with the flags of every verb costs a short command more than all it does. So while [`Named::of`] makes the tree,
//! a verb that no word of the line names gets none, and refuses whatever is typed: who meets such a verb after all, by
//! another spelling, reads the line again with the whole tree.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Subcommand};
use std::cell::RefCell;
use std::ffi::OsString;

thread_local! {
    /// The words of the line; `None` = every verb is wanted.
    static LINE: RefCell<Option<Vec<OsString>>> = const { RefCell::new(None) };
}

/// The flags of a verb.
#[derive(Debug)]
pub struct Named<T>(pub T);

impl<T> Named<T> {
    fn augment(command: Command, with: fn(Command) -> Command) -> Command {
        let name = command.get_name();
        let is_wanted = LINE.with_borrow(|line| {
            line.as_ref()
                .is_none_or(|words| words.iter().any(|word| word == name))
        });
        match is_wanted {
            true => with(command),
            false => command.arg_required_else_help(true),
        }
    }
}

/// What `make` makes, with the flags of the verbs only that are among these words.
pub fn only<C>(words: &[OsString], make: impl FnOnce() -> C) -> C {
    LINE.set(Some(words.to_vec()));
    let made = make();
    LINE.set(None);
    made
}

impl<T: FromArgMatches> FromArgMatches for Named<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches_mut(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl<T: Args> Args for Named<T> {
    fn augment_args(command: Command) -> Command {
        Self::augment(command, T::augment_args)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment(command, T::augment_args_for_update)
    }
}

impl<T: Subcommand> Subcommand for Named<T> {
    fn augment_subcommands(command: Command) -> Command {
        Self::augment(command, T::augment_subcommands)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment(command, T::augment_subcommands_for_update)
    }

    fn has_subcommand(name: &str) -> bool {
        T::has_subcommand(name)
    }
}
