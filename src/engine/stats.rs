//! `stats` and `top`.

use super::connection::Call;
use super::up::unexpected;
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{Processes, Reply, Request, Select, Usage};

/// What containers use now.
pub fn stats(engine: &Engine, project: &ProjectName, request: Select) -> Result<Vec<Usage>, Error> {
    match ask(engine, project, Request::Usage(request))? {
        Reply::Usage(list) => Ok(list),
        other => Err(unexpected(&other)),
    }
}

/// What runs in containers.
pub fn top(
    engine: &Engine,
    project: &ProjectName,
    request: Select,
) -> Result<Vec<Processes>, Error> {
    match ask(engine, project, Request::Processes(request))? {
        Reply::Processes(list) => Ok(list),
        other => Err(unexpected(&other)),
    }
}

fn ask(engine: &Engine, project: &ProjectName, request: Request) -> Result<Reply, Error> {
    let call = Call {
        engine,
        project,
        request,
        cancel: None,
    };
    Ok(call.run(&mut |_| ())?.reply)
}
