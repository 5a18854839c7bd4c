//! docker's spelling of a line, made ours: what its parser of flags takes and clap does not.
//!
//! - A flag without a value takes `=true` and `=false`, too; the last one counts.
//! - The value of a flag is the next word, whatever it looks like: `--tail -1`.
//! - `help up` is `up --help`.
//! - Where a command of the user's own is named, all that follows its first word is that command's: `exec web env -A`.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command};
use std::any::TypeId;
use std::ffi::{OsStr, OsString};

/// The words as clap takes them. What this tree does not know is left as it is.
pub fn ours(tree: &Command, line: &[OsString]) -> Vec<OsString> {
    let mut line = line.iter();
    let mut speller = Speller {
        path: vec![tree],
        said: line.next().cloned().into_iter().collect(),
    };
    while let Some(word) = line.next() {
        let mut value = || line.next();
        let goes_on = match word.to_str() {
            // `help up` is `up --help`
            Some("help") if speller.path.len() == 1 => {
                speller.said.extend(line.cloned());
                speller.said.push(OsString::from("--help"));
                return speller.said;
            }
            Some("--") => {
                speller.said.push(word.clone());
                false
            }
            Some(text) if text.starts_with("--") => {
                speller.long(text, &mut value);
                true
            }
            Some(text) if text.len() > 1 && text.starts_with('-') => {
                speller.short(&text[1..], &mut value);
                true
            }
            _ => speller.argument(word),
        };
        if !goes_on {
            break;
        }
    }
    speller.said.extend(line.cloned());
    speller.said
}

struct Speller<'a> {
    /// The command and those it is under, outermost first.
    path: Vec<&'a Command>,
    said: Vec<OsString>,
}

impl<'a> Speller<'a> {
    /// Whether flags may follow.
    fn argument(&mut self, word: &OsString) -> bool {
        let at = self.path[self.path.len() - 1];
        let next = word.to_str().and_then(|name| at.find_subcommand(name));
        let is_last = next.is_none() && at.get_arguments().any(Arg::is_trailing_var_arg_set);
        if is_last {
            self.said.push(OsString::from("--"));
        }
        self.path.extend(next);
        self.said.push(word.clone());
        !is_last
    }

    fn long<'w>(&mut self, text: &str, next: &mut dyn FnMut() -> Option<&'w OsString>) {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let is_it = |arg: &Arg| {
            let mut aliases = arg.get_all_aliases().into_iter().flatten();
            let name = &name[2..];
            arg.get_long() == Some(name) || aliases.any(|alias| alias == name)
        };
        match (find(&self.path, is_it), value) {
            (Some(arg), Some(value)) => self.with_value(arg, name, value),
            (Some(arg), None) if wants_word(arg) => self.with_word(name, next()),
            _ => self.said.push(OsString::from(text)),
        }
    }

    /// Letters behind one dash, each said alone.
    fn short<'w>(&mut self, letters: &str, next: &mut dyn FnMut() -> Option<&'w OsString>) {
        for (at, letter) in letters.char_indices() {
            let name = format!("-{letter}");
            let rest = &letters[at + letter.len_utf8()..];
            let arg = find(&self.path, |arg| arg.get_short() == Some(letter));
            match (arg, rest.strip_prefix('=')) {
                (Some(arg), Some(value)) => return self.with_value(arg, &name, value),
                (Some(arg), None) if wants_word(arg) && rest.is_empty() => {
                    return self.with_word(&name, next());
                }
                (Some(arg), None) if !wants_word(arg) => self.said.push(OsString::from(name)),
                _ => {
                    return self
                        .said
                        .push(OsString::from(format!("-{}", &letters[at..])));
                }
            }
        }
    }

    /// `--flag=value`
    fn with_value(&mut self, arg: &Arg, name: &str, value: &str) {
        let whole = |value: &str| OsString::from(format!("{name}={value}"));
        match truth(value).filter(|_| is_bool(arg)) {
            None => self.said.push(whole(value)),
            Some(yes) if matches!(arg.get_action(), ArgAction::SetTrue) => {
                let is_it = |word: &OsString| {
                    let word = word.to_str().unwrap_or_default();
                    let long = word.strip_prefix("--");
                    let short = word.strip_prefix('-').map(|it| it.chars());
                    long.is_some() && long == arg.get_long()
                        || short.is_some_and(|mut it| {
                            arg.get_short() == it.next() && it.as_str().is_empty()
                        })
                };
                self.said.retain(|word| !is_it(word));
                if yes {
                    self.said.push(OsString::from(name));
                }
            }
            Some(yes) => self.said.push(whole(&yes.to_string())),
        }
    }

    /// `--flag value`; a value that looks like a flag is tied to its own.
    fn with_word(&mut self, name: &str, word: Option<&OsString>) {
        let mut flag = OsString::from(name);
        match word {
            Some(word) if word.as_encoded_bytes().starts_with(b"-") && word != OsStr::new("-") => {
                flag.push("=");
                flag.push(word);
                self.said.push(flag);
            }
            word => self.said.extend(std::iter::once(flag).chain(word.cloned())),
        }
    }
}

