//! What a machine does when its container starts, ends, or is found by a new supervisor.

use super::Machine;
use super::health::{Kept, complaint, health_state};
use super::loss::InVain;
use crate::runtime::Fifos;
use crate::runtime::LaunchFds;
use crate::runtime::identity;
use crate::runtime::shim::protocol::{Exit, ShimCommand, ShimStatus};
use crate::scheduler::execute::{HostError, chain};
use crate::scheduler::observed;
use crate::scheduler::supervisor::container::{Phase, Status};
use crate::scheduler::supervisor::health::Input;
use crate::scheduler::supervisor::memory::Wishes;
use crate::scheduler::supervisor::restart::{Ending, Verdict};
use crate::state::event::What;
use crate::state::record::LifeRecord;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

impl Machine {
    /// A shim that outlived its supervisor tells how things stand.
    pub(super) fn greeted(&mut self, status: ShimStatus, kept: LaunchFds) {
        self.project.adopt_endpoint(&self.container, kept);
        let life = self.recall();
        match (status.pid, status.exit) {
            (Some((pid, start_time)), _) => self.adopted(pid, start_time),
            (None, Some(exit)) if life.finished != exit.time.max(life.started) => {
                self.exited(&exit);
            }
            (None, _) if life.due && !life.stopped_by_user => self.due(),
            (None, _) => {
                self.set(|s| s.phase = at_rest(s));
                self.release();
            }
        }
    }

    /// What an earlier supervisor knew of its restarts and its user's wishes.
    pub(super) fn recall(&mut self) -> LifeRecord {
        let life = self.container.life.borrow().clone();
        self.restarts.resume(life.restarts, life.attempts);
        self.by_user = life.stopped_by_user;
        self.halted = life.halted;
        life
    }

    /// A shim is on its way.
    pub(super) fn launched(&mut self) {
        if !self.from_scratch {
            self.restarts.forget();
            self.set(|s| s.phase = Phase::Starting);
        }
        if self.stopping.is_empty() {
            (self.by_user, self.halted) = (false, false);
        }
    }

    pub(super) fn started(&mut self, pid: i32, start_time: u64) {
        if self.container.status.borrow().process == Some((pid, start_time)) {
            return; // said by a shim that took over
        }
        self.in_vain = InVain::default();
        self.hold(pid, start_time);
        let now = self.project.now();
        self.set(|s| {
            s.phase = Phase::Running;
            s.process = Some((pid, start_time));
            s.exit_code = None;
            s.oom = false;
            // After its last end, also if the clock was set back: that is how a run is told from a rest.
            s.started = now.max(s.finished + 1);
        });
        self.watch_health(Input::Started);
        self.project.event(&self.container, What::Started, "");
        self.remember();
        self.from_scratch = false;
        for answer in self
            .starting
            .take()
            .into_iter()
            .chain(self.hurrying.drain(..))
        {
            let _ = answer.send(Ok(()));
        }
        if !self.stopping.is_empty() {
            let patience = self.patience.take();
            self.ask_to_stop(patience);
        }
    }

    /// Holds what tells us the end and the last words of a container whose shim is killed.
    fn hold(&mut self, pid: i32, start_time: u64) {
        self.pidfd = identity::open_pid(pid, start_time).ok().flatten();
        let run = std::fs::File::open(&self.container.paths.run);
        self.fifos = run.and_then(|run| Fifos::open(run.as_fd())).ok();
    }

    /// Found running by a new supervisor: its life goes on, only our memory is new.
    pub(super) fn adopted(&mut self, pid: i32, start_time: u64) {
        let life = self.recall();
        let frozen = self.is_frozen();
        self.hold(pid, start_time);
        if life.started <= life.finished {
            // Our predecessor was killed before it heard of this start.
            return self.started(pid, start_time);
        }
        self.set(|s| {
            s.phase = if frozen {
                Phase::Paused
            } else {
                Phase::Running
            };
            s.process = Some((pid, start_time));
            s.started = life.started;
        });
        if let Some(monitor) = &mut self.health {
            let verdict = match life.health.as_deref() {
                Some("healthy") => observed::Health::Healthy,
                Some("unhealthy") => observed::Health::Unhealthy,
                _ => observed::Health::Starting,
            };
            let kept = Kept::read(&self.container.paths).filter(|kept| kept.of == start_time);
            let kept = kept.unwrap_or_default();
            let age = identity::age(start_time);
            monitor.resume((verdict, kept.failing), Instant::now(), age);
            // Known already: no event.
            let state = health_state(verdict);
            self.set(|s| {
                s.health = Some(state);
                s.failing = kept.failing;
                s.complaint = kept.probes.back().and_then(complaint);
                s.probes = kept.probes;
            });
            self.replace_ailing();
        }
        self.count_waiters();
    }

