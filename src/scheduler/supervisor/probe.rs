//! One health probe: a process in the container, its output, and a limit of time.

use super::container::Container;
use super::health::{Outcome, Probe};
use super::native;
use super::project::Project;
use super::watch;
use crate::compose::model::NativeTest;
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
    let health = container.record.launch.health.as_ref();
    let words = health.and_then(|health| health.native.as_ref());
    if let Some(test) = words.and_then(|words| NativeTest::parse(words).ok()) {
        let probing = tokio::time::timeout(timeout, native::probe(container, &test));
        return Ok(probing.await.unwrap_or((Outcome::TimedOut, String::new())));
    }
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
    let mut output = Output::default();
    let code = {
        let pipes = stdout.into_iter().chain(stderr);
        // What it says beyond what is kept is read all the same: it would wait for a reader.
        let reading = output.read(pipes);
        let ending = async {
            tokio::select! {
                code = ended(&mut control, &mut complaint) => code,
                never = reading => match never {},
            }
        };
        match timeout {
            Some(timeout) => tokio::time::timeout(timeout, ending)
                .await
                .ok()
                .transpose()?,
            None => Some(ending.await?),
        }
    };
    // Dropping the control connection kills what it started.
    drop(control);
    Ok((code, complaint + &output.rest()))
}

/// The beginning of what a process prints.
#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    pipes: Vec<AsyncFd<std::fs::File>>,
}

impl Output {
    /// Reads as long as the probe runs.
    async fn read(&mut self, pipes: impl Iterator<Item = OwnedFd>) -> std::convert::Infallible {
        for pipe in pipes {
            let _ = rustix::io::ioctl_fionbio(&pipe, true);
            self.pipes
                .extend(watch::readable(std::fs::File::from(pipe)).ok());
        }
        loop {
            let ready = match self.pipes.as_slice() {
                [] => std::future::pending().await,
                [one] => one.readable().await.map(|mut guard| {
                    guard.clear_ready();
                    0
                }),
                [one, two, ..] => tokio::select! {
                    ready = one.readable() => ready.map(|mut guard| { guard.clear_ready(); 0 }),
                    ready = two.readable() => ready.map(|mut guard| { guard.clear_ready(); 1 }),
                },
            };
            let Ok(index) = ready else {
                return std::future::pending().await;
            };
            if !self.drain(index) {
                self.pipes.remove(index);
            }
        }
    }

    /// Reads what is there; whether there may be more later.
    fn drain(&mut self, index: usize) -> bool {
        let mut chunk = [0; OUTPUT];
        loop {
            match self.pipes[index].get_ref().read(&mut chunk) {
                Ok(0) => return false,
                Ok(got) => {
                    let room = OUTPUT.saturating_sub(self.bytes.len());
                    self.bytes.extend_from_slice(&chunk[..got.min(room)]);
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return e.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
    }

    /// What it printed, with what is still in the pipes.
    fn rest(mut self) -> String {
        for index in 0..self.pipes.len() {
            self.drain(index);
        }
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
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
