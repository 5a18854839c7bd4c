//! `attach`.

use super::connection::Call;
use super::session::Session;
use super::up::unexpected;
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{Attach, Attached, Reply, Request};

/// Attaches to a running container. Dropping the session leaves it, and the container runs on.
pub fn attach(
    engine: &Engine,
    project: &ProjectName,
    request: Attach,
) -> Result<(Attached, Session), Error> {
    let call = Call {
        engine,
        project,
        request: Request::Attach(request),
        cancel: None,
    };
    let (answer, channel) = call.open(&mut |_| ())?;
    let Reply::Attached(attached) = answer.reply else {
        return Err(unexpected(&answer.reply));
    };
    let session = Session::attached(engine, project, &attached, answer.fds, channel)?;
    Ok((attached, session))
}
