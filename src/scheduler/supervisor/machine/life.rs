//! What a machine does when its container starts, ends, or is found by a new supervisor.

use super::{Command, Machine, SHIM_LOST};
use crate::runtime::shim::protocol::{Exit, ShimCommand, ShimStatus};
use crate::scheduler::execute::HostError;
use crate::scheduler::host::RealHost;
use crate::scheduler::observed;
use crate::scheduler::supervisor::container::Phase;
use crate::scheduler::supervisor::health::Input;
use crate::scheduler::supervisor::restart::{Ending, Verdict};
use crate::state::event::What;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// How many shims in a row a running container is given.
const TRIES: u32 = 4;

impl Machine {
    /// A shim that outlived its supervisor tells how things stand.
    pub(super) fn greeted(&mut self, status: ShimStatus, keep: Vec<(String, OwnedFd)>) {
        self.project.adopt_endpoint(&self.container, keep);
        match (status.pid, status.exit) {
            (Some((pid, start_time)), _) => self.adopted(pid, start_time),
            (None, Some(exit)) => self.exited(&exit),
            (None, None) => self.release(),
        }
    }

    pub(super) fn started(&mut self, pid: i32, start_time: u64) {
        if self.container.status.borrow().process == Some((pid, start_time)) {
            self.in_vain = 0;
            return; // said by a shim that took over
        }
        let now = self.project.now();
        self.set(|s| {
            s.phase = Phase::Running;
            s.process = Some((pid, start_time));
            s.exit_code = None;
            s.started = now;
        });
        self.watch_health(Input::Started);
        self.project.event(&self.container, What::Started, "");
        self.project
            .remember_life(&self.container, self.restarts.in_a_row(), false);
        if let Some(answer) = self.starting.take() {
            let _ = answer.send(Ok(()));
        }
        if !self.stopping.is_empty() {
            self.ask_to_stop(None);
        }
    }

    /// Found running by a new supervisor: its life goes on, only our memory is new.
    pub(super) fn adopted(&mut self, pid: i32, start_time: u64) {
        let life = self.project.life(&self.container);
        self.set(|s| {
            s.phase = Phase::Running;
            s.process = Some((pid, start_time));
            s.started = life.started;
        });
        if let Some(monitor) = &mut self.health {
            let verdict = match life.health.as_deref() {
                Some("healthy") => observed::Health::Healthy,
                Some("unhealthy") => observed::Health::Unhealthy,
                _ => observed::Health::Starting,
            };
            monitor.resume(verdict, Instant::now());
            self.show_health(verdict);
        }
        self.count_waiters();
    }

    pub(super) fn failed_to_start(&mut self, error: HostError) {
        self.set(|s| {
            s.phase = if s.started == 0 {
                Phase::Created
            } else {
                Phase::Exited
            };
            s.process = None;
        });
        match self.starting.take() {
            Some(answer) => drop(answer.send(Err(error))),
            None => self.project.event(
                &self.container,
                What::Failed {
                    error: error.to_string(),
                },
                "",
            ),
        }
    }

    pub(super) fn exited(&mut self, exit: &Exit) {
        let status = self.container.status.borrow().clone();
        let ran = Duration::from_nanos(u64::try_from(exit.time - status.started).unwrap_or(0));
        self.kill_at = None;
        self.set(|s| {
            s.process = None;
            s.exit_code = Some(exit.code);
            s.finished = exit.time;
            s.health = None;
            s.phase = Phase::Exited;
        });
        self.watch_health(Input::Exited);
        self.project.event(
            &self.container,
            What::Exited {
                code: exit.code,
                oom: exit.oom,
            },
            "",
        );
        match self.restarts.ended(Ending {
            code: exit.code,
            ran,
            by_user: self.by_user,
        }) {
            Verdict::Restart { after } => {
                self.set(|s| s.phase = Phase::Restarting);
                self.restart_at = Some(Instant::now() + after);
            }
            Verdict::Stay => self.release(),
        }
        self.project
            .remember_life(&self.container, self.restarts.in_a_row(), self.by_user);
    }

    /// Nothing will start again: the shim cleans up and ends, which closes the link.
    pub(super) fn release(&mut self) {
        self.restart_at = None;
        self.by_user = false;
        if self.tell(&ShimCommand::Release).is_err() {
            self.link = None;
        }
        if self.link.is_none() {
            self.is_down();
        }
    }

    /// The shim is gone, for good or by force.
    pub(super) fn link_closed(&mut self) {
        self.link = None;
        if let Some(answer) = self.starting.take() {
            let error = HostError::new(self.sentence(SHIM_LOST));
            let _ = answer.send(Err(error));
            self.set(|s| {
                s.phase = if s.started == 0 {
                    Phase::Created
                } else {
                    Phase::Exited
                }
            });
        }
        if self.container.status.borrow().process.is_some() {
            self.mourn();
        } else {
            self.is_down();
        }
    }

    /// Its shim was killed, the container lives on: it gets another one. Failing that, its end is waited for in
    /// another way.
    pub(super) fn mourn(&mut self) {
        let (project, container) = (self.project.clone(), self.container.clone());
        let Some(process) = container.status.borrow().process else {
            return;
        };
        let host = RealHost::new(project.clone(), None, HashMap::new());
        self.in_vain += 1;
        if self.in_vain < TRIES
            && let Ok(link) = host.adopt(&container, process)
        {
            self.attach(link);
            return;
        }
        tokio::task::spawn_local(async move {
            let exit = project.bury(&container, process).await;
            let _ = container.commands.send(Command::Buried(exit));
        });
    }

    pub(super) fn is_down(&mut self) {
        self.project.release_endpoint(&self.container);
        self.project.at_rest();
        for answer in self.stopping.drain(..) {
            let _ = answer.send(Ok(()));
        }
    }
}
