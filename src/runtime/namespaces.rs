//! Namespaces: which are new, which are joined.

use super::error::{At, StartFailure, Step};
use super::identity::Identity;
use super::identity::open_pid;
use super::spec::{ContainerSpec, Namespace, NetworkNs};
use super::sys;
use nix::sched::{CloneFlags, setns, unshare};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::fs::File;
use std::io;

/// Flags of the namespaces made together with the container's first process. The cgroup namespace is not among them: its
/// root is where the process is when it is made, and v1 hierarchies are entered after the clone.
pub fn clone_flags(spec: &ContainerSpec) -> i32 {
    let mut flags = libc::CLONE_NEWNS;
    if !spec.host_uts {
        flags |= libc::CLONE_NEWUTS;
    }
    if spec.pid_ns == Namespace::New {
        flags |= libc::CLONE_NEWPID;
    }
    if spec.ipc_ns == Namespace::New {
        flags |= libc::CLONE_NEWIPC;
    }
    if spec.network == NetworkNs::New {
        flags |= libc::CLONE_NEWNET;
    }
    flags
}

/// While this lives, children of this process are born in another PID namespace.
#[derive(Debug)]
pub struct PidNsGuard {
    own: File,
}

impl PidNsGuard {
    /// Children go to the namespace the spec says; `None` if that is a new one or ours.
    pub fn enter(spec: &ContainerSpec) -> Result<Option<Self>, StartFailure> {
        let Namespace::Of { pid, start_time } = spec.pid_ns else {
            return Ok(None);
        };
        let own = File::open("/proc/self/ns/pid")
            .at(Step::Namespaces, || "open our own PID namespace".into())?;
        let pidfd = peer(pid, start_time)?;
        setns(&pidfd, CloneFlags::CLONE_NEWPID).at(Step::Namespaces, || {
            format!("join the PID namespace of process {pid}")
        })?;
        Ok(Some(Self { own }))
    }
}

impl Drop for PidNsGuard {
    fn drop(&mut self) {
        // It fails in the child that was born meanwhile: it has a copy of this guard, and no way back.
        let _ = setns(&self.own, CloneFlags::CLONE_NEWPID);
    }
}

/// Does something in the mount namespace of a process, with its root as ours, and comes back.
pub fn in_mounts_of<T>(
    pid: i32,
    start_time: u64,
    act: impl FnOnce() -> rustix::io::Result<T>,
) -> io::Result<T> {
    let own = File::open("/proc/self/ns/mnt")?;
    setns(of_process(pid, start_time, "mnt")?, CloneFlags::CLONE_NEWNS)?;
    let done = act();
    setns(&own, CloneFlags::CLONE_NEWNS)?;
    Ok(done?)
}

/// A namespace of a process that was there since `start_time`. By its file, not by a pidfd: a process in a PID namespace of
/// its own knows others by `/proc` only, as long as that is the host's.
fn of_process(pid: i32, start_time: u64, kind: &str) -> io::Result<File> {
    let namespace = File::open(format!("/proc/{pid}/ns/{kind}"))?;
    match Identity::of(pid)?.start_time == start_time {
        true => Ok(namespace),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

fn peer(pid: i32, start_time: u64) -> Result<OwnedFd, StartFailure> {
    open_pid(pid, start_time)
        .at(Step::Namespaces, || format!("open process {pid}"))?
        .ok_or_else(|| {
            let text = format!("the process {pid} whose namespace is to be joined is gone");
            StartFailure::new(Step::Namespaces, text)
        })
}

/// In the container's first process: joins the network and IPC namespaces, names the host.
pub fn join(spec: &ContainerSpec, netns: Option<BorrowedFd<'_>>) -> Result<(), StartFailure> {
    match (spec.network, netns) {
        (NetworkNs::Given | NetworkNs::Joined, Some(netns)) => {
            setns(netns, CloneFlags::CLONE_NEWNET)
                .at(Step::Namespaces, || "join the network namespace".into())?;
        }
        (NetworkNs::Given | NetworkNs::Joined, None) => {
            return Err(StartFailure::new(
                Step::Namespaces,
                "no network namespace was handed over",
            ));
        }
        (NetworkNs::New, _) => {
            let flags = SocketFlags::CLOEXEC;
            socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)
                .and_then(|socket| sys::process::loopback_up(socket.as_fd()))
                .at(Step::Namespaces, || "bring `lo` up".into())?;
        }
        (NetworkNs::Host, _) => {}
    }
    if let Namespace::Of { pid, start_time } = spec.ipc_ns {
        of_process(pid, start_time, "ipc")
            .and_then(|ipc| Ok(setns(ipc, CloneFlags::CLONE_NEWIPC)?))
            .at(Step::Namespaces, || {
                format!("join the IPC namespace of process {pid}")
            })?;
    }
    if spec.host_uts {
        return Ok(());
    }
    rustix::system::sethostname(spec.hostname.as_bytes()).at(Step::Namespaces, || {
        format!("set the host name `{}`", spec.hostname)
    })?;
    if let Some(domain) = &spec.domainname {
        rustix::system::setdomainname(domain.as_bytes()).at(Step::Namespaces, || {
            format!("set the domain name `{domain}`")
        })?;
    }
    Ok(())
}

/// Hides the host's cgroup paths: from now on `/proc/self/cgroup` begins at the container's own.
pub fn hide_cgroups() -> Result<(), StartFailure> {
    unshare(CloneFlags::CLONE_NEWCGROUP).at(Step::Namespaces, || "make a cgroup namespace".into())
}

/// Enters every namespace of the process behind `pidfd` but the PID namespace, which a fork entered before.
pub fn enter_all(pidfd: BorrowedFd<'_>) -> Result<(), StartFailure> {
    let all = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWCGROUP;
    setns(pidfd, all).at(Step::Namespaces, || {
        "enter the container's namespaces".into()
    })
}
