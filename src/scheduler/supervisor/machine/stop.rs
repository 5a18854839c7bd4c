//! How a machine ends its container's processes.

use super::Machine;
use crate::runtime::identity;
use crate::runtime::sys;
use crate::scheduler::execute::HostError;
use crate::scheduler::supervisor::container::{Answer, Phase};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

impl Machine {
    pub(super) fn stop(&mut self, timeout: Option<Duration>, answer: Answer) {
        let (phase, lingers) = {
            let status = self.container.status.borrow();
            (status.phase, status.lingers)
        };
        let is_down = (self.link.is_none() || lingers) && !self.container.lives();
        if is_down && self.restart_at.is_none() && !self.from_scratch {
            let _ = answer.send(Ok(()));
            return;
        }
        self.by_user = true;
        self.halted = self.project.halting.get();
        self.stopping.push(answer);
        if self.container.record.launch.restart.policy != "no" {
            // Should we be killed now, nobody starts it again.
            self.remember();
        }
        match phase {
            Phase::Running | Phase::Paused => self.ask_to_stop(timeout),
            Phase::Restarting if self.restart_at.is_some() => {
                self.set(|s| s.phase = Phase::Exited);
                self.remember();
                self.release();
            }
            // Its start is under way: what starts is stopped then, and no sooner, or nobody would hear of its end.
            Phase::Restarting | Phase::Starting => self.patience = timeout,
            Phase::Created | Phase::Exited => {}
        }
    }

    pub(super) fn ask_to_stop(&mut self, timeout: Option<Duration>) {
        let launch = &self.container.record.launch;
        let grace = timeout.unwrap_or(launch.grace);
        if grace.is_zero() {
            let _ = self.signal(libc::SIGKILL);
            return;
        }
        let _ = self.signal(launch.spec.stop_signal);
        self.kill_at = Some(Instant::now() + grace);
    }

    /// Another command has less patience.
    pub(super) fn hasten(&mut self, limit: Duration) {
        let latest = Instant::now() + limit;
        if let Some(at) = &mut self.kill_at {
            *at = latest.min(*at);
        }
    }

    /// One that ends its process is meant to end it for good; so docker takes it also of a container that waits for its
    /// next start.
    pub(super) fn signal_of_user(&mut self, signal: i32, answer: Answer) {
        let ends =
            signal == libc::SIGKILL || signal == self.container.record.launch.spec.stop_signal;
        if ends && self.restart_at.is_some() {
            return self.stop(None, answer);
        }
        let sent = self.signal(signal);
        self.by_user |= ends && sent.is_ok();
        let _ = answer.send(sent);
    }

    /// Not through the shim, which may be killed with the signal in its hands. The end of PID 1 is that of all.
    pub(super) fn signal(&self, signal: i32) -> Result<(), HostError> {
        let failed = |e| HostError::because(self.sentence("cannot signal container"), e);
        let process = self.container.status.borrow().process;
        let Some((pid, start_time)) = process.filter(|_| self.container.lives()) else {
            return Err(HostError::new(
                self.sentence("there is no process to signal in container"),
            ));
        };
        let Some(pidfd) = identity::open_pid(pid, start_time).map_err(failed)? else {
            return Ok(());
        };
        sys::process::pidfd_signal(pidfd.as_fd(), signal).map_err(|e| failed(e.into()))?;
        let ends =
            signal == libc::SIGKILL || signal == self.container.record.launch.spec.stop_signal;
        if ends && self.is_paused() {
            self.thaw();
        }
        Ok(())
    }
}