/// The flags of the last of these commands, and those that the others give to all under them.
pub(super) fn flags<'a>(path: &[&'a Command]) -> impl Iterator<Item = &'a Arg> {
    let (at, above) = path.split_last().expect("a path has its root");
    let global = above.iter().rev().flat_map(|it| it.get_arguments());
    at.get_arguments()
        .chain(global.filter(|arg| arg.is_global_set()))
}

pub(super) fn find<'a>(path: &[&'a Command], is_it: impl Fn(&Arg) -> bool) -> Option<&'a Arg> {
    flags(path).find(|arg| is_it(arg))
}

/// The next word is its value.
pub(super) fn wants_word(arg: &Arg) -> bool {
    arg.get_action().takes_values() && !arg.is_require_equals_set()
}

fn is_bool(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
        || ValueParser::type_id(arg.get_value_parser()) == TypeId::of::<bool>()
}

/// Yes and no, as docker reads them.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Cli;
    use clap::CommandFactory;

    /// A line as clap gets it.
    fn spelled(line: &str) -> String {
        let words = std::iter::once("hoist").chain(line.split(' '));
        let words: Vec<OsString> = words.map(OsString::from).collect();
        let said = ours(&Cli::command(), &words);
        let said: Vec<&str> = said[1..].iter().filter_map(|it| it.to_str()).collect();
        said.join(" ")
    }

    #[test]
    fn all_behind_the_first_word_of_a_command_is_that_commands() {
        for (line, ours) in [
            ("exec web env -A", "exec -- web env -A"),
            ("exec -T web -e A=1", "exec -T -- web -e A=1"),
            (
                "-f a.yaml exec -e A=1 --user=x web -- ls --help",
                "-f a.yaml exec -e A=1 --user=x -- web -- ls --help",
            ),
            ("run -itP db -p 5", "run -i -t -P -- db -p 5"),
            ("run -p 5:5 db --name x -h", "run -p 5:5 -- db --name x -h"),
            (
                "container run --rm alpine sh -c id",
                "container run --rm -- alpine sh -c id",
            ),
            ("container exec c1 ls -l", "container exec -- c1 ls -l"),
            ("alpha dry-run up -d", "alpha dry-run -- up -d"),
            ("exec -- web ls -l", "exec -- web ls -l"),
            ("up web -d", "up web -d"),
            ("help up", "up --help"),
            ("help", "--help"),
            ("up help", "up help"),
        ] {
            assert_eq!(spelled(line), ours, "{line}");
        }
    }

    #[test]
    fn what_is_true_or_false_may_say_so() {
        for (line, ours) in [
            ("up -d --remove-orphans=true", "up -d --remove-orphans"),
            ("up --detach=1 --remove-orphans=F", "up --detach"),
            ("up -d --detach=false", "up"),
            ("exec -T=false web ls", "exec -- web ls"),
            ("run -iT=true db", "run -i -T -- db"),
            ("run --interactive=0 db", "run --interactive=false -- db"),
            ("down --volumes=perhaps", "down --volumes=perhaps"),
            ("--dry-run=true up --dry-run=false", "up"),
        ] {
            assert_eq!(spelled(line), ours, "{line}");
        }
    }

    #[test]
    fn a_value_may_look_like_a_flag() {
        for (line, ours) in [
            ("logs --tail -1 web", "logs --tail=-1 web"),
            ("logs -n -1", "logs -n=-1"),
            ("logs -fn 5", "logs -f -n 5"),
            ("logs -fn5", "logs -f -n5"),
            ("stop -t -1", "stop -t=-1"),
            ("-f - config", "-f - config"),
            ("up --timeout", "up --timeout"),
            ("up --unknown -d", "up --unknown -d"),
            ("up -dq", "up -d -q"),
        ] {
            assert_eq!(spelled(line), ours, "{line}");
        }
    }
}
