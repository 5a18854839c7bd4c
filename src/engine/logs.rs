//! `logs`, and the output of attached `up`. Both read files and the journal; a supervisor may die meanwhile.

mod previous;

pub use previous::{LogSource, log_sources};

use super::ps::ps;
use super::{Engine, Error};
use crate::id::ProjectName;
use crate::scheduler::supervisor::control::{ContainerState, ContainerSummary};
use crate::scheduler::supervisor::logs::{Line, LogLines};
use crate::state::event::{Event, Subject, What};
use crate::state::journal;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

pub use crate::scheduler::supervisor::logs::Stream;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Logs {
    /// Named services; empty = all.
    pub services: Vec<String>,
    /// Only this container, by full id.
    pub container: Option<String>,
    /// Go on with what comes, also of new containers.
    pub follow: bool,
    /// Begin with the last so many lines of each container.
    pub tail: Option<usize>,
    /// Not older, nanoseconds since the epoch.
    pub since: Option<i64>,
    /// Not younger.
    pub until: Option<i64>,
    /// What was kept of removed containers, instead of what there is.
    pub previous: bool,
    /// Also what nobody keeps: it is being written for whoever asks.
    pub live: bool,
}

/// One line of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// Name of the container.
    pub container: &'a str,
    /// Its service.
    pub service: &'a str,
    /// Its number.
    pub number: u32,
    /// When it was written, nanoseconds since the epoch.
    pub time: i64,
    /// Where.
    pub stream: Stream,
    /// Without the line feed.
    pub bytes: &'a [u8],
}

