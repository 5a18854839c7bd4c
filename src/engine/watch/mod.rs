//! `watch`: what changes here is brought into the containers.
//!
//! ```text
//!  inotify ─▶ notice (paths, gathered) ─▶ rule (whose, where to) ─▶ copy::sync · restart · exec
//! ```
//!
//! Invariants: what is brought is what is there when it is brought; nothing outside a rule's target is written.

mod ignore;
mod notice;
mod rule;

use self::notice::{Notice, Noticed};
use self::rule::{Act, Exec, Rule};
use super::copy::{self, Change};
use super::exec::exec;
use super::ps::ps;
use super::restart::restart;
use super::session::SessionEvent;
use super::{Engine, Error};
use crate::compose::Canonical;
use crate::id::ProjectName;
use crate::id::ServiceName;
use crate::scheduler::supervisor::control::{
    self, ContainerState, ContainerSummary, Failure, Place, Select,
};
use crate::state::event::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// What watching does, told as it does it.
#[derive(Debug)]
pub enum Watched<'a> {
    /// It has begun, for so many rules.
    Begun(usize),
    /// So many files were copied to a service, or removed there.
    Synced(&'a str, usize),
    /// A service was restarted.
    Restarted(&'a str),
    /// A command was run in a service's containers, and ended so.
    Executed(&'a str, i32),
    /// Its image would have to be built, and there is no builder.
    Rebuild(&'a str, &'a Path),
    /// It went wrong; watching goes on.
    Failed(&'a str, Error),
    /// Something that happened on the way.
    Event(&'a Event),
}

type OnWatched<'a> = &'a mut dyn FnMut(Watched<'_>);

/// Watches for the rules of `services` until `cancel` is readable.
pub fn watch(
    engine: &Engine,
    project: &ProjectName,
    (canonical, services): (&Canonical, &[ServiceName]),
    cancel: BorrowedFd<'_>,
    on: OnWatched<'_>,
) -> Result<(), Error> {
    let rules: Vec<Rule> = services
        .iter()
        .flat_map(|service| Rule::of(canonical, service.as_str()))
        .collect();
    if rules.is_empty() {
        return Err(Failure::text(
            "no service has a `develop.watch` section: there is nothing to watch",
        )
        .with_hint("add one, as in `develop: {watch: [{action: sync, path: ./src, target: /app}]}`")
        .into());
    }
    let roots: Vec<PathBuf> = rules.iter().map(|rule| rule.path.clone()).collect();
    let skipped = |path: &Path| rules.iter().all(|rule| rule.concerns(path).is_none());
    let failed = |source| Error::io("watch", &roots[0])(source);
    let mut notice = Notice::new(&roots, &skipped).map_err(failed)?;
    let mut watcher = Watcher {
        engine,
        project,
        rules: &rules,
        on,
    };
    (watcher.on)(Watched::Begun(rules.len()));
    watcher.all(|rule| rule.initial_sync);
    loop {
        match notice.next(cancel).map_err(failed)? {
            Noticed::Cancelled => return Ok(()),
            Noticed::Paths(paths) => watcher.changed(&paths),
            Noticed::Anything => {
                notice = Notice::new(&roots, &skipped).map_err(failed)?;
                watcher.all(|rule| !matches!(rule.act, Act::Rebuild | Act::Restart));
            }
        }
    }
}

struct Watcher<'a> {
    engine: &'a Engine,
    project: &'a ProjectName,
    rules: &'a [Rule],
    on: OnWatched<'a>,
}

impl Watcher<'_> {
    /// Brings everything of the rules that are `meant`.
    fn all(&mut self, meant: impl Fn(&Rule) -> bool) {
        let rules = self.rules;
        for rule in rules.iter().filter(|rule| meant(rule)) {
            let mut paths = BTreeSet::new();
            everything(rule, &rule.path, &mut paths);
            self.act(rule, &paths);
        }
    }

    fn changed(&mut self, paths: &BTreeSet<PathBuf>) {
        let rules = self.rules;
        for rule in rules {
            let mine: BTreeSet<PathBuf> = paths
                .iter()
                .filter(|path| rule.concerns(path).is_some())
                .cloned()
                .collect();
            if !mine.is_empty() {
                self.act(rule, &mine);
            }
        }
    }

    fn act(&mut self, rule: &Rule, paths: &BTreeSet<PathBuf>) {
        let service = rule.service.as_str();
        let result = match &rule.act {
            Act::Sync => self.sync(rule, paths),
            Act::SyncRestart => self.sync(rule, paths).and_then(|()| self.restart(service)),
            Act::SyncExec(exec) => self
                .sync(rule, paths)
                .and_then(|()| self.exec(service, exec)),
            Act::Restart => self.restart(service),
            Act::Rebuild => {
                let first = paths
                    .iter()
                    .next()
                    .map_or(rule.path.as_path(), PathBuf::as_path);
                (self.on)(Watched::Rebuild(service, first));
                Ok(())
            }
        };
        if let Err(error) = result {
            (self.on)(Watched::Failed(service, error));
        }
    }

    fn sync(&mut self, rule: &Rule, paths: &BTreeSet<PathBuf>) -> Result<(), Error> {
        let changes: Vec<Change> = paths
            .iter()
            .filter_map(|path| {
                Some(Change {
                    source: path.clone(),
                    below: rule.concerns(path)?,
                })
            })
            .collect();
        let here = copy::here()?;
        for container in self.running(&rule.service)? {
            let place = Place {
                container: Some(container.id),
                ..Place::default()
            };
            let tree = copy::container(self.engine, self.project, place)?;
            copy::sync(&here, &changes, (&tree, &rule.target))?;
        }
        (self.on)(Watched::Synced(&rule.service, changes.len()));
        Ok(())
    }

    fn running(&self, service: &str) -> Result<Vec<ContainerSummary>, Error> {
        let mut all = ps(self.engine, self.project)?;
        all.retain(|it| {
            it.service == service && it.number > 0 && it.state == ContainerState::Running
        });
        Ok(all)
    }

    fn restart(&mut self, service: &str) -> Result<(), Error> {
        let name = ServiceName::new(service).map_err(|e| Failure::text(e.to_string()))?;
        let request = Select {
            services: vec![name],
            ..Select::default()
        };
        let on = &mut self.on;
        restart(self.engine, self.project, request, &mut |event| {
            on(Watched::Event(event));
        })?;
        (self.on)(Watched::Restarted(service));
        Ok(())
    }

    fn exec(&mut self, service: &str, what: &Exec) -> Result<(), Error> {
        for container in self.running(service)? {
            let request = control::Exec {
                service: service.to_owned(),
                container: Some(container.id),
                command: what.command.clone(),
                env: what.env.clone(),
                user: what.user.clone(),
                workdir: what.workdir.clone(),
                privileged: what.privileged,
                ..control::Exec::default()
            };
            let mut session = exec(self.engine, self.project, request)?;
            let code = ended(&mut session)?;
            (self.on)(Watched::Executed(service, code));
        }
        Ok(())
    }
}

/// Waits for the end of a command whose output nobody reads.
fn ended(session: &mut super::Session) -> Result<i32, Error> {
    let outputs: BTreeMap<u8, _> = [(0, session.stdout.take()), (1, session.stderr.take())]
        .into_iter()
        .filter_map(|(at, fd)| Some((at, std::fs::File::from(fd?))))
        .collect();
    for (_, mut output) in outputs {
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    }
    loop {
        if let Some(SessionEvent::Exited(code)) = session.next_event()? {
            return Ok(code);
        }
        let fd = session.as_fd();
        let mut fds = [rustix::event::PollFd::new(
            &fd,
            rustix::event::PollFlags::IN,
        )];
        let _ = rustix::event::poll(&mut fds, None);
    }
}

/// All that a rule is about.
fn everything(rule: &Rule, path: &Path, paths: &mut BTreeSet<PathBuf>) {
    if rule.concerns(path).is_none() {
        return;
    }
    if !path.is_dir() || path.is_symlink() {
        paths.insert(path.to_owned());
        return;
    }
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        everything(rule, &entry.path(), paths);
    }
}
