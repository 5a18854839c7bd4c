//! One health probe: a process in the container, its output, and a limit of time.

use super::container::Container;
use super::health::{Outcome, Probe};
use super::project::Project;
use super::watch;
use crate::runtime::RuntimeError;
use crate::runtime::exec::{ExecControl, ExecEvent, ExecHandle, ExecRequest};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;

/// What is kept of a probe's output, bytes (docker's limit).
const OUTPUT: usize = 4096;

/// Starts a probe. Aborting the task kills everything the probe started.
pub fn spawn(
    project: &Rc<Project>,
    container: &Rc<Container>,
    timeout: Duration,
) -> JoinHandle<Probe> {
    let (project, container) = (project.clone(), container.clone());
    tokio::task::spawn_local(async move { run(&project, &container, timeout).await })
}

async fn run(project: &Project, container: &Container, timeout: Duration) -> Probe {
    let start = project.now();
    let (outcome, output) = match probe(project, container, timeout).await {
        Ok(result) => result,
        Err(error) => (Outcome::Failed { code: -1 }, error.to_string()),
    };
    Probe {
        start,
        end: project.now(),
        outcome,
        output,
    }
}

async fn probe(
    project: &Project,
    container: &Container,
    timeout: Duration,
) -> Result<(Outcome, String), RuntimeError> {
    let Some(request) = request(container) else {
        return Ok((
            Outcome::Failed { code: -1 },
            "the container does not run".to_owned(),
        ));
    };
    match to_end(project, &request, Some(timeout)).await? {
        (None, output) => Ok((Outcome::TimedOut, output)),
        (Some(0), output) => Ok((Outcome::Ok, output)),
        (Some(code), output) => Ok((Outcome::Failed { code }, output)),
    }
}

/// Runs a process in a container to its end: exit code (none if it took too long and was killed) and first output.
pub async fn to_end(
    project: &Project,
    request: &ExecRequest,
    timeout: Option<Duration>,
) -> Result<(Option<i32>, String), RuntimeError> {
    let ExecHandle {
        control,
        stdout,
        stderr,
        ..
    } = project.exec(request)?;
    let mut control = watched(control)?;
    let mut complaint = String::new();
    let ended = ended(&mut control, &mut complaint);
    let code = match timeout {
        Some(timeout) => tokio::time::timeout(timeout, ended)
            .await
            .ok()
            .transpose()?,
        None => Some(ended.await?),
    };
    // Dropping the control connection kills what it started.
    drop(control);
    let mut output = complaint.into_bytes();
    for pipe in [stdout, stderr].into_iter().flatten() {
        collect(pipe, &mut output);
    }
    Ok((code, String::from_utf8_lossy(&output).into_owned()))
}

fn request(container: &Container) -> Option<ExecRequest> {
    let (pid, start_time) = container.status.borrow().process?;
    let launch = &container.record.launch;
    let mut process = launch.spec.process.clone();
    process.args = launch.health.as_ref()?.command.clone();
    process.tty = false;
    process.stdin = false;
    Some(ExecRequest {
        pid,
        start_time,
        cgroup: launch.spec.cgroup.path.clone(),
        process,
        seccomp: launch.spec.seccomp.clone(),
        privileged: launch.spec.privileged,
        terminal: None,
        kill_on_hangup: true,
    })
}

fn watched(control: ExecControl) -> Result<AsyncFd<ExecControl>, RuntimeError> {
    watch::readable(control).map_err(|source| RuntimeError::Link {
        peer: "exec process",
        source,
    })
}

/// The exit code, and why it did not even begin.
async fn ended(
    control: &mut AsyncFd<ExecControl>,
    complaint: &mut String,
) -> Result<i32, RuntimeError> {
    loop {
        match control.get_mut().recv()? {
            Some(ExecEvent::Exited { code }) => return Ok(code),
            Some(ExecEvent::Failed(failure)) => {
                complaint.push_str(&failure.message);
                return Ok(failure.code);
            }
            Some(ExecEvent::Started { .. }) => {}
            None => {
                let ready = control.readable().await;
                ready
                    .map_err(|source| RuntimeError::Link {
                        peer: "exec process",
                        source,
                    })?
                    .clear_ready();
            }
        }
    }
}

/// What is in the pipe, without waiting for more.
fn collect(pipe: OwnedFd, output: &mut Vec<u8>) {
    let _ = rustix::io::ioctl_fionbio(&pipe, true);
    let room = OUTPUT.saturating_sub(output.len()) as u64;
    // What cannot be read is missing from the report, not from the verdict.
    let _ = std::fs::File::from(pipe).take(room).read_to_end(output);
}
