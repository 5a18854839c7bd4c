//! `exec`.

use super::connection::Call;
use super::session::{Control, Session};
use super::up::unexpected;
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{
    Exec, ExecControl, ExecEvent, Failure, Reply, Request,
};

/// Starts a process; returns once it executes the program. It does not depend on the supervisor any longer.
pub fn exec(engine: &Engine, project: &ProjectName, request: Exec) -> Result<Session, Error> {
    let (tty, stdin) = (request.tty.is_some(), request.stdin);
    let answer = Call {
        engine,
        project,
        request: Request::Exec(request),
        cancel: None,
    }
    .run(&mut |_| ())?;
    if answer.reply != Reply::Exec {
        return Err(unexpected(&answer.reply));
    }
    let mut fds = answer.fds.into_iter();
    let missing = || Failure::text("the supervisor sent no streams with its answer");
    let mut control = ExecControl::new(fds.next().ok_or_else(missing)?);
    let stdin = if stdin && !tty { fds.next() } else { None };
    let (stdout, stderr) = (fds.next(), fds.next());
    let terminal = match control.wait(None).map_err(super::session::lost)? {
        ExecEvent::Started { terminal, .. } => terminal,
        ExecEvent::Failed(failure) => {
            return Err(not_started(&failure.to_string(), failure.code).into());
        }
        ExecEvent::Exited { code } => {
            return Err(not_started("it ended before it began", code).into());
        }
    };
    Ok(Session {
        stdin,
        stdout,
        stderr,
        terminal,
        lossless: false,
        control: Control::Exec(control),
    })
}

pub(super) fn not_started(message: &str, code: i32) -> Failure {
    Failure::text(message).with_code(u8::try_from(code).unwrap_or(125))
}
