//! `events`: the journal, from some time on, and what is appended to it.

use super::{Engine, Error};
use crate::id::ProjectName;
use crate::state::event::Event;
use crate::state::journal;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Which events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Period {
    /// Not older, nanoseconds since the epoch; `None` = from now on.
    pub since: Option<i64>,
    /// Not younger; `None` = for ever.
    pub until: Option<i64>,
}

/// Gives events in the order they happened, until `period` is over, `cancel` is readable, or `on` breaks. A project that
/// is not there yet, or goes away, is waited for.
pub fn events(
    engine: &Engine,
    project: &ProjectName,
    period: Period,
    cancel: Option<BorrowedFd<'_>>,
    on: &mut dyn FnMut(&Event) -> ControlFlow<()>,
) -> Result<(), Error> {
    let path = engine.paths.project(project).journal();
    let failed = || Error::io("follow", &path);
    let mut journal = match period.since {
        Some(_) => journal::Reader::at_start(&path),
        None => journal::Reader::at_end(&path).map_err(failed())?,
    };
    let mut bell = Bell::new(&path).map_err(failed())?;
    loop {
        for event in journal.read().map_err(failed())? {
            let early = period.since.is_some_and(|since| event.time < since);
            let late = period.until.is_some_and(|until| event.time > until);
            if !early && !late && on(&event).is_break() {
                return Ok(());
            }
        }
        let left = period.until.map(|until| until - now());
        if left.is_some_and(|left| left <= 0) || !bell.wait(left, cancel).map_err(failed())? {
            return Ok(());
        }
    }
}

fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// Rings when the journal may have grown, come or gone: its folder is watched, or the nearest one above that exists.
struct Bell<'a> {
    journal: &'a Path,
    inotify: Inotify,
}

impl<'a> Bell<'a> {
    fn new(journal: &'a Path) -> std::io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let mut bell = Self { journal, inotify };
        bell.watch()?;
        Ok(bell)
    }

    fn watch(&mut self) -> std::io::Result<()> {
        let flags = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_DELETE_SELF;
        for folder in self.journal.ancestors().skip(1) {
            match self.inotify.add_watch(folder, flags) {
                Ok(_) => return Ok(()),
                Err(nix::errno::Errno::ENOENT) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// False if `cancel` was first.
    fn wait(
        &mut self,
        nanoseconds: Option<i64>,
        cancel: Option<BorrowedFd<'_>>,
    ) -> std::io::Result<bool> {
        let inotify = self.inotify.as_fd();
        let mut fds = vec![PollFd::new(&inotify, PollFlags::IN)];
        fds.extend(cancel.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        let limit = nanoseconds.map(|ns| Timespec {
            tv_sec: ns / 1_000_000_000,
            tv_nsec: ns % 1_000_000_000,
        });
        match poll(&mut fds, limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let cancelled = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
        while self.inotify.read_events().is_ok() {}
        // Folders come and go with projects.
        self.watch()?;
        Ok(!cancelled)
    }
}
