//! How a machine ends its container's processes.

use super::Machine;
use crate::runtime::identity;
use crate::runtime::shim::protocol::ShimCommand;
use crate::scheduler::execute::HostError;
use crate::scheduler::supervisor::container::{Answer, Phase};
use std::time::{Duration, Instant};

impl Machine {
    pub(super) fn stop(&mut self, timeout: Option<Duration>, answer: Answer) {
        let (phase, lingers) = {
            let status = self.container.status.borrow();
            (status.phase, status.lingers)
        };
        if (self.link.is_none() || lingers) && !self.container.lives() {
            let _ = answer.send(Ok(()));
            return;
        }
        self.by_user = true;
        self.stopping.push(answer);
        if self.container.record.launch.restart.policy != "no" {
            // Should we be killed now, nobody starts it again.
            self.remember();
        }
        match phase {
            Phase::Running | Phase::Paused => self.ask_to_stop(timeout),
            Phase::Restarting => {
                self.set(|s| s.phase = Phase::Exited);
                self.remember();
                self.release();
            }
            Phase::Created | Phase::Starting | Phase::Exited => {}
        }
    }

    pub(super) fn ask_to_stop(&mut self, timeout: Option<Duration>) {
        let launch = &self.container.record.launch;
        let grace = timeout.unwrap_or(launch.grace);
        if grace.is_zero() {
            let _ = self.signal(libc::SIGKILL, true);
            return;
        }
        let _ = self.signal(launch.spec.stop_signal, false);
        self.kill_at = Some(Instant::now() + grace);
    }

    /// Another command has less patience.
    pub(super) fn hasten(&mut self, limit: Duration) {
        let latest = Instant::now() + limit;
        if let Some(at) = &mut self.kill_at {
            *at = latest.min(*at);
        }
    }

    pub(super) fn signal(&self, signal: i32, all: bool) -> Result<(), HostError> {
        if !self.container.lives() {
            return Err(HostError::new(
                self.sentence("there is no process to signal in container"),
            ));
        }
        let process = self.container.status.borrow().process;
        match process {
            Some(process) if self.link.is_none() => self.signal_orphan(process, signal)?,
            _ => self.tell(&ShimCommand::Signal { signal, all })?,
        }
        let ends =
            signal == libc::SIGKILL || signal == self.container.record.launch.spec.stop_signal;
        if ends && self.is_paused() {
            self.thaw();
        }
        Ok(())
    }

    fn signal_orphan(&self, (pid, start_time): (i32, u64), signal: i32) -> Result<(), HostError> {
        let failed = |e| HostError::because(self.sentence("cannot signal container"), e);
        let Some(pidfd) = identity::open_pid(pid, start_time).map_err(failed)? else {
            return Ok(());
        };
        let Some(signal) = rustix::process::Signal::from_named_raw(signal) else {
            return Ok(());
        };
        rustix::process::pidfd_send_signal(&pidfd, signal).map_err(|e| failed(e.into()))
    }
}
