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
    let script = String::from_utf8_lossy(&script).into_owned();
    let script = match args.shell {
        Shell::Bash => script + BASH,
        Shell::Zsh => zsh(&script),
        Shell::Fish => script + FISH,
    };
    // as a plugin, docker asks us itself
    let name = match context.env.as_docker {
        true => "docker-compose",
        false => "hoist",
    };
    show(context, &named(&script, name))
}

/// The script for a program of this name. Functions keep theirs.
fn named(script: &str, name: &str) -> String {
    let lines = script.lines().map(|line| {
        let calls = line.replace("hoist config", &format!("{name} config"));
        let calls = calls.replace("complete -c hoist", &format!("complete -c {name}"));
        match calls.strip_suffix(" hoist") {
            Some(rest) => format!("{rest} {name}\n"),
            None => calls + "\n",
        }
    });
    lines.collect()
}

/// Offers the names of the project's services where one is expected: as arguments, and as values of flags.
fn zsh(script: &str) -> String {
    let names_one = |line: &str| {
        let argument = line.split(" -- ").next().unwrap_or_default();
        let argument = argument.trim_start_matches(['\'', '*', ':']);
        matches!(argument, "service" | "services") || line.contains(":SERVICE:")
    };
    let lines = script.lines().map(|line| {
        let offers = match () {
            () if names_one(line) => ":_hoist_services'",
            () if line.contains("--profile=") => ":_hoist_profiles'",
            () => ":_default'",
        };
        line.replace(":_default'", offers) + "\n"
    });
    let script: String = lines.collect();
    // The end of the script calls what stands before it.
    match script.rsplit_once("\nif [ ") {
        Some((all, call)) => format!("{all}{ZSH}\nif [ {call}"),
        None => script,
    }
}

const ZSH: &str = r#"
_hoist_services() {
    local -a names
    names=(${(f)"$(_call_program services hoist config --services 2>/dev/null)"})
    _describe -t services 'service' names
}
_hoist_profiles() {
    local -a names
    names=(${(f)"$(_call_program profiles hoist config --profiles 2>/dev/null)"})
    _describe -t profiles 'profile' names
}
"#;

const BASH: &str = r#"
_hoist_with_services() {
    _hoist "$@"
    local word="${COMP_WORDS[COMP_CWORD]}" it others=()
    if [ "${COMP_WORDS[COMP_CWORD-1]}" = --profile ]; then
        COMPREPLY=($(compgen -W "$(hoist config --profiles 2>/dev/null)" -- "$word"))
        return
    fi
    case "$word" in -*) return ;; esac
    # flags are offered to whoever has begun one
    for it in "${COMPREPLY[@]}"; do
        case "$it" in -*|\[*|\<*) ;; *) others+=("$it") ;; esac
    done
    COMPREPLY=("${others[@]}")
    for it in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$it" in
            up|down|ps|logs|exec|run|start|stop|restart|kill|rm|pause|unpause|top|stats|events|attach|create|wait|watch|port|pull|push)
                COMPREPLY+=($(compgen -W "$(hoist config --services 2>/dev/null)" -- "$word"))
                return ;;
        esac
    done
}
complete -F _hoist_with_services -o nosort -o bashdefault -o default hoist
"#;

const FISH: &str = r#"
complete -c hoist -f -n '__fish_seen_subcommand_from up down ps logs exec run start stop restart kill rm pause unpause top stats events attach create wait watch port pull push' -a '(hoist config --services 2>/dev/null)'
complete -c hoist -l profile -x -a '(hoist config --profiles 2>/dev/null)'
"#;

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
