//! Shows what attached containers write and how they end, and notices the end that ends all.

use super::logs::said;
use super::menu::Hidden;
use crate::cli::args::Up;
use crate::cli::context::Context;
use crate::cli::exit::Error;
use crate::cli::view::View;
use crate::cli::view::json;
use crate::cli::view::lines::{LineStyle, Prefixer, Said};
use crate::cli::view::progress::{Mode, Progress};
use crate::compose::Loaded;
use crate::engine;
use crate::engine::Attached;
use crate::engine::ContainerState;
use crate::engine::Engine;
use crate::engine::LogLine;
use crate::id::ProjectName;
use crate::id::ServiceName;
use crate::state::event::Event;
use crate::state::event::Subject;
use crate::state::event::What;
use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};

/// Which exits end everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Abort {
    Never,
    OnExit,
    OnFailure,
}

/// What was seen by the end.
#[derive(Debug, Default)]
pub struct Seen {
    /// The last exit code of each service.
    pub codes: HashMap<String, i32>,
    /// The service and exit code that ended all.
    pub aborted: Option<(String, i32)>,
}

/// Follows the containers of an attached `up`.
#[derive(Debug)]
pub struct Follower {
    view: View,
    engine: Engine,
    project: ProjectName,
    services: Vec<String>,
    shown: HashSet<String>,
    hidden: Hidden,
    prefixer: Prefixer,
    since: i64,
    abort: Abort,
    seen: Seen,
    broken: Option<io::Error>,
}

impl Follower {
    /// Follows `services` of a project from the time `since` on.
    pub fn new(
        context: &Context,
        args: &Up,
        loaded: &Loaded,
        services: &[String],
        since: i64,
    ) -> Self {
        let project = &loaded.project;
        let order = project.services.keys().map(ToString::to_string).collect();
        let style = LineStyle {
            prefix: !args.no_log_prefix,
            timestamps: args.timestamps,
            style: context.view.log_style(args.no_color),
        };
        let shown = shown(args, loaded, services);
        let mut prefixer = Prefixer::new(project.name.as_str(), order, style);
        for (name, service) in &project.services {
            if shown.contains(name.as_str()) {
                let scaled = args.scale.iter().rfind(|(scaled, _)| scaled == name);
                let last = scaled.map_or(service.scale, |(_, count)| *count).max(1);
                let own = format!("{}-{name}-{last}", project.name);
                let container = service.container_name.as_deref().unwrap_or(&own);
                prefixer.expect(container, name.as_str(), last);
            }
        }
        Self {
            view: context.view.clone(),
            engine: context.engine(),
            project: project.name.clone(),
            services: followed(args, services),
            shown,
            hidden: Hidden::default(),
            prefixer,
            since,
            abort: match (
                args.abort_on_container_failure,
                args.abort_on_container_exit,
            ) {
                (true, _) => Abort::OnFailure,
                (false, true) => Abort::OnExit,
                (false, false) if args.exit_code_from.is_some() => Abort::OnExit,
                (false, false) => Abort::Never,
            },
            seen: Seen::default(),
            broken: None,
        }
    }

    /// Follows until everything has ended or `cancelled` is closed. Writes a byte to `waker` if everything must end, and
    /// closes it at the end.
    pub fn follow(mut self, cancelled: &OwnedFd, waker: OwnedFd) -> Result<Seen, Error> {
        let (engine, project) = (self.engine.clone(), self.project.clone());
        let (services, since) = (self.services.clone(), self.since);
        let followed = engine::follow(
            &engine,
            &project,
            &services,
            since,
            Some(cancelled.as_fd()),
            &mut |what| self.take(what, &waker),
        );
        drop(waker);
        match self.broken {
            Some(error) => Err(Error::Output(error)),
            None => Ok(followed.map(|()| self.seen)?),
        }
    }

    /// What the user hides while it follows.
    pub fn hidden(&self) -> Hidden {
        self.hidden.clone()
    }

