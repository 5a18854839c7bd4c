//! The end of a container, and of its shim.

use super::protocol::{Exit, ShimState, WireEvent};
use super::{Shim, record};
use crate::runtime::identity;
use crate::runtime::sys::process as sys;
use crate::runtime::sys::process::Ended;
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::time::{SystemTime, UNIX_EPOCH};

impl Shim {
    /// Looks at every child that ended: PID 1, the proxy, orphans of a container without a PID namespace of its own.
    pub(super) fn children_ended(&mut self) {
        while let Ok(Some(_)) = self.children.read_signal() {}
        while let Some((pid, how)) = sys::ended_child() {
            if self.running.as_ref().is_some_and(|r| r.pid == pid) {
                self.container_ended(how);
            }
            self.proxies.ended(pid);
            reap(pid, WaitIdOptions::NOHANG);
        }
    }

    /// PID 1 is a zombie: drain, record, reap, kill the rest, tell, in this order. If we are killed in between, whoever
    /// adopts the container finds either the zombie or the record.
    fn container_ended(&mut self, how: Ended) {
        match how {
            Ended::Exited(code) => self.ended_with(code, None),
            Ended::Killed(signal) => self.ended_with(128 + signal, Some(signal)),
        }
    }

    pub(super) fn ended_with(&mut self, code: i32, signal: Option<i32>) {
        self.streams.drain();
        let parts = self.parts.as_ref();
        let exit = Exit {
            code,
            signal,
            oom: parts.is_some_and(|p| p.cgroup.oom_kills() > 0),
            time: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| d.as_nanos() as i64),
            ran: self.running.as_ref().map(|r| identity::age(r.start_time)),
        };
        // A full tmpfs must not keep the supervisor from hearing of it.
        let _ = record::write_exit(self.run_dir.as_fd(), &exit);
        self.reap();
        if let Some(parts) = &self.parts {
            let _ = parts.cgroup.kill();
        }
        self.streams.drain();
        self.streams.close_terminal();
        self.running = None;
        self.state = ShimState::Exited;
        self.exit = Some(exit.clone());
        self.tell(&WireEvent::Exited(exit));
    }

    /// Waits for PID 1, if it is a child of ours (not so if its first shim was killed).
    fn reap(&self) {
        if let Some(running) = &self.running {
            reap(running.pid, WaitIdOptions::empty());
        }
    }

    /// Kills what runs, removes what we made, ends.
    pub(super) fn release(mut self) -> ! {
        if let Some(parts) = self.parts.take() {
            let _ = parts.cgroup.kill();
            self.reap();
            self.streams.drain();
            let _ = parts.cgroup.remove();
        }
        self.proxies.kill();
        record::remove_all(self.run_dir.as_fd());
        // The namespace dies with the last of these, and its links with it.
        self.keep.clear();
        self.netns = None;
        self.tell(&WireEvent::Released);
        // The supervisor is told that we are gone when this is done, and waits for it before another start.
        self.root = None;
        if self.streams.owes() {
            // Nobody need wait for slow readers.
            self.link = None;
            self.streams.settle();
        }
        sys::exit_now(0)
    }

    /// Holds the root directory of what runs. One that has ended already had nothing worth waiting for.
    pub(super) fn hold_root(&mut self) {
        let Some(running) = &self.running else { return };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = format!("/proc/{}/root", running.pid);
        self.root = rustix::fs::open(path, flags, Mode::empty()).ok();
    }
}

/// Of a process that is no child of ours there is nothing to reap.
fn reap(pid: i32, options: WaitIdOptions) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = waitid(WaitId::Pid(pid), options | WaitIdOptions::EXITED);
    }
}
