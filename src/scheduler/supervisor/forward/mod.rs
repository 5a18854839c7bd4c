//! Logs that go to the journal or to syslog as well: `logging.driver: journald`, `syslog`.
//!
//! The shim keeps the log as ever, and the supervisor reads it and passes it on.
//!
//! Invariants: the container never waits for a receiver; whoever is killed, and whoever does not listen for a while, no line is
//! lost: where passing on had come to is on disk, and what follows is passed on later. A line is sent twice if the supervisor is
//! killed between sending and noting.

mod receiver;

pub use receiver::{Address, Forward, Receiver, is_tag};

use self::receiver::{Identity, Sender};
use super::container::Container;
use super::logs::{Line, LogLines};
use super::project::Project;
use super::watch;
use crate::state::event::What;
use crate::state::store;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long after a refusal sending is tried again.
const REST: Duration = Duration::from_secs(2);
/// After so many lines the place is noted.
const LINES: usize = 1024;

/// What was sent last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// The time of that line.
    time: i64,
    /// How many lines of that very time were sent: those that came together have one time.
    lines: usize,
}

/// A log on its way to somebody.
pub struct Outlet {
    log: PathBuf,
    /// Where the mark is kept.
    mark_file: PathBuf,
    mark: Mark,
    /// Lines of the mark's time that were sent before the log was opened.
    skip: usize,
    lines: Option<LogLines>,
    sender: Sender,
}

/// Shared by the task of a container and who removes it.
pub type Shared = Arc<Mutex<Outlet>>;

/// The outlet of a container that has one.
pub fn outlet(
    record: &crate::state::record::ContainerRecord<super::launch::Launch>,
    paths: &crate::state::paths::ContainerPaths,
) -> Option<Shared> {
    let forward = record.launch.forward.clone()?;
    let identity = Identity {
        id: record.id.to_string(),
        name: record.name.clone(),
        image: record.image.clone(),
        image_id: record.image_id.hex().to_owned(),
    };
    let mark_file = paths.root.join("forwarded.json");
    let mark: Mark = store::read(&mark_file).ok().flatten().unwrap_or_default();
    Some(Arc::new(Mutex::new(Outlet {
        log: paths.log(),
        mark_file,
        mark,
        skip: mark.lines,
        lines: None,
        sender: Sender::new(forward, identity),
    })))
}

impl Outlet {
    /// Sends what is there. With `last`, also what was begun and will not be ended.
    fn drain(&mut self, last: bool) -> io::Result<()> {
        let mut lines = match self.lines.take() {
            Some(lines) => lines,
            None if self.mark.time == 0 => LogLines::open(&self.log, None)?,
            None => LogLines::since(&self.log, self.mark.time)?,
        };
        let sent = self.send_all(&mut lines, last);
        // After a refusal the log is opened anew, at the mark.
        match &sent {
            Ok(()) => self.lines = Some(lines),
            Err(_) => self.skip = self.mark.lines,
        }
        self.note()?;
        sent
    }

    fn note(&self) -> io::Result<()> {
        store::write(&self.mark_file, &self.mark).map_err(io::Error::other)
    }

    fn send_all(&mut self, lines: &mut LogLines, last: bool) -> io::Result<()> {
        let mut count = 0;
        while let Some(line) = lines.next_line()? {
            self.send(&line)?;
            count += 1;
            if count % LINES == 0 {
                self.note()?;
            }
        }
        let rest = if last { lines.rest() } else { Vec::new() };
        rest.iter().try_for_each(|line| self.send(line))
    }

    fn send(&mut self, line: &Line) -> io::Result<()> {
        if line.time < self.mark.time {
            return Ok(());
        }
        if line.time == self.mark.time && self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        self.sender.send(line)?;
        let same = if line.time == self.mark.time {
            self.mark.lines
        } else {
            0
        };
        self.mark = Mark {
            time: line.time,
            lines: same + 1,
        };
        Ok(())
    }
}

/// Passes a container's log on for as long as it is there.
pub fn spawn(project: &Rc<Project>, container: &Rc<Container>) {
    let Some(outlet) = container.outlet.clone() else {
        return;
    };
    let (project, container) = (project.clone(), Rc::downgrade(container));
    tokio::task::spawn_local(async move {
        if let Err(error) = follow(&project, &container, outlet).await {
            tell(&project, &container, &error);
        }
    });
}

/// Sends what is left of the log of a container that is about to be removed.
pub async fn finish(project: &Project, container: &Container) {
    let Some(outlet) = container.outlet.clone() else {
        return;
    };
    if let Err(error) = drain(outlet, true).await {
        warn(project, container, &error);
    }
}

/// Sends what is there, before the supervisor leaves.
pub async fn flush(project: &Project) {
    for container in project.all() {
        let Some(outlet) = container.outlet.clone() else {
            continue;
        };
        if let Err(error) = drain(outlet, false).await {
            warn(project, &container, &error);
        }
    }
}

async fn follow(
    project: &Rc<Project>,
    container: &Weak<Container>,
    outlet: Shared,
) -> io::Result<()> {
    let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let log = outlet
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .log
        .clone();
    inotify::add_watch(
        &inotify,
        &log,
        WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::DELETE_SELF,
    )?;
    let changes = watch::readable(inotify)?;
    let mut told = false;
    while container.strong_count() > 0 && log.exists() {
        match drain(outlet.clone(), false).await {
            Ok(()) => told = false,
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tell(project, container, &error);
                }
                tokio::time::sleep(REST).await;
                continue;
            }
        }
        let mut changed = changes.readable().await?;
        // What changed makes no difference: the log is read on from where it was.
        let mut events = [0; 4096];
        while rustix::io::read(changes.get_ref(), &mut events).is_ok_and(|count| count > 0) {}
        changed.clear_ready();
    }
    Ok(())
}

async fn drain(outlet: Shared, last: bool) -> io::Result<()> {
    let work = move || {
        let mut outlet = outlet.lock().unwrap_or_else(PoisonError::into_inner);
        outlet.drain(last)
    };
    let drained = tokio::task::spawn_blocking(work).await;
    drained.unwrap_or_else(|e| Err(io::Error::other(e)))
}

fn tell(project: &Project, container: &Weak<Container>, error: &io::Error) {
    if let Some(container) = container.upgrade() {
        warn(project, &container, error);
    }
}

fn warn(project: &Project, container: &Container, error: &io::Error) {
    let name = &container.record.name;
    let text = format!("the log of container `{name}` is kept, but cannot be passed on: {error}");
    project.event(container, What::Warning { text }, "");
}
