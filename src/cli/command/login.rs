//! `login`.

use super::show;
use crate::cli::args::Login;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::term::RawMode;
use crate::engine;
use crate::engine::Kept;
use std::io::{self, BufRead, IsTerminal, Read};

/// Longest password that is read; a token may be long, a file given by mistake is longer.
const MAX_SECRET: u64 = 64 << 10;
/// Ctrl-C.
const INTERRUPT: u8 = 3;
const BACKSPACE: u8 = 8;
const DELETE: u8 = 127;

/// Tries credentials at a registry and keeps them.
pub fn run(context: &Context, args: &Login) -> Result<Exit, Error> {
    super::refuse_dry_run(context, "login")?;
    let domain = engine::login_domain(args.server.as_deref());
    if args.password.is_some() {
        context.view.warn(
            "a password on the command line is seen by every user of this machine: use `--password-stdin`",
        );
    }
    let user = user(context, args, &domain)?;
    let secret = secret(context, args)?;
    let kept = engine::login(super::registries(context)?, &domain, (&user, &secret))?;
    if let Kept::File(path) = kept {
        let path = path.display();
        context.view.warn(&format!(
            "the credentials are kept in `{path}`, not encrypted; a credential helper keeps them better"
        ));
    }
    show(context, "Login Succeeded\n")
}

fn user(context: &Context, args: &Login, domain: &str) -> Result<String, Error> {
    if let Some(user) = &args.username {
        return Ok(user.clone());
    }
    if args.password_stdin {
        return Err(Error::usage("`--password-stdin` needs `--username`", None));
    }
    ask(context, &format!("Username for {domain}: "))
}

fn secret(context: &Context, args: &Login) -> Result<String, Error> {
    if let Some(password) = &args.password {
        return Ok(password.clone());
    }
    let secret = if args.password_stdin {
        let mut text = String::new();
        let mut stdin = io::stdin().lock().take(MAX_SECRET);
        stdin
            .read_to_string(&mut text)
            .map_err(Error::io("read the password from stdin"))?;
        text.trim_end_matches(['\n', '\r']).to_owned()
    } else {
        hidden(context, "Password: ")?
    };
    match secret.is_empty() {
        true => Err(Error::usage("the password is empty", None)),
        false => Ok(secret),
    }
}

/// Asks a human without showing the answer. In raw mode no signal comes from the keyboard, so that whatever is typed,
/// the terminal is as it was afterwards.
fn hidden(context: &Context, question: &str) -> Result<String, Error> {
    somebody_is_there()?;
    context.view.say(question);
    let raw = RawMode::enter().map_err(Error::io("hide what is typed"))?;
    let mut line = Vec::new();
    let ended = io::stdin().lock().bytes().find_map(|byte| match byte {
        Ok(b'\r' | b'\n') => Some(Ok(())),
        Ok(INTERRUPT) => Some(Err(Error::failed("interrupted"))),
        Ok(BACKSPACE | DELETE) => {
            line.pop();
            None
        }
        Ok(byte) => {
            line.push(byte);
            None
        }
        Err(error) => Some(Err(Error::io("read from the terminal")(error))),
    });
    drop(raw);
    context.view.say("\n");
    ended.unwrap_or(Ok(()))?;
    String::from_utf8(line).map_err(|_| Error::failed("the password is not UTF-8"))
}

fn somebody_is_there() -> Result<(), Error> {
    match io::stdin().is_terminal() {
        true => Ok(()),
        false => Err(Error::usage(
            "stdin is no terminal, so nobody can be asked for name and password",
            Some("use `--username NAME --password-stdin`".to_owned()),
        )),
    }
}

/// Asks a human; there must be one.
fn ask(context: &Context, question: &str) -> Result<String, Error> {
    somebody_is_there()?;
    context.view.say(question);
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(Error::io("read from the terminal"))?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
