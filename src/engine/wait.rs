//! `wait`.

use super::connection::Call;
use super::up::unexpected;
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{Reply, Request, Select};

/// Blocks until the named containers have exited; their names and exit codes, in the order they ended.
pub fn wait(
    engine: &Engine,
    project: &ProjectName,
    request: Select,
) -> Result<Vec<(String, i32)>, Error> {
    let answer = Call {
        engine,
        project,
        request: Request::Wait(request),
        cancel: None,
    }
    .run(&mut |_| ())?;
    match answer.reply {
        Reply::Exits(exits) => Ok(exits),
        other => Err(unexpected(&other)),
    }
}
