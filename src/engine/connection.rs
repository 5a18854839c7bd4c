//! Talking to a project's supervisor, which is started when it is not there.

use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor;
use crate::scheduler::supervisor::control::{Ask, Channel, Frame, Reply, Request};
use crate::scheduler::supervisor::rest;
use crate::scheduler::supervisor::succession::VERSION;
use crate::state::event::{Event, Subject, What};
use crate::state::lock::Lock;
use crate::state::paths::ProjectPaths;
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often a request is made again when the supervisor ends before it answers: each `down` of others that comes first ends
/// one.
const TRIES: usize = 50;
/// How long the supervisor may take to read what we say.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long another process may take from taking the lock to listening (or from its end to giving the lock back).
const HANDOVER: Duration = Duration::from_secs(10);

/// The words and descriptors at the end of a request.
pub(super) struct Answer {
    pub reply: Reply,
    pub fds: Vec<OwnedFd>,
}

/// One request to the supervisor, with everything that comes back.
pub(super) struct Call<'a> {
    pub engine: &'a Engine,
    pub project: &'a ProjectName,
    pub request: Request,
    /// Readable = the user wants to stop this request.
    pub cancel: Option<BorrowedFd<'a>>,
}

impl Call<'_> {
    /// Sends the request and gives events to `on_event` until the answer. Every request may be repeated, so one whose
    /// supervisor died is made again with its successor.
    pub fn run(&self, on_event: &mut dyn FnMut(&Event)) -> Result<Answer, Error> {
        self.open(on_event).map(|(answer, _)| answer)
    }

    /// The same, for requests that have a second answer: the channel that it comes through.
    pub fn open(&self, on_event: &mut dyn FnMut(&Event)) -> Result<(Answer, Channel), Error> {
        if !rustix::process::geteuid().is_root() {
            return Err(Error::NotRoot);
        }
        let paths = self.engine.paths.project(self.project);
        for _ in 0..TRIES {
            paths.make().map_err(Error::io("make", &paths.root))?;
            let stream = match connect_or_start(self.engine, self.project, &paths) {
                // A `down` that just ended took the folder away under our feet.
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    continue;
                }
                other => other?,
            };
            match self.converse(stream, on_event) {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                Err(Error::Io { source, .. }) if is_hangup(&source) => {}
                Err(other) => return Err(other),
            }
        }
        Err(Error::Lost {
            project: self.project.to_string(),
            log: paths.supervisor_log(),
        })
    }

    /// `None`: the supervisor went away before it answered.
    fn converse(
        &self,
        stream: UnixStream,
        on_event: &mut dyn FnMut(&Event),
    ) -> Result<Option<(Answer, Channel)>, Error> {
        let mut channel = Channel::new(stream.into());
        let ask = Ask::Request {
            version: VERSION.to_owned(),
            request: self.request.clone(),
        };
        channel.send(&ask, &[], PATIENCE).map_err(failed)?;
        let mut cancel = self.cancel;
        loop {
            match channel.recv() {
                Ok(Some((Frame::Event(event), _))) => on_event(&event),
                Ok(Some((Frame::Reply(reply), fds))) => {
                    return Ok(Some((Answer { reply, fds }, channel)));
                }
                Ok(Some((Frame::Error(failure), _))) => return Err(failure.into()),
                Ok(None) if wait_for(channel.as_fd(), cancel).map_err(failed)? => {
                    cancel = None;
                    channel.send(&Ask::Cancel, &[], PATIENCE).map_err(failed)?;
                    on_event(&cancelled());
                }
                Ok(None) => {}
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(e) => return Err(failed(e)),
            }
        }
    }
}

