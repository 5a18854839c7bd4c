//! The process beside one exec: forks it into the container, waits for it, tells how it ended.
//!
//! ```text
//!  watcher: pidfd of PID 1, setns(pid) ──clone3──▶ child: setns(mnt net uts ipc cgroup) ─▶ user, caps, seccomp ─▶ execve
//! ```
//!
//! It belongs to nobody: neither the zygote's nor the supervisor's death ends a running exec.

use super::{ExecCommand, ExecRequest, WireExecEvent};
use crate::runtime::capabilities::CapSet;
use crate::runtime::cgroups::Cgroup;
use crate::runtime::channel::Channel;
use crate::runtime::console;
use crate::runtime::error::{At, StartFailure, Step};
use crate::runtime::identity::open_pid;
use crate::runtime::init::process::{Becoming, chain};
use crate::runtime::init::sync::{self, ChildEnd, ParentEnd, Report};
use crate::runtime::namespaces;
use crate::runtime::seccomp::{self, Program};
use crate::runtime::stdio::ProcessEnds;
use crate::runtime::sys::process::{self as sys, Forked, fork_into};
use nix::sched::{CloneFlags, setns};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::io;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
/// A client that does not read for this long does not learn how it ended.
const LAST_WORD: Duration = Duration::from_secs(5);

/// Is a watcher until the end. `control` brings the request.
pub(crate) fn main(control: OwnedFd) -> ! {
    let _ = rustix::process::setsid();
    let _ = rustix::thread::set_name(c"hoist-exec");
    sys::default_signals(&[libc::SIGCHLD]);
    sys::ignore_signals(&[libc::SIGPIPE]);
    let mut channel = Channel::new(control);
    let Ok((request, fds)) = channel.wait::<ExecRequest>(Some(PATIENCE)) else {
        sys::exit_now(1)
    };
    match start(&request, fds) {
        Ok((exec, terminal)) => {
            let fds: Vec<BorrowedFd<'_>> = terminal.iter().map(AsFd::as_fd).collect();
            let event = WireExecEvent::Started {
                pid: exec.pid,
                terminal: terminal.is_some(),
            };
            let _ = channel.send(&event, &fds, LAST_WORD);
            exec.watch(channel, &request, terminal)
        }
        Err(failure) => {
            let _ = channel.send(&WireExecEvent::Failed(failure), &[], LAST_WORD);
            sys::exit_now(1)
        }
    }
}

/// A running exec.
struct Exec {
    pid: i32,
    pidfd: OwnedFd,
    group: Option<Group>,
}

/// A cgroup of its own below the container's (cgroup v2), to kill everything an exec started and nothing else.
struct Group {
    parent: OwnedFd,
    name: String,
    dir: OwnedFd,
}

impl Group {
    /// `None` where there is no cgroup v2.
    fn make(cgroup: &Cgroup) -> Option<Self> {
        let parent = rustix::io::fcntl_dupfd_cloexec(cgroup.v2_dir()?, 3).ok()?;
        let name = format!("exec-{}", std::process::id());
        rustix::fs::mkdirat(&parent, &name, Mode::from_raw_mode(0o755)).ok()?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(&parent, &name, flags, Mode::empty()).ok()?;
        Some(Self { parent, name, dir })
    }

    fn kill(&self) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.dir, "cgroup.kill", flags, Mode::empty())?;
        rustix::io::write(file, b"1")?;
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What the exec left running in the background stays, and so does its group, until the container ends.
        let _ = rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR);
    }
}

/// What the child needs, made before the fork.
struct Child<'a> {
    request: &'a ExecRequest,
    pidfd: BorrowedFd<'a>,
    cgroup: &'a Cgroup,
    capabilities: CapSet,
    seccomp: Option<Program>,
    ends: ProcessEnds,
    sync: ChildEnd,
}

fn start(
    request: &ExecRequest,
    fds: Vec<OwnedFd>,
) -> Result<(Exec, Option<OwnedFd>), StartFailure> {
    let container = open_pid(request.pid, request.start_time)
        .at(Step::Namespaces, || {
            "open the container's first process".into()
        })?
        .ok_or_else(|| StartFailure::new(Step::Namespaces, "the container is not running"))?;
    let security = |e: &dyn std::error::Error| StartFailure::new(Step::Security, chain(e));
    let names = &request.process.capabilities;
    let (parent, sync) = sync::pair().at(Step::Prepare, || "make a socket pair".into())?;
    let cgroup = Cgroup::of_process(request.pid, &request.cgroup)
        .map_err(|e| StartFailure::new(Step::Cgroup, chain(&e)))?;
    let capabilities = CapSet::from_names(names).map_err(|e| security(&e))?;
    let child = Child {
        request,
        cgroup: &cgroup,
        pidfd: container.as_fd(),
        capabilities,
        seccomp: seccomp::compile(&request.seccomp, names).map_err(|e| security(&e))?,
        ends: ends(request, fds),
        sync,
    };
    let group = Group::make(&cgroup);
    setns(&container, CloneFlags::CLONE_NEWPID).at(Step::Namespaces, || {
        "enter the container's PID namespace".into()
    })?;
    let into = group.as_ref().map(|g| g.dir.as_fd()).or(cgroup.v2_dir());
    let forked = fork_into(0, into).at(Step::Prepare, || "fork".into())?;
    let (pid, pidfd) = match forked {
        Forked::Child => child.run(),
        Forked::Parent { pid, pidfd } => (pid, pidfd),
    };
    drop(child);
    let exec = Exec { pid, pidfd, group };
    let terminal = accompany(&parent);
    if terminal.is_err() {
        exec.kill();
        let _ = waitid(WaitId::PidFd(exec.pidfd.as_fd()), WaitIdOptions::EXITED);
    }
    Ok((exec, terminal?))
}

