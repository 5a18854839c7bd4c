//! The rest of an attached `up`: it stays until all containers have ended, one ends that ends all, or the user says so.
//!
//! Two threads: the [`Follower`] writes lines and sees exits; this one waits for signals, stops the project, and kills
//! it when told twice. Lines that are written while the project stops are still shown.

use super::follower::{Follower, Seen};
use super::interrupt::{self, pipe, ready};
use super::menu::{Menu, Wish};
use super::watch;
use crate::cli::context::Context;
use crate::cli::exit::{Error, Exit};
use crate::cli::signals::Signals;
use crate::cli::view::progress::Progress;
use crate::compose::Loaded;
use crate::engine;
use crate::engine::Engine;
use crate::engine::Kill;
use crate::engine::Select;
use crate::id::ProjectName;
use crate::id::ServiceName;
use nix::sys::signal::Signal;
use std::os::fd::{AsFd, OwnedFd};
use std::thread::Scope;
use std::time::Duration;

/// Once everything has stopped, its last lines are there; the follower need not look longer than this.
const LAST_LINES: Duration = Duration::from_secs(2);

/// What `up` brought up and stays with.
#[derive(Debug)]
pub struct Attached<'a> {
    /// Flags and views.
    pub context: &'a Context,
    /// The engine.
    pub engine: &'a Engine,
    /// The project.
    pub project: &'a ProjectName,
    /// What a signal stops.
    pub services: Vec<ServiceName>,
    /// Grace period over the containers' own.
    pub timeout: Option<Duration>,
    /// The project as it was loaded.
    pub loaded: &'a Loaded,
    /// Watch from the beginning.
    pub watch: bool,
    /// Listen to keys.
    pub menu: bool,
    /// Whose exit code is ours.
    pub exit_code_from: Option<ServiceName>,
}

/// What ended the staying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The user.
    Signal(Signal),
    /// A container whose end ends all.
    Aborted,
    /// Nothing is left to follow.
    Finished,
    /// The user leaves it running.
    Detached,
}

