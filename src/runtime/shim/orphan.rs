//! A container whose shim was killed.
//!
//! It runs on: its standard streams are FIFOs that it holds itself, and what it writes waits there. Its PID 1 is
//! somebody else's child by now, so its end is seen and its exit status read through a pidfd.

use super::protocol::{Exit, ShimState, WireEvent};
use super::{Parts, Running, Shim, record};
use crate::runtime::error::{StartFailure, Step};
use crate::runtime::identity::{self, Identity};
use crate::runtime::init::sync::FORSAKEN;
use crate::runtime::zygote;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// The kernel tells an exit status once the process was reaped; who inherited it does that at once.
const REAPED_WITHIN: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// A process that was let in executes its program within this time, or fails.
const BIRTH: Duration = Duration::from_secs(10);

/// Why a container has to be started again: its shim was killed before its program was executed, and so was it.
pub const UNBORN: &str = "its first process died with its shim before it executed anything";

impl Shim {
    /// Goes on where another shim was killed.
    pub(super) fn take_over(&mut self, identity: &Identity) {
        match Parts::of_orphan(&self.request) {
            Ok(parts) => self.parts = Some(parts),
            Err(failure) => return self.failed(failure),
        }
        if let Ok(Some(exit)) = record::read_exit(&self.request.run_dir) {
            return self.buried(exit);
        }
        let pidfd = match self.last_words.take() {
            Some(pidfd) => Some(pidfd),
            None => identity.open().ok().flatten(),
        };
        let Some(pidfd) = pidfd else {
            return self.ended_with(-1, None);
        };
        if !is_born(identity, &pidfd) {
            return self.failed(StartFailure::new(Step::Prepare, UNBORN));
        }
        let (pid, start_time) = (identity.pid, identity.start_time);
        self.running = Some(Running {
            pid,
            start_time,
            pidfd,
            orphan: true,
        });
        self.hold_root();
        self.state = ShimState::Running;
        self.tell_streams();
        self.tell(&WireEvent::Started { pid, start_time });
    }

    fn failed(&mut self, failure: StartFailure) {
        self.state = ShimState::Failed;
        self.failure = Some(failure.clone());
        self.tell(&WireEvent::Failed(failure));
    }

    /// The end was recorded, but maybe not all that follows it done.
    fn buried(&mut self, exit: Exit) {
        if let Some(parts) = &self.parts {
            let _ = parts.cgroup.kill();
        }
        self.streams.drain();
        self.state = ShimState::Exited;
        self.exit = Some(exit.clone());
        self.tell(&WireEvent::Exited(exit));
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

/// Whether the process executes its own program, or did. Between the gate and that it is a fork of ours on its way there,
/// or to its end.
fn is_born(identity: &Identity, pidfd: &OwnedFd) -> bool {
    let mut was_ours = false;
    while identity::age(identity.start_time) < BIRTH {
        // Before the look: what has no command line any more may be on its way to its end for some time.
        if identity::has_exited(pidfd) {
            return !ended_unborn(status_of(pidfd), was_ours);
        }
        let words = std::fs::read(format!("/proc/{}/cmdline", identity.pid)).unwrap_or_default();
        match words.split(|b| *b == 0).next() {
            Some(name) if name == zygote::ARGV0.as_bytes() => was_ours = true,
            _ if words.is_empty() => {}
            _ => return true,
        }
        let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
        let moment = Timespec {
            tv_sec: 0,
            tv_nsec: 1_000_000,
        };
        let _ = poll(&mut fds, Some(&moment));
    }
    true
}

/// Whether a process that ended moments after it began never executed its program. It `was_ours` when we saw it last.
fn ended_unborn(status: Option<ExitStatus>, was_ours: bool) -> bool {
    match status.map(|status| status.code()) {
        Some(Some(FORSAKEN)) => true,
        // What it ends with that cannot execute, and tells nobody why: the next one does.
        Some(Some(125..=127)) => was_ours,
        Some(_) => false,
        None => was_ours,
    }
}

fn status_of(pidfd: &OwnedFd) -> Option<ExitStatus> {
    // Hang-up, which is reported unasked, means reaped.
    let mut fds = [PollFd::new(pidfd, PollFlags::empty())];
    let _ = poll(&mut fds, Some(&REAPED_WITHIN));
    identity::exit_status(pidfd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// A process that has ended with a code, and what tells of it.
    fn ended(code: i32) -> (Identity, OwnedFd) {
        let mut child = Command::new("sh")
            .args(["-c", &format!("read x; exit {code}")])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let identity = Identity::of(child.id() as i32).expect("it lives");
        let pidfd = identity.open().expect("it lives").expect("it lives");
        child.wait().expect("it is ours");
        (identity, pidfd)
    }

    #[test]
    fn one_that_died_at_the_gate_is_not_taken_for_a_program_that_ended() {
        let (mut identity, pidfd) = ended(FORSAKEN);
        if identity::exit_status(&pidfd).is_none() {
            println!("left out: this kernel tells nobody but the parent how a process ended");
            return;
        }
        assert!(!is_born(&identity, &pidfd));
        identity.start_time -= 11 * rustix::param::clock_ticks_per_second();
        assert!(is_born(&identity, &pidfd), "a program with that code");
        for code in [0, 3, 127] {
            let (identity, pidfd) = ended(code);
            assert!(is_born(&identity, &pidfd), "{code}");
        }
    }

    #[test]
    fn what_was_seen_on_its_way_has_run_unless_its_end_says_otherwise() {
        let code = |code: i32| Some(ExitStatus::from_raw(code << 8));
        assert!(ended_unborn(code(127), true), "there is no such program");
        assert!(!ended_unborn(code(0), true), "it was as fast as that");
        assert!(!ended_unborn(Some(ExitStatus::from_raw(9)), true));
        assert!(ended_unborn(None, true) && !ended_unborn(None, false));
    }
}