/// Keeps the supervisor of a project while a command asks it several things: it may leave with its last client, and to start
/// the next takes longer than to answer.
pub struct Hold(#[expect(dead_code, reason = "it is there to be open")] Option<UnixStream>);

impl Hold {
    /// Of a project with state that is not at rest; to hold nothing is no mistake.
    pub fn on(engine: &Engine, project: &ProjectName) -> Self {
        let paths = engine.paths.project(project);
        let is_there = rustix::process::geteuid().is_root() && paths.root.exists();
        let held = || {
            if rest::containers(&engine.paths, project).is_some() {
                return None;
            }
            paths.make().ok()?;
            connect_or_start(engine, project, &paths).ok()
        };
        Self(is_there.then(held).flatten())
    }
}

/// The second answer to a request. `None`: the supervisor went away before.
pub(super) fn second(channel: &mut Channel) -> Result<Option<Reply>, Error> {
    loop {
        match channel.recv() {
            Ok(Some((Frame::Event(_), _))) => {}
            Ok(Some((Frame::Reply(reply), _))) => return Ok(Some(reply)),
            Ok(Some((Frame::Error(failure), _))) => return Err(failure.into()),
            Ok(None) => drop(wait_for(channel.as_fd(), None).map_err(failed)?),
            Err(_) => return Ok(None),
        }
    }
}

/// What whoever cancels is told while what has begun goes on.
fn cancelled() -> Event {
    Event {
        time: 0,
        subject: Subject::Project,
        what: What::Warning {
            text: "cancelled: what has begun is let finish, the rest is left".to_owned(),
        },
        cause: String::new(),
        until: None,
    }
}

fn failed(source: io::Error) -> Error {
    Error::Io {
        what: "talk to",
        path: "the supervisor".into(),
        source,
    }
}

/// Waits for the stream; true if `cancel` was first.
fn wait_for(stream: BorrowedFd<'_>, cancel: Option<BorrowedFd<'_>>) -> io::Result<bool> {
    let mut fds = vec![PollFd::new(&stream, PollFlags::IN)];
    fds.extend(cancel.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
    loop {
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
            Ok(_) => break,
        }
    }
    Ok(fds[0].revents().is_empty())
}

fn is_hangup(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
    )
}

fn connect_or_start(
    engine: &Engine,
    project: &ProjectName,
    paths: &ProjectPaths,
) -> Result<UnixStream, Error> {
    let deadline = Instant::now() + HANDOVER;
    loop {
        if let Ok(stream) = connect(&paths.run) {
            return Ok(stream);
        }
        if let Some(lock) =
            Lock::try_take(&paths.lock()).map_err(Error::io("lock", paths.lock()))?
        {
            refuse_a_second(project, paths)?;
            start(engine, project, paths, &lock)?;
            continue;
        }
        if Instant::now() > deadline {
            return Err(Error::Lost {
                project: project.to_string(),
                log: paths.supervisor_log(),
            });
        }
        // Somebody else is between taking the lock and listening, or between closing and its end: no event tells us.
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Refuses to start a supervisor beside one that is not found from here: two of them would start everything twice.
fn refuse_a_second(project: &ProjectName, paths: &ProjectPaths) -> Result<(), Error> {
    if let Some(theirs) = paths.lives_elsewhere() {
        return Err(Error::Elsewhere {
            project: project.to_string(),
            theirs,
            ours: paths.run.clone(),
        });
    }
    let records = paths.take_records();
    match records.map_err(Error::io("lock", &paths.root))? {
        Some(_) => Ok(()),
        None => Err(Error::Hidden {
            project: project.to_string(),
            claimant: paths.claimant(),
        }),
    }
}

/// Connects through the folder's descriptor: a socket's own path may not be longer than 107 bytes.
fn connect(run: &Path) -> io::Result<UnixStream> {
    let dir = File::open(run)?;
    UnixStream::connect(format!("/proc/self/fd/{}/control.sock", dir.as_raw_fd()))
}

/// Opens the socket before the supervisor exists: whoever connects from now on waits in its backlog.
fn start(
    engine: &Engine,
    project: &ProjectName,
    paths: &ProjectPaths,
    lock: &Lock,
) -> Result<(), Error> {
    let run = &paths.run;
    let failed = || Error::io("start the supervisor in", run);
    let listener = supervisor::listen(run).map_err(failed())?;
    let log = File::options()
        .append(true)
        .create(true)
        .open(paths.supervisor_log())
        .map_err(failed())?;
    let inherited = [lock.file().as_fd(), listener.as_fd()];
    for fd in inherited {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty())
            .map_err(|e| failed()(e.into()))?;
    }
    Command::new("/proc/self/exe")
        .arg0("hoist-supervisor")
        .args([
            project.as_str().as_ref(),
            engine.paths.root.as_os_str(),
            engine.paths.run.as_os_str(),
        ])
        .env_clear()
        .envs(supervisor::ENVIRONMENT)
        .env(supervisor::LOCK_FD, lock.file().as_raw_fd().to_string())
        .env(supervisor::LISTEN_FD, listener.as_raw_fd().to_string())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map(drop)
        .map_err(failed())
}