    /// Says whose lines are shown.
    pub fn greet(&self) {
        let shown = self
            .services
            .iter()
            .filter(|name| self.shown.contains(*name));
        let shown: Vec<&str> = shown.map(String::as_str).collect();
        self.view
            .note(&format!("Attaching to {}\n", shown.join(", ")));
    }

    fn take(&mut self, what: Attached<'_>, waker: &OwnedFd) -> ControlFlow<()> {
        let written = match what {
            Attached::Line(line) => self.line(&line),
            Attached::Event(event) => {
                self.event(event, waker);
                Ok(())
            }
        };
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.broken = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn line(&mut self, line: &LogLine<'_>) -> io::Result<()> {
        if !self.shown.contains(line.service) || self.hidden.has(line.service) {
            return Ok(());
        }
        let text = self.prefixer.line(said(line));
        self.view.stream(line.stream, &text)
    }

    fn event(&mut self, event: &Event, waker: &OwnedFd) {
        match (&event.what, &event.subject) {
            (What::Exited { code, oom }, Subject::Container { name, service, .. }) => {
                self.seen.codes.insert(service.clone(), *code);
                if self.shown.contains(service) {
                    match self.view.mode {
                        Mode::Json => self.view.say(&json::line(event)),
                        _ => self.notice(event.time, (name, service), *code, *oom),
                    }
                }
                if self.seen.aborted.is_none() && self.aborts(name, *code) {
                    self.seen.aborted = Some((service.clone(), *code));
                    let _ = rustix::io::write(waker, b"x");
                }
            }
            (What::Warning { .. } | What::Failed { .. } | What::Unhealthy, _) => {
                Progress::beside_logs(&self.view).event(event);
            }
            _ => (),
        }
    }

    fn notice(&mut self, time: i64, (container, service): (&str, &str), code: i32, oom: bool) {
        let number = container.rsplit('-').next().and_then(|n| n.parse().ok());
        let said = Said {
            container,
            service,
            number: number.unwrap_or(1),
            time,
            bytes: b"",
        };
        let why = if oom { " (out of memory)" } else { "" };
        let text = self
            .prefixer
            .notice(said, &format!("exited with code {code}{why}"));
        self.view.say(&text);
    }

    /// Whether this exit ends everything: one that a restart follows does not.
    fn aborts(&self, container: &str, code: i32) -> bool {
        match self.abort {
            Abort::Never => return false,
            Abort::OnFailure if code == 0 => return false,
            Abort::OnFailure | Abort::OnExit => (),
        }
        let Ok(containers) = engine::ps(&self.engine, &self.project) else {
            return true;
        };
        containers
            .iter()
            .find(|it| it.name == container)
            .is_none_or(|it| it.state == ContainerState::Exited)
    }
}

/// Whose end is waited for: the named services', or all; what they depend on may go on.
fn followed(args: &Up, services: &[String]) -> Vec<String> {
    let asked = args
        .services
        .iter()
        .chain(&args.attach)
        .chain(&args.exit_code_from);
    let asked: HashSet<&str> = asked.map(ServiceName::as_str).collect();
    let all = args.services.is_empty() || args.attach_dependencies;
    let followed = services
        .iter()
        .filter(|name| all || asked.contains(name.as_str()));
    followed.cloned().collect()
}

/// Whose lines are shown: those of the named services, or of all; never of one that the file says not to attach to.
fn shown(args: &Up, loaded: &Loaded, services: &[String]) -> HashSet<String> {
    let named = |name: &String| {
        args.services.is_empty()
            || args.attach_dependencies
            || args.services.iter().any(|service| service.as_str() == name)
    };
    let wanted: Vec<String> = if args.attach.is_empty() {
        services
            .iter()
            .filter(|name| named(name))
            .cloned()
            .collect()
    } else {
        args.attach.iter().map(ToString::to_string).collect()
    };
    let hidden = |name: &str| {
        let in_file = loaded.project.services.get(name);
        let by_file = args.attach.is_empty() && in_file.is_some_and(|service| !service.attach);
        by_file || args.no_attach.iter().any(|no| no.as_str() == name)
    };
    wanted.into_iter().filter(|name| !hidden(name)).collect()
}