impl Attached<'_> {
    /// Stays until the end. `interrupted` is a signal that came while the project was still coming up.
    pub fn stay(
        &self,
        follower: Follower,
        signals: &Signals,
        interrupted: Option<Signal>,
    ) -> Result<Exit, Error> {
        if interrupted.is_none() {
            follower.greet();
        }
        let (wake, waker) = pipe()?;
        let (cancelled, cancel) = pipe()?;
        let mut menu = match interrupted {
            None if self.menu => Menu::open(&self.context.view, &self.services, &follower.hidden()),
            _ => None,
        };
        let (end, seen) = std::thread::scope(|scope| {
            // dropped with this closure, so that the follower ends whatever happens here
            let cancel = cancel;
            let mut watching = None;
            let following = scope.spawn(move || follower.follow(&cancelled, waker));
            let end = match interrupted {
                Some(signal) => End::Signal(signal),
                None => {
                    if self.watch {
                        watching = Some(self.begin_to_watch(scope)?);
                    }
                    self.attend(scope, (signals, &wake), &mut menu, &mut watching)?
                }
            };
            drop(watching);
            drop(menu);
            if !matches!(end, End::Finished | End::Detached) {
                self.stop(signals)?;
                // what has ended is followed to its end; an engine that does not say so is not waited for
                until_closed(&wake, LAST_LINES);
            }
            drop(cancel);
            let seen = following
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok::<_, Error>((end, seen))
        })?;
        self.exit(end, &seen)
    }

    /// Waits for the end, and does what keys ask for.
    fn attend<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        (signals, wake): (&Signals, &OwnedFd),
        menu: &mut Option<Menu>,
        watching: &mut Option<OwnedFd>,
    ) -> Result<End, Error> {
        loop {
            let wish = match wait(signals, wake, menu)? {
                Waited::End(end) => return Ok(end),
                Waited::Wish(wish) => wish,
            };
            match wish {
                Wish::Detach => return Ok(End::Detached),
                Wish::Watch if watching.is_some() => {
                    *watching = None;
                    self.context.view.note("Watch disabled\n");
                }
                Wish::Watch => *watching = Some(self.begin_to_watch(scope)?),
                Wish::Restart(service) => drop(scope.spawn(move || self.restart(service))),
            }
        }
    }

    /// Watches in a thread of its own until what is given back is dropped.
    fn begin_to_watch<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<OwnedFd, Error> {
        let (cancelled, cancel) = pipe()?;
        scope.spawn(move || {
            let view = &self.context.view;
            let services = watch::services(&self.services, self.loaded);
            let what = (self.loaded, services.as_slice());
            if let Err(error) = watch::watch(view, self.engine, what, &cancelled, false) {
                view.warn(&error.to_string());
            }
        });
        Ok(cancel)
    }

    fn restart(&self, service: ServiceName) {
        let view = &self.context.view;
        let request = Select {
            services: vec![service],
            timeout: self.timeout,
            ..Select::default()
        };
        let mut progress = Progress::beside_logs(view);
        let restarted = engine::restart(self.engine, self.project, request, &mut |event| {
            progress.event(event);
        });
        if let Err(error) = restarted {
            view.warn(&error.to_string());
        }
    }

    /// Stops what `up` brought up; a signal meanwhile kills it, one more gives up.
    fn stop(&self, signals: &Signals) -> Result<(), Error> {
        let view = &self.context.view;
        // an `up` that was interrupted early has made only some of them
        let made = engine::ps(self.engine, self.project)?;
        let services = self.services.iter();
        let services = services.filter(|name| made.iter().any(|it| it.service == name.as_str()));
        let services: Vec<ServiceName> = services.cloned().collect();
        if services.is_empty() {
            return Ok(());
        }
        view.note("Gracefully stopping... (press Ctrl+C again to force)\n");
        let request = Select {
            services,
            timeout: self.timeout,
            ..Select::default()
        };
        let on_signal = |count, signal| match count {
            1 => self.kill(),
            _ => signals.yield_to(signal),
        };
        let mut progress = Progress::beside_logs(view);
        let (stopped, _) = interrupt::watched(signals, on_signal, || {
            engine::stop(self.engine, self.project, request, &mut |event| {
                progress.event(event);
            })
        })?;
        stopped?;
        Ok(())
    }

    /// Kills what `up` brought up. The verb that runs ends by itself once everything is dead, and tells what went wrong.
    pub fn kill(&self) {
        let view = &self.context.view;
        let request = Kill {
            services: self.services.clone(),
            signal: "SIGKILL".to_owned(),
            ..Kill::default()
        };
        let mut progress = Progress::beside_logs(view);
        let killed = engine::kill(self.engine, self.project, request, &mut |event| {
            progress.event(event);
        });
        if let Err(error) = killed {
            view.warn(&error.to_string());
        }
    }

    fn exit(&self, end: End, seen: &Seen) -> Result<Exit, Error> {
        match end {
            End::Signal(signal) => return Ok(Exit::Signal(signal as i32)),
            End::Detached => return Ok(Exit::Done),
            End::Aborted | End::Finished => {}
        }
        let Some(service) = &self.exit_code_from else {
            let aborted = seen.aborted.as_ref().map(|(_, code)| Exit::Code(*code));
            return Ok(aborted.unwrap_or(Exit::Done));
        };
        if let Some(code) = seen.codes.get(service.as_str()) {
            return Ok(Exit::Code(*code));
        }
        let containers = engine::ps(self.engine, self.project)?;
        let code = containers
            .iter()
            .filter(|container| container.service == service.as_str())
            .find_map(|container| container.exit_code);
        code.map(Exit::Code)
            .ok_or_else(|| Error::failed(format!("service `{service}` has no exit code")))
    }
}

/// What there is to attend to.
enum Waited {
    End(End),
    Wish(Wish),
}

/// Waits for a signal, the follower's word, or keys that ask for something.
fn wait(signals: &Signals, wake: &OwnedFd, menu: &mut Option<Menu>) -> Result<Waited, Error> {
    let stdin = std::io::stdin();
    loop {
        let keys = match menu {
            Some(_) => stdin.as_fd(),
            // never more ready than the signals are
            None => signals.as_fd(),
        };
        let [signalled, woken, typed] = ready(&[signals.as_fd(), wake.as_fd(), keys], None)?;
        if signalled && let Some(signal) = signals.next() {
            return Ok(Waited::End(End::Signal(signal)));
        }
        if let (true, Some(open)) = (typed, menu.as_mut()) {
            match open.typed()? {
                Some(wish) => return Ok(Waited::Wish(wish)),
                None if open.is_over() => *menu = None,
                None => {}
            }
        }
        if woken {
            // a byte says that all must end; the end of the pipe, that all has
            let mut byte = [0];
            let read = rustix::io::read(wake, &mut byte);
            return Ok(Waited::End(match read {
                Ok(1) => End::Aborted,
                _ => End::Finished,
            }));
        }
    }
}

/// Waits until the other end is closed, or nothing has come from it for `limit`.
fn until_closed(wake: &OwnedFd, limit: Duration) {
    let mut byte = [0];
    while let Ok([true]) = ready(&[wake.as_fd()], Some(limit)) {
        if rustix::io::read(wake, &mut byte) != Ok(1) {
            return;
        }
    }
}
