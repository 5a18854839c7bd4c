//! What could stand next on a line that is not whole yet.

use super::spelling::{find, flags, wants_word};
use clap::{Arg, Command};

/// What is expected where a line ends.
#[derive(Debug)]
pub enum Expected<'a> {
    /// A command of this one.
    Command(&'a Command),
    /// A flag: one of these.
    Flag(Vec<&'a Arg>),
    /// The value of this flag, or this argument.
    Value(&'a Arg),
    /// A word of a command of the user's own, or one too many.
    Anything,
}

/// What the last of these words, perhaps begun already, could become. The name of the program is not among them.
pub fn expected<'a>(tree: &'a Command, line: &[String]) -> Expected<'a> {
    let (word, before) = line
        .split_last()
        .map_or(("", line), |(word, all)| (word, all));
    let mut path = vec![tree];
    let mut arguments = 0;
    let mut before = before.iter();
    while let Some(text) = before.next() {
        let at = path[path.len() - 1];
        if let Some(arg) = valued(&path, text) {
            if before.next().is_none() {
                return Expected::Value(arg);
            }
        } else if text.starts_with('-') && text.len() > 1 {
            continue;
        } else if let Some(next) = at.find_subcommand(text).filter(|_| arguments == 0) {
            path.push(next);
        } else if at.get_arguments().any(Arg::is_trailing_var_arg_set) {
            return Expected::Anything;
        } else {
            arguments += 1;
        }
    }
    let at = path[path.len() - 1];
    if word.starts_with('-') {
        return Expected::Flag(flags(&path).filter(|arg| !arg.is_hide_set()).collect());
    }
    if at.has_subcommands() {
        return Expected::Command(at);
    }
    let positionals = at.get_arguments().filter(|arg| arg.is_positional());
    let positionals: Vec<&Arg> = positionals.collect();
    let nth = positionals.get(arguments);
    nth.or_else(|| positionals.iter().find(|arg| is_many(arg)))
        .map_or(Expected::Anything, |arg| Expected::Value(arg))
}

/// It takes all that is left.
fn is_many(arg: &Arg) -> bool {
    matches!(arg.get_action(), clap::ArgAction::Append)
}

/// The flag that this word is, if the next word is its value.
fn valued<'a>(path: &[&'a Command], text: &str) -> Option<&'a Arg> {
    let arg = match text.strip_prefix("--") {
        Some(long) => find(path, |arg| arg.get_long() == Some(long)),
        None => {
            let letter = text.strip_prefix('-')?.chars().last()?;
            find(path, |arg| arg.get_short() == Some(letter))
        }
    };
    arg.filter(|arg| wants_word(arg))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Cli;
    use clap::CommandFactory;

    fn shown(line: &str) -> String {
        let tree = Cli::command();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        match expected(&tree, &words) {
            Expected::Command(at) => format!("command of {}", at.get_name()),
            Expected::Flag(flags) => format!("{} flags", flags.len().min(2)),
            Expected::Value(arg) => format!("value of {}", arg.get_id()),
            Expected::Anything => "anything".to_owned(),
        }
    }

    #[test]
    fn the_end_of_a_line_tells_what_is_expected() {
        for (line, what) in [
            ("", "command of hoist"),
            ("lo", "command of hoist"),
            ("-f a.yaml ", "command of hoist"),
            ("container ", "command of container"),
            ("logs ", "value of services"),
            ("logs -f web ", "value of services"),
            ("--profile ", "value of profile"),
            ("logs --profile ", "value of profile"),
            ("logs -n ", "value of tail"),
            ("logs --fo", "2 flags"),
            ("exec ", "value of service"),
            ("exec -T ", "value of service"),
            ("exec web ", "anything"),
            ("exec web ls -", "anything"),
            ("port web ", "value of private_port"),
            ("port web 80 ", "anything"),
        ] {
            assert_eq!(shown(line), what, "{line}");
        }
    }
}