/// What an attached `up` sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Attached<'a> {
    /// Output.
    Line(LogLine<'a>),
    /// Something that happened to a container.
    Event(&'a Event),
}

type OnAttached<'a> = &'a mut dyn FnMut(Attached<'_>) -> ControlFlow<()>;

/// Gives lines in the order of time; with `follow` until all containers have ended for good, `cancel` is readable, or
/// `on_line` breaks.
pub fn logs(
    engine: &Engine,
    project: &ProjectName,
    request: &Logs,
    cancel: Option<BorrowedFd<'_>>,
    on_line: &mut dyn FnMut(&LogLine<'_>) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut follower = Follower::open(engine, project, request)?;
    let mut lines_only = |attached: Attached<'_>| match attached {
        Attached::Line(line) => on_line(&line),
        Attached::Event(_) => ControlFlow::Continue(()),
    };
    if follower.drain(&mut lines_only)?.is_break() || !request.follow {
        return follower.finish(&mut lines_only);
    }
    follower.follow(cancel, &mut lines_only)
}

/// Gives output and events of services from `since` on until all their containers have ended for good, `cancel` is
/// readable, or `on` breaks.
pub fn follow(
    engine: &Engine,
    project: &ProjectName,
    services: &[String],
    since: i64,
    cancel: Option<BorrowedFd<'_>>,
    on: OnAttached<'_>,
) -> Result<(), Error> {
    let request = Logs {
        services: services.to_vec(),
        follow: true,
        since: Some(since),
        live: true,
        ..Logs::default()
    };
    Follower::open(engine, project, &request)?.follow(cancel, on)
}

/// Reads the logs of a project's containers and its journal.
struct Follower<'a> {
    engine: &'a Engine,
    project: &'a ProjectName,
    request: &'a Logs,
    sources: Vec<Source>,
    journal: journal::Reader,
    inotify: Inotify,
    /// Containers that live, by id.
    running: HashSet<String>,
    /// What was there at first has been shown: all that comes is new, whatever the clock says.
    caught_up: bool,
}

/// The log of one container.
struct Source {
    id: String,
    name: String,
    service: String,
    number: u32,
    lines: LogLines,
}

impl<'a> Follower<'a> {
    fn open(
        engine: &'a Engine,
        project: &'a ProjectName,
        request: &'a Logs,
    ) -> Result<Self, Error> {
        let path = engine.paths.project(project).journal();
        let failed = || Error::io("follow", &path);
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK);
        let mut follower = Self {
            engine,
            project,
            request,
            sources: Vec::new(),
            // what happened between `since` and now must not be missed
            journal: match request.since {
                Some(_) => journal::Reader::at_start(&path),
                None => journal::Reader::at_end(&path).map_err(failed())?,
            },
            inotify: inotify.map_err(|e| failed()(e.into()))?,
            running: HashSet::new(),
            caught_up: false,
        };
        if let Some(run) = path.parent().filter(|_| request.follow) {
            follower.watch(run)?;
        }
        if request.previous {
            follower.add_previous()?;
            return Ok(follower);
        }
        for container in ps(engine, project)? {
            follower.add(&container, request.tail)?;
        }
        Ok(follower)
    }

    /// Goes on until all containers have ended for good.
    fn follow(&mut self, cancel: Option<BorrowedFd<'_>>, on: OnAttached<'_>) -> Result<(), Error> {
        loop {
            if self.advance(on)?.is_break() {
                return Ok(());
            }
            if self.running.is_empty() && !self.still_running()? {
                return self.finish(on);
            }
            if !self.wait(cancel)? {
                return Ok(());
            }
        }
    }

    fn watch(&self, dir: &std::path::Path) -> Result<(), Error> {
        let flags =
            AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        match self.inotify.add_watch(dir, flags) {
            Err(nix::errno::Errno::ENOENT) | Ok(_) => Ok(()),
            Err(e) => Err(Error::io("watch", dir)(e.into())),
        }
    }

    fn add(&mut self, container: &ContainerSummary, tail: Option<usize>) -> Result<(), Error> {
        let services = &self.request.services;
        let wanted = services.is_empty() || services.contains(&container.service);
        // as docker compose: what `run` made has shown its output to whoever ran it
        let one_off = container.number == 0;
        let meant = match &self.request.container {
            Some(id) => *id == container.id,
            None => wanted && !one_off,
        };
        let kept = self.request.live || !container.unlogged;
        if !meant || !kept || self.sources.iter().any(|s| s.id == container.id) {
            return Ok(());
        }
        if matches!(
            container.state,
            ContainerState::Running | ContainerState::Restarting
        ) {
            self.running.insert(container.id.clone());
        }
        if self.request.follow {
            self.watch(&container.log_dir)?;
        }
        self.sources.push(Source {
            id: container.id.clone(),
            name: container.name.clone(),
            service: container.service.clone(),
            number: container.number,
            lines: self.lines(&container.log_dir, tail)?,
        });
        Ok(())
    }

    fn lines(&self, dir: &Path, tail: Option<usize>) -> Result<LogLines, Error> {
        let lines = match (tail, self.request.since) {
            (None, Some(since)) if !self.caught_up => LogLines::since(dir, since),
            (tail, _) => LogLines::open(dir, tail),
        };
        let lines = lines.and_then(|lines| match self.request.follow {
            true => Ok(lines),
            false => lines.bounded(),
        });
        let lines = lines.map_err(Error::io("read", dir))?;
        Ok(lines.until(self.request.until))
    }

    /// Sleeps until something changes; false if `cancel` came first.
    fn wait(&self, cancel: Option<BorrowedFd<'_>>) -> Result<bool, Error> {
        let watching = self.inotify.as_fd();
        let mut fds = vec![PollFd::new(&watching, PollFlags::IN)];
        fds.extend(cancel.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        loop {
            match poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(Error::io("wait for", "the logs")(e.into())),
                Ok(_) => break,
            }
        }
        // What changed does not matter: everything is looked at.
        let _ = self.inotify.read_events();
        Ok(fds.get(1).is_none_or(|fd| fd.revents().is_empty()))
    }

    /// Gives what is new: events in their place among the lines.
    fn advance(&mut self, on: OnAttached<'_>) -> Result<ControlFlow<()>, Error> {
        let path = self.engine.paths.project(self.project).journal();
        let mut events = self.journal.read().map_err(Error::io("read", &path))?;
        let new = self.caught_up;
        events.retain(|e| new || self.request.since.is_none_or(|since| e.time >= since));
        if events
            .iter()
            .any(|e| matches!(e.what, What::Created | What::Started))
        {
            for container in ps(self.engine, self.project)? {
                self.add(&container, None)?;
            }
        }
        if self.drain(on)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        for event in &events {
            if self.note(event) && on(Attached::Event(event)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether the event is one that whoever looks on wants to know: what happens by itself to one of ours. What a
    /// command does is told by that command.
    fn note(&mut self, event: &Event) -> bool {
        let Subject::Container { id, .. } = &event.subject else {
            return false;
        };
        match event.what {
            What::Started | What::Restarting => drop(self.running.insert(id.clone())),
            What::Exited { .. } | What::Removed => drop(self.running.remove(id)),
            _ => {}
        }
        let by_itself = matches!(
            event.what,
            What::Exited { .. } | What::Restarting | What::Unhealthy | What::Failed { .. }
        );
        by_itself && self.sources.iter().any(|s| s.id == *id)
    }

    /// After an exit only the supervisor knows whether a restart is due.
    fn still_running(&mut self) -> Result<bool, Error> {
        for container in ps(self.engine, self.project)? {
            let ours = self.sources.iter().any(|s| s.id == container.id);
            if ours
                && matches!(
                    container.state,
                    ContainerState::Running | ContainerState::Restarting
                )
            {
                self.running.insert(container.id);
            }
        }
        Ok(!self.running.is_empty())
    }

    /// Gives all whole lines that are there, oldest first. A log that has run dry is not looked at again meanwhile.
    fn drain(&mut self, on: OnAttached<'_>) -> Result<ControlFlow<()>, Error> {
        let mut wet: Vec<usize> = (0..self.sources.len()).collect();
        loop {
            let mut oldest: Option<(usize, i64)> = None;
            let mut still_wet = Vec::with_capacity(wet.len());
            for index in wet {
                let source = &mut self.sources[index];
                let reading = Error::io("read the log of", &source.name);
                if let Some(line) = source.lines.peek().map_err(reading)? {
                    still_wet.push(index);
                    if oldest.is_none_or(|(_, time)| line.time < time) {
                        oldest = Some((index, line.time));
                    }
                }
            }
            wet = still_wet;
            let Some((index, _)) = oldest else {
                self.caught_up = true;
                return Ok(ControlFlow::Continue(()));
            };
            let source = &mut self.sources[index];
            let reading = Error::io("read the log of", &source.name);
            if let Some(line) = source.lines.next_line().map_err(reading)?
                && self.show(index, &line, on).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    fn show(&self, index: usize, line: &Line, on: OnAttached<'_>) -> ControlFlow<()> {
        let source = &self.sources[index];
        let since = self.request.since.filter(|_| !self.caught_up);
        let too_old = since.is_some_and(|since| line.time < since);
        let too_young = self.request.until.is_some_and(|until| line.time > until);
        if too_old || too_young {
            return ControlFlow::Continue(());
        }
        on(Attached::Line(LogLine {
            container: &source.name,
            service: &source.service,
            number: source.number,
            time: line.time,
            stream: line.stream,
            bytes: &line.bytes,
        }))
    }

    /// Gives what is left, also lines without an end.
    fn finish(&mut self, on: OnAttached<'_>) -> Result<(), Error> {
        if self.drain(on)?.is_break() {
            return Ok(());
        }
        for index in 0..self.sources.len() {
            for line in self.sources[index].lines.rest() {
                if self.show(index, &line, on).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
