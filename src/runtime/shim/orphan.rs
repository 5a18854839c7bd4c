//! A container whose shim was killed.
//!
//! It runs on: its standard streams are FIFOs that it holds itself, and what it writes waits there. Its PID 1 is
//! somebody else's child by now, so its end is seen and its exit status read through a pidfd.

use super::protocol::{ShimState, WireEvent};
use super::{Parts, Running, Shim, record};
use crate::runtime::identity::{self, Identity};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;

/// The kernel tells an exit status once the process was reaped; who inherited it does that at once.
const REAPED_WITHIN: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

impl Shim {
    /// Goes on where another shim was killed.
    pub(super) fn take_over(&mut self, identity: &Identity) {
        match Parts::of_orphan(&self.request) {
            Ok(parts) => self.parts = Some(parts),
            Err(failure) => {
                self.state = ShimState::Failed;
                self.failure = Some(failure.clone());
                return self.tell(&WireEvent::Failed(failure));
            }
        }
        if let Ok(Some(exit)) = record::read_exit(&self.request.run_dir) {
            self.state = ShimState::Exited;
            self.exit = Some(exit.clone());
            return self.tell(&WireEvent::Exited(exit));
        }
        let Ok(Some(pidfd)) = identity.open() else {
            return self.ended_with(-1, None);
        };
        let (pid, start_time) = (identity.pid, identity.start_time);
        self.running = Some(Running {
            pid,
            start_time,
            pidfd,
            orphan: true,
        });
        self.state = ShimState::Running;
        self.tell(&WireEvent::Started { pid, start_time });
    }

    /// Looks whether a container that is not our child ended.
    pub(super) fn orphan_ended(&mut self) {
        let Some(running) = self.running.as_ref().filter(|r| r.orphan) else {
            return;
        };
        if !identity::has_exited(&running.pidfd) {
            return;
        }
        match status_of(&running.pidfd) {
            Some(status) => match status.signal() {
                Some(signal) => self.ended_with(128 + signal, Some(signal)),
                None => self.ended_with(status.code().unwrap_or(-1), None),
            },
            None => self.ended_with(-1, None),
        }
    }
}

fn status_of(pidfd: &OwnedFd) -> Option<std::process::ExitStatus> {
    // Hang-up, which is reported unasked, means reaped.
    let mut fds = [PollFd::new(pidfd, PollFlags::empty())];
    let _ = poll(&mut fds, Some(&REAPED_WITHIN));
    identity::exit_status(pidfd)
}
