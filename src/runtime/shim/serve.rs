//! The loop of a shim: sleep until something happens.

use super::Shim;
use super::kept::{PORT, Parcel};
use super::protocol::{LaunchFds, ShimCommand, ShimState, ShimStatus, WireEvent};
use super::proxies::Proxies;
use crate::runtime::channel::Channel;
use crate::runtime::error::{StartFailure, Step};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::SocketFlags;
use std::io;
use std::time::Duration;

impl Shim {
    /// Serves until `Release`.
    pub(super) fn serve(mut self) -> ! {
        // Looks before it sleeps: commands may have come in one piece with the launch request.
        loop {
            // Children first: an end is told after its output, and `Release` wants to know.
            self.streams.pump();
            self.children_ended();
            self.orphan_ended();
            self.proxies.serve(self.hooks);
            self.accept();
            if self.obey() || self.is_forsaken() {
                self.release()
            }
            self.watch
                .look(&self.request, &self.host_mounts, self.link.is_some());
            self.sleep();
        }
    }

    /// Nothing runs, nobody is connected, and the folder by which somebody could find us was removed.
    fn is_forsaken(&self) -> bool {
        let is_gone = || rustix::fs::fstat(&self.run_dir).is_ok_and(|folder| folder.st_nlink == 0);
        self.running.is_none() && self.link.is_none() && is_gone()
    }

    fn sleep(&self) {
        let mut fds: Vec<PollFd<'_>> = Vec::new();
        let mut add = |fd, what| fds.push(PollFd::from_borrowed_fd(fd, what));
        add(self.children.as_fd(), PollFlags::IN);
        add(self.listener.as_fd(), PollFlags::IN);
        if let Some(link) = &self.link {
            add(link.as_fd(), PollFlags::IN);
        }
        if let Some(running) = self.running.as_ref().filter(|r| r.orphan) {
            add(running.pidfd.as_fd(), PollFlags::IN);
        }
        for (fd, what) in self.streams.poll() {
            add(fd, what);
        }
        for fd in self.proxies.poll() {
            add(fd, PollFlags::IN);
        }
        let timeouts = [self.watch.timeout(), self.streams.timeout()];
        let timeout = timeouts.into_iter().flatten().min().map(|left| Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        // An interrupted or failed wait costs a turn of the loop only.
        let _ = poll(&mut fds, timeout.as_ref());
    }

    /// A new supervisor: it gets to know everything, and the one before loses us.
    fn accept(&mut self) {
        let accepted = rustix::net::accept_with(&self.listener, SocketFlags::CLOEXEC);
        let Ok(socket) = accepted else { return };
        if !is_one_of_us(&socket) {
            return;
        }
        let parcel = self.kept();
        let hello = WireEvent::Hello {
            status: self.status(),
            kept: parcel.manifest,
        };
        let link = Channel::new(socket);
        let patience = Duration::from_secs(1);
        if link.send(&hello, &parcel.fds, patience).is_ok() {
            self.link = Some(link);
            self.watch.found();
        }
    }

    /// Everything that a supervisor is to hold as well.
    fn kept(&self) -> Parcel<'_> {
        let mut parcel = Parcel::new(self.netns.as_ref());
        parcel.keep(
            self.keep
                .iter()
                .map(|(name, fd)| (name.as_str(), fd.as_fd())),
        );
        parcel.keep(self.streams.kept());
        parcel.proxies(self.proxies.all());
        parcel
    }

    fn status(&self) -> ShimStatus {
        ShimStatus {
            shim: std::process::id() as i32,
            state: self.state,
            pid: self.running.as_ref().map(|r| (r.pid, r.start_time)),
            exit: self.exit.clone(),
            failure: self.failure.clone(),
        }
    }

    /// Does what the supervisor wants; whether that is to end.
    fn obey(&mut self) -> bool {
        loop {
            let Some(link) = &mut self.link else {
                return false;
            };
            match link.recv::<ShimCommand>() {
                Ok(Some((ShimCommand::Release, _))) => return true,
                Ok(Some((ShimCommand::Ports(manifest), fds))) => {
                    if let Some(ports) = manifest.claim(fds) {
                        self.replace_ports(ports);
                    }
                }
                Ok(Some((command, _))) => self.command(&command),
                Ok(None) => return false,
                Err(e) if e.kind() == io::ErrorKind::InvalidData => {}
                Err(_) => {
                    self.lose_link();
                    return false;
                }
            }
        }
    }

    pub(super) fn lose_link(&mut self) {
        self.link = None;
        self.watch.lost();
    }

    fn command(&mut self, command: &ShimCommand) {
        match command {
            ShimCommand::Start if self.state != ShimState::Running => self.start(),
            ShimCommand::Start | ShimCommand::Release | ShimCommand::Ports(_) => {}
            ShimCommand::Signal { signal, all } => self.signal(*signal, *all),
            ShimCommand::Resize { rows, cols } => self.streams.resize(*rows, *cols),
            ShimCommand::Attach {
                close_stdin,
                lossless,
            } => self.attach(*close_stdin, *lossless),
        }
    }

    fn replace_ports(&mut self, ports: LaunchFds) {
        self.keep.retain(|(name, _)| name != PORT);
        self.keep.extend(ports.keep);
        self.proxies.retire();
        self.proxies = Proxies::new(ports.proxies);
    }

    /// Signals go to PID 1 through its pidfd, or to each process of the cgroup.
    fn signal(&self, number: i32, all: bool) {
        if all {
            let Some(parts) = &self.parts else { return };
            if number == libc::SIGKILL {
                let _ = parts.cgroup.kill();
                return;
            }
            if let Ok(signal) = Signal::try_from(number) {
                for pid in parts.cgroup.pids() {
                    let _ = kill(Pid::from_raw(pid), signal);
                }
            }
        } else if let Some(running) = &self.running {
            let _ = crate::runtime::sys::process::pidfd_signal(running.pidfd.as_fd(), number);
        }
    }

    fn attach(&mut self, close_stdin: bool, lossless: bool) {
        let (event, fds) = match self.streams.attach(close_stdin, lossless) {
            Ok(attached) => attached,
            Err(e) => {
                let text = format!("attach: {}", crate::runtime::error::reason(&e));
                self.tell(&WireEvent::Failed(StartFailure::new(Step::Prepare, text)));
                return;
            }
        };
        if close_stdin {
            // Before the client can close its end: nobody else may hold it open then.
            self.tell_streams();
        }
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let sent = match &self.link {
            Some(link) => link.send(&event, &fds, Duration::ZERO),
            None => return,
        };
        if sent.is_err() {
            self.lose_link();
        }
    }
}

/// Root, or the user we run as.
fn is_one_of_us(socket: &OwnedFd) -> bool {
    rustix::net::sockopt::socket_peercred(socket)
        .is_ok_and(|peer| peer.uid.is_root() || peer.uid == rustix::process::geteuid())
}
