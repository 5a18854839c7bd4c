//! Listeners that need a process to serve them (published ports on `[::1]`): it is made when the first client comes.

use super::protocol::Proxy;
use crate::runtime::sys::process::{self, Forked};
use crate::runtime::zygote::Hooks;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{Pid, Signal, pidfd_send_signal};
use std::net::SocketAddr;

/// The listeners of one container and the process that serves them.
pub(super) struct Proxies {
    listeners: Vec<(OwnedFd, bool, SocketAddr)>,
    process: Option<(i32, OwnedFd)>,
}

impl Proxies {
    pub(super) fn new(proxies: Vec<Proxy>) -> Self {
        let listener = |p: Proxy| (p.listener, p.tcp, p.target);
        Self {
            listeners: proxies.into_iter().map(listener).collect(),
            process: None,
        }
    }

    /// The listeners, whether served or not.
    pub(super) fn all(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool, SocketAddr)> {
        let mut all = self.listeners.iter();
        std::iter::from_fn(move || {
            all.next()
                .map(|(fd, tcp, target)| (fd.as_fd(), *tcp, *target))
        })
    }

    /// What to wait for: nothing while they are served.
    pub(super) fn poll(&self) -> Vec<BorrowedFd<'_>> {
        match self.process {
            Some(_) => Vec::new(),
            None => self.listeners.iter().map(|(fd, ..)| fd.as_fd()).collect(),
        }
    }

    /// Makes the process if somebody waits.
    pub(super) fn serve(&mut self, hooks: Hooks) {
        if self.process.is_some() || !self.somebody_waits() {
            return;
        }
        let shim = rustix::process::getpid();
        match process::fork() {
            Ok(Forked::Child) => become_proxy(std::mem::take(&mut self.listeners), hooks, shim),
            Ok(Forked::Parent { pid, pidfd }) => self.process = Some((pid, pidfd)),
            Err(_) => {}
        }
    }

    fn somebody_waits(&self) -> bool {
        let mut fds: Vec<PollFd<'_>> = self
            .listeners
            .iter()
            .map(|(fd, ..)| PollFd::new(fd, PollFlags::IN))
            .collect();
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        !fds.is_empty() && poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// A child of the shim ended: the next client gets a new process.
    pub(super) fn ended(&mut self, pid: i32) {
        if self.process.as_ref().is_some_and(|(own, _)| *own == pid) {
            self.process = None;
        }
    }

    /// Has the process bring what is open to its end, and take nothing more.
    pub(super) fn retire(&self) {
        if let Some((_, pidfd)) = &self.process {
            let _ = pidfd_send_signal(pidfd, Signal::TERM);
        }
    }

    pub(super) fn kill(&self) {
        if let Some((_, pidfd)) = &self.process {
            let _ = pidfd_send_signal(pidfd, Signal::KILL);
        }
    }
}

fn become_proxy(listeners: Vec<(OwnedFd, bool, SocketAddr)>, hooks: Hooks, shim: Pid) -> ! {
    // Without its shim it only brings what is open to its end: another shim has another proxy for what comes.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
    if rustix::process::getppid() != Some(shim) {
        process::exit_now(0) // killed before we could ask to be told
    }
    process::reset_signals();
    let _ = rustix::thread::set_name(c"hoist-proxy");
    let keep: Vec<BorrowedFd<'_>> = listeners.iter().map(|(fd, ..)| fd.as_fd()).collect();
    let _ = process::close_all_but(&keep);
    (hooks.proxy)(listeners)
}
