//! Brings a supervisor back: names are answered and restarts decided by it, so its death must cost milliseconds.
//!
//! Every shim of a project notices the death at the same moment. Whoever gets the lock starts the new supervisor and
//! hands it the lock; the others wait to be connected to, and look again after a while in case that one died as well.

use super::protocol::{LaunchRequest, Watchdog};
use crate::runtime::sys::process::{self, Forked};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use std::ffi::CString;
use std::time::{Duration, Instant};

/// `argv[0]` of a supervisor.
pub const SUPERVISOR: &str = "hoist-supervisor";
/// Names the descriptor of the locked file in a supervisor's environment.
pub const LOCK_FD: &str = "HOIST_LOCK_FD";

/// A dying process closes its connections before its lock, or after: look again very soon.
const FIRST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(30);

/// When to look for a supervisor next.
#[derive(Debug, Default)]
pub(super) struct Watch {
    next: Option<Instant>,
    pause: Duration,
}

impl Watch {
    /// The supervisor is gone: look at once.
    pub(super) fn lost(&mut self) {
        self.next = Some(Instant::now());
        self.pause = FIRST;
    }

    /// A supervisor is there.
    pub(super) fn found(&mut self) {
        self.next = None;
    }

    /// How long to sleep at most.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.next
            .map(|next| next.saturating_duration_since(Instant::now()))
    }

    /// Starts a supervisor if it is time to and nobody else does.
    pub(super) fn look(&mut self, request: &LaunchRequest, host_mounts: &OwnedFd, linked: bool) {
        let Some(watchdog) = &request.watchdog else {
            self.next = None;
            return;
        };
        if linked || self.next.is_none_or(|next| next > Instant::now()) {
            return;
        }
        if let Some(lock) = free_lock(watchdog) {
            start(watchdog, &lock, host_mounts);
        }
        self.next = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST);
    }
}

fn free_lock(watchdog: &Watchdog) -> Option<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    // A lock file that is gone means that the project is: nothing to supervise.
    let file = rustix::fs::open(&watchdog.supervisor_lock, flags, Mode::empty()).ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(file)
}

/// A grandchild, so that it is nobody's child of ours; it keeps the lock, whose last descriptor is then its own.
fn start(watchdog: &Watchdog, lock: &OwnedFd, host_mounts: &OwnedFd) {
    match process::fork() {
        Ok(Forked::Parent { pidfd, .. }) => {
            let _ = rustix::process::waitid(
                rustix::process::WaitId::PidFd(rustix::fd::AsFd::as_fd(&pidfd)),
                rustix::process::WaitIdOptions::EXITED,
            );
        }
        Ok(Forked::Child) => {
            if let Ok(Forked::Child) = process::fork() {
                become_supervisor(watchdog, lock, host_mounts);
            }
            process::exit_now(0)
        }
        Err(_) => {}
    }
}

fn become_supervisor(watchdog: &Watchdog, lock: &OwnedFd, host_mounts: &OwnedFd) {
    let _ = rustix::process::setsid();
    process::reset_signals();
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable);
    let Ok(exe) = rustix::fs::open(
        "/proc/self/exe",
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
    ) else {
        return;
    };
    // Mounts that a supervisor makes belong to the host.
    let _ = nix::sched::setns(host_mounts, nix::sched::CloneFlags::CLONE_NEWNS);
    if rustix::io::fcntl_setfd(lock, rustix::io::FdFlags::empty()).is_err() {
        return;
    }
    let text = |s: &str| CString::new(s).unwrap_or_default();
    let mut args = vec![text(SUPERVISOR)];
    args.extend(watchdog.supervisor_args.iter().map(|a| text(a)));
    let mut env: Vec<CString> = watchdog
        .supervisor_env
        .iter()
        .filter(|e| !e.starts_with(LOCK_FD))
        .map(|e| text(e))
        .collect();
    env.push(text(&format!("{LOCK_FD}={}", lock.as_raw_fd())));
    let _ = nix::unistd::execveat(&exe, c"", &args, &env, nix::fcntl::AtFlags::AT_EMPTY_PATH);
}