    pub(super) fn failed_to_start(&mut self, error: HostError) {
        let tries_on = self.from_scratch;
        self.set(|s| {
            if !tries_on {
                s.phase = at_rest(s);
            }
            s.process = None;
        });
        match self.starting.take() {
            Some(answer) => drop(answer.send(Err(error))),
            None => self.project.event(
                &self.container,
                What::Failed {
                    error: chain(&error),
                },
                "",
            ),
        }
    }

    pub(super) fn exited(&mut self, exit: &Exit) {
        let status = self.container.status.borrow().clone();
        let by_clock = || u64::try_from(exit.time - status.started).unwrap_or(0);
        let ran = exit.ran.unwrap_or_else(|| Duration::from_nanos(by_clock()));
        self.kill_at = None;
        self.pidfd = None;
        self.fifos = None;
        self.set(|s| {
            s.process = None;
            if s.started <= s.finished {
                s.started = exit.time.max(s.finished + 1); // nobody lived to note when
            }
            s.exit_code = Some(exit.code);
            s.oom = exit.oom;
            // One that ended at once did so before we heard of its start.
            s.finished = exit.time.max(s.started);
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
        self.decide(exit.code, ran);
    }

    /// Does what the policy says of such an end.
    fn decide(&mut self, code: i32, ran: Duration) {
        let mut verdict = self.restarts.ended(Ending {
            code,
            ran,
            by_user: self.by_user,
        });
        if std::mem::take(&mut self.ailing) && verdict == Verdict::Stay && !self.by_user {
            verdict = Verdict::Restart {
                after: Duration::ZERO,
            };
        }
        if let Verdict::Restart { after } = verdict {
            self.set(|s| s.phase = Phase::Restarting);
            self.restart_at = Some(Instant::now() + after);
        }
        // Before its shim is told to forget how it ended.
        self.remember();
        if verdict == Verdict::Stay {
            self.release();
        }
    }

    /// Its next start was decided on by a supervisor that was killed before the time came. It comes when it was to come.
    pub(super) fn due(&mut self) {
        let life = self.recall();
        self.set(|s| s.phase = Phase::Restarting);
        let since = u64::try_from(self.project.now() - life.finished).unwrap_or(0);
        let left = self
            .restarts
            .pause()
            .saturating_sub(Duration::from_nanos(since));
        self.restart_at = Some(Instant::now() + left);
    }

    /// It ended when the machine did, and nothing starts it but a user or the next boot; or because it could not be found, of
    /// which its policy has something to say. Nobody knows how.
    pub(super) fn crashed(&mut self, with_machine: bool) {
        let life = self.recall();
        let now = self.project.now();
        self.set(|s| {
            s.phase = at_rest(s);
            if life.started > life.finished {
                (s.exit_code, s.finished) = (Some(-1), now.max(life.started));
            }
        });
        let what = What::Exited {
            code: -1,
            oom: false,
        };
        let cause = match with_machine {
            true => "the machine stopped",
            false => "its run folder was removed",
        };
        self.project.event(&self.container, what, cause);
        if with_machine {
            self.remember();
            if life.started > life.finished {
                self.project.lost_with_machine(&self.container);
            }
        } else {
            let ran = u64::try_from(now - life.started).unwrap_or(0);
            self.decide(-1, Duration::from_nanos(ran));
        }
        if self.restart_at.is_none() {
            self.is_down();
        }
    }

    pub(super) fn remember(&self) {
        let wishes = Wishes {
            stopped_by_user: self.by_user,
            halted: self.halted,
        };
        self.project
            .remember_life(&self.container, &self.restarts, wishes);
    }

    /// Nothing will start again: the shim cleans up and ends, which closes the link.
    pub(super) fn release(&mut self) {
        self.restart_at = None;
        if self.tell(&ShimCommand::Release).is_err() {
            self.link = None;
            self.set(|s| s.lingers = false);
        }
        if self.link.is_none() {
            // Of a shim that was killed, nobody else clears away what it had.
            self.project.sweep_after(&self.container);
            self.is_down();
        }
    }

    pub(super) fn is_down(&mut self) {
        if self.from_scratch {
            return; // that is not over
        }
        self.project.release_endpoint(&self.container);
        self.project.at_rest();
        for answer in self.stopping.drain(..) {
            let _ = answer.send(Ok(()));
        }
    }
}

/// The phase of a container without a process that nobody is about to start.
pub(super) fn at_rest(status: &Status) -> Phase {
    if status.started == 0 {
        Phase::Created
    } else {
        Phase::Exited
    }
}
