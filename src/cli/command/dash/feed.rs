//! What a project does, for as long as somebody looks.
//!
//! Three threads a project: one follows its events, one looks at containers after an event and at their usage each
//! second, one follows what they write. All end with the feed.

use super::desk::{News, Post};
use crate::cli::command::interrupt::pipe;
use crate::cli::command::now;
use crate::cli::exit::Error;
use crate::cli::view::dash::{self, Kept, LogRow, Said};
use crate::cli::view::plain;
use crate::cli::view::style::Style;
use crate::engine;
use crate::engine::{ContainerState, Engine, LogLine, Logs, Period, Select, Stream};
use crate::id::ProjectName;
use crate::state::event::{Event, What};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Between two looks at usage.
const PERIOD: Duration = Duration::from_secs(1);
/// With how many lines of each container it begins.
const TAIL: usize = 500;

/// The threads; dropping it ends them.
#[derive(Debug)]
pub struct Feed {
    #[expect(dead_code, reason = "the other end of it is watched")]
    end: OwnedFd,
    looks: Look,
}

/// Asks for a look at containers, and what is to be said once the table shows what was seen.
pub type Look = Sender<Option<Said>>;

/// What each thread has.
#[derive(Clone)]
struct Source {
    engine: Engine,
    project: ProjectName,
    post: Post,
    /// Readable when the feed is gone.
    over: Arc<OwnedFd>,
}

impl Feed {
    /// Begins to feed.
    pub fn open(
        engine: Engine,
        project: ProjectName,
        post: Post,
        kept: Kept,
    ) -> Result<Self, Error> {
        let (over, end) = pipe()?;
        let source = Source {
            engine,
            project,
            post,
            over: Arc::new(over),
        };
        let (changed, changes) = channel();
        let (started, starts) = channel();
        let (events, looks, lines) = (source.clone(), source.clone(), source);
        let since = now();
        let asked = changed.clone();
        std::thread::spawn(move || events.events(since, &changed, &started));
        std::thread::spawn(move || looks.look(&changes));
        std::thread::spawn(move || lines.read(&starts, &kept));
        Ok(Self { end, looks: asked })
    }

    /// A way to have it look.
    pub fn looks(&self) -> Look {
        self.looks.clone()
    }
}

impl Source {
    /// Follows the journal; its end is the end of the others, who lose their senders with it.
    fn events(&self, since: i64, changed: &Look, started: &Sender<()>) {
        let period = Period {
            since: Some(since),
            until: None,
        };
        let over = Some(self.over.as_fd());
        let followed = engine::events(&self.engine, &self.project, period, over, &mut |event| {
            self.tell(event);
            if event.what == What::Started {
                let _ = started.send(());
            }
            match changed.send(None) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        self.failed(followed);
    }

    /// Says what happened by itself; what a key asked for is said by who does it.
    fn tell(&self, event: &Event) {
        let is_error = matches!(event.what, What::Failed { .. } | What::Unhealthy);
        if is_error || matches!(event.what, What::Exited { .. } | What::Warning { .. }) {
            let text = plain::line(event, Style { colour: false })
                .trim()
                .to_owned();
            self.post.put(News::Said(Said { text, is_error }));
        }
    }

    /// Looks at containers whenever something has changed, and at what they use now and then.
    fn look(&self, changes: &Receiver<Option<Said>>) {
        let mut is_alive = self.containers();
        let mut next = Instant::now();
        loop {
            let wait = next.saturating_duration_since(Instant::now());
            match changes.recv_timeout(wait) {
                Ok(first) => {
                    // Many at once are one look.
                    let asked = std::iter::once(first).chain(changes.try_iter());
                    let said = asked.flatten().collect::<Vec<_>>();
                    is_alive = self.containers();
                    for said in said {
                        self.post.put(News::Said(said));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    next = Instant::now() + PERIOD;
                    if is_alive {
                        self.usage();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Whether there are any that use something.
    fn containers(&self) -> bool {
        let list = match engine::ps(&self.engine, &self.project) {
            Ok(list) => list,
            Err(error) => {
                self.failed(Err(error));
                return false;
            }
        };
        let alive = [ContainerState::Running, ContainerState::Paused];
        let is_alive = list.iter().any(|it| alive.contains(&it.state));
        self.post.put(News::Containers(self.project.clone(), list));
        is_alive
    }

    fn usage(&self) {
        // One that cannot be had now is shown the next time.
        if let Ok(list) = engine::stats(&self.engine, &self.project, Select::default()) {
            self.post.put(News::Usage(self.project.clone(), list));
        }
    }

    /// Keeps the lines; when all containers have ended, goes on as soon as one is started.
    fn read(&self, starts: &Receiver<()>, kept: &Kept) {
        let mut since = None;
        loop {
            let request = Logs {
                follow: true,
                tail: since.is_none().then_some(TAIL),
                since,
                ..Logs::default()
            };
            let over = Some(self.over.as_fd());
            let read = engine::logs(&self.engine, &self.project, &request, over, &mut |line| {
                since = Some(line.time + 1);
                kept.push(self.project.as_str(), self.row(line));
                self.post.ring();
                ControlFlow::Continue(())
            });
            self.failed(read);
            if starts.recv().is_err() {
                return;
            }
            while starts.try_recv().is_ok() {}
        }
    }

    fn row(&self, line: &LogLine<'_>) -> LogRow {
        let own = format!("{}-{}-{}", self.project, line.service, line.number);
        let name = match line.container == own {
            true => format!("{}-{}", line.service, line.number),
            false => line.container.to_owned(),
        };
        LogRow {
            order: 0,
            time: line.time,
            name: name.into(),
            service: line.service.into(),
            is_error: line.stream == Stream::Err,
            text: dash::plain(line.bytes).into(),
        }
    }

    fn failed(&self, result: Result<(), engine::Error>) {
        if let Err(error) = result {
            let (text, is_error) = (error.to_string(), true);
            self.post.put(News::Said(Said { text, is_error }));
        }
    }
}

/// Tells which projects there are, until nobody listens.
pub fn projects(engine: Engine, post: Post) {
    std::thread::spawn(move || {
        let mut known = None;
        let followed = engine::projects(&engine, &mut |names| {
            if known.as_ref() != Some(&names) && !post.put(News::Projects(names.clone())) {
                return ControlFlow::Break(());
            }
            known = Some(names);
            ControlFlow::Continue(())
        });
        if let Err(error) = followed {
            let (text, is_error) = (error.to_string(), true);
            post.put(News::Said(Said { text, is_error }));
        }
    });
}