fn ends(request: &ExecRequest, fds: Vec<OwnedFd>) -> ProcessEnds {
    let mut fds = fds.into_iter();
    if request.process.tty {
        return ProcessEnds::default();
    }
    ProcessEnds {
        stdin: if request.process.stdin {
            fds.next()
        } else {
            None
        },
        stdout: fds.next(),
        stderr: fds.next(),
    }
}

fn accompany(parent: &ParentEnd) -> Result<Option<OwnedFd>, StartFailure> {
    parent.open_gate();
    let (mut terminal, mut executing) = (None, false);
    loop {
        match parent.next()? {
            Report::Terminal(master) => terminal = Some(master),
            // The gate is open already.
            Report::Created => {}
            Report::Executing => executing = true,
            Report::Failed(failure) => return Err(failure),
            Report::Closed if executing => return Ok(terminal),
            Report::Closed => {
                let text = "the process died while it was set up";
                return Err(StartFailure::new(Step::Prepare, text));
            }
        }
    }
}

impl Child<'_> {
    fn run(self) -> ! {
        sys::reset_signals();
        match self.enter() {
            Ok((null, terminal)) => {
                let becoming = Becoming {
                    spec: &self.request.process,
                    capabilities: self.capabilities,
                    seccomp: self.seccomp.as_ref(),
                    sync: self.sync,
                    ends: self.ends,
                    terminal,
                    init: None,
                };
                becoming.run(null.as_fd())
            }
            Err(failure) => self.sync.fail(failure),
        }
    }

    /// Gives `/dev/null` and the terminal. Whatever the container put in their place is not touched.
    fn enter(&self) -> Result<(OwnedFd, Option<OwnedFd>), StartFailure> {
        // The host's own, opened before: the container's may be anything by now.
        let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .at(Step::Devices, || "open `/dev/null`".into())?;
        self.cgroup
            .enter_v1()
            .map_err(|e| StartFailure::new(Step::Cgroup, chain(&e)))?;
        namespaces::enter_all(self.pidfd)?;
        if !self.request.process.tty {
            return Ok((null, None));
        }
        let what = || "open a terminal".to_owned();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open("/", flags, Mode::empty()).at(Step::Console, what)?;
        let devpts = console::devpts_of(root.as_fd()).at(Step::Console, what)?;
        let (master, slave) = console::open_pty(devpts.as_fd()).at(Step::Console, what)?;
        if let Some((rows, cols)) = self.request.terminal {
            console::resize(&master, rows, cols).at(Step::Console, what)?;
        }
        self.sync
            .send_terminal(master.as_fd())
            .at(Step::Console, what)?;
        Ok((null, Some(slave)))
    }
}

impl Exec {
    /// Waits for its end, obeying meanwhile.
    fn watch(
        self,
        mut channel: Channel,
        request: &ExecRequest,
        mut terminal: Option<OwnedFd>,
    ) -> ! {
        let mut listening = true;
        loop {
            // Before the first sleep, too: commands may have come in one piece with the request.
            while listening {
                match channel.recv::<ExecCommand>() {
                    Ok(Some((command, _))) => self.obey(&command, terminal.as_ref()),
                    Ok(None) => break,
                    Err(e) if e.kind() == io::ErrorKind::InvalidData => {}
                    Err(_) => {
                        listening = false;
                        // The last master: a shell that lost its user gets SIGHUP.
                        terminal = None;
                        if request.kill_on_hangup {
                            self.kill();
                        }
                    }
                }
            }
            let mut fds = vec![PollFd::new(&self.pidfd, PollFlags::IN)];
            if listening {
                fds.push(PollFd::new(&channel, PollFlags::IN));
            }
            let _ = poll(&mut fds, None);
            if let Some(code) = self.ended() {
                let _ = channel.send(&WireExecEvent::Exited { code }, &[], LAST_WORD);
                drop(self);
                sys::exit_now(0)
            }
        }
    }

    fn ended(&self) -> Option<i32> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = waitid(WaitId::PidFd(self.pidfd.as_fd()), options).ok()??;
        status
            .exit_status()
            .or_else(|| status.terminating_signal().map(|signal| 128 + signal))
    }

    fn obey(&self, command: &ExecCommand, terminal: Option<&OwnedFd>) {
        match command {
            ExecCommand::Signal(number) => {
                let _ = sys::pidfd_signal(self.pidfd.as_fd(), *number);
            }
            ExecCommand::Kill => self.kill(),
            ExecCommand::Resize { rows, cols } => {
                if let Some(terminal) = terminal {
                    let _ = console::resize(terminal, *rows, *cols);
                }
            }
        }
    }

    /// Kills it with all it started: by its cgroup, or where there is none by its process group, which its children leave
    /// only on purpose.
    fn kill(&self) {
        if self
            .group
            .as_ref()
            .is_some_and(|group| group.kill().is_ok())
        {
            return;
        }
        // Not reaped yet, so the number is still its own.
        let group = nix::unistd::Pid::from_raw(-self.pid);
        let _ = nix::sys::signal::kill(group, nix::sys::signal::Signal::SIGKILL);
        let _ = sys::pidfd_signal(self.pidfd.as_fd(), libc::SIGKILL);
    }
}
