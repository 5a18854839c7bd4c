//! The zygote's own side: fork on order.

use super::{ARGV0, Hooks, Order};
use crate::runtime::capabilities::CapSet;
use crate::runtime::cgroups::Layout;
use crate::runtime::spec::Seccomp;
use crate::runtime::sys::memory;
use crate::runtime::sys::process::{self, Forked};
use crate::runtime::{exec, identity, inheritance, init, rootfs, seccomp, shim};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use std::ffi::OsString;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::process::ExitCode;

/// Answers a re-entry: if `args` are those of one of the runtime's helper processes (`hoist-zygote`, `hoist-init`), is
/// that process until its end. Call it first in `main`, before any thread exists.
pub fn main(args: impl IntoIterator<Item = OsString>, hooks: Hooks) -> Option<ExitCode> {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(code) = init::tiny::main(&args) {
        return Some(code);
    }
    if args.first()? != ARGV0 {
        return None;
    }
    Some(match Server::new(hooks).and_then(|server| server.serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

struct Server {
    orders: OwnedFd,
    hooks: Hooks,
    host_mounts: OwnedFd,
}

impl Server {
    fn new(hooks: Hooks) -> io::Result<Self> {
        // Nothing of a container may look at us through `/proc`; forks inherit it.
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        let _ = rustix::thread::set_name(c"hoist-zygote");
        let _ = rustix::process::setsid();
        let orders = take_stdin()?;
        let host_mounts = own_mounts()?;
        // Shims are nobody's zombies: they are reaped by the kernel.
        process::ignore_signals(&[libc::SIGCHLD, libc::SIGINT, libc::SIGHUP, libc::SIGTERM]);
        rustix::process::umask(Mode::from_raw_mode(0o022));
        inheritance::disown();
        // Read once here, known to every fork.
        let _ = Layout::here();
        let _ = identity::boot_id();
        let _ = seccomp::compile(&Seccomp::Default, &CapSet::default_set().names());
        memory::rest();
        Ok(Self {
            orders,
            hooks,
            host_mounts,
        })
    }

    fn serve(self) -> io::Result<()> {
        while let Some((order, channel)) = self.next_order()? {
            match process::fork() {
                Ok(Forked::Child) => self.become_helper(order, channel),
                // Who ordered sees its connection closed when `channel` is dropped without a child.
                Ok(Forked::Parent { .. }) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn become_helper(self, order: u8, channel: OwnedFd) -> ! {
        drop(self.orders);
        if order == Order::Launch as u8 {
            shim::main(channel, self.hooks, self.host_mounts)
        }
        drop(self.host_mounts);
        exec::watch::main(channel)
    }

    /// `None` once the supervisor is gone.
    fn next_order(&self) -> io::Result<Option<(u8, OwnedFd)>> {
        loop {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut order = [0u8; 1];
            let mut into = [IoSliceMut::new(&mut order)];
            match recvmsg(
                &self.orders,
                &mut into,
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            ) {
                Ok(got) if got.bytes == 0 => return Ok(None),
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(Errno::CONNRESET) => return Ok(None),
                Err(e) => return Err(e.into()),
            }
            let channel = control.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
                _ => None,
            });
            if let Some(channel) = channel {
                return Ok(Some((order[0], channel)));
            }
        }
    }
}

/// The order socket came as stdin; nothing we fork shall have it there.
fn take_stdin() -> io::Result<OwnedFd> {
    let orders = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(null)?;
    Ok(orders)
}

/// A mount namespace of our own, in which the host's later mounts still appear. Gives the host's.
fn own_mounts() -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let host = rustix::fs::open("/proc/self/ns/mnt", flags, Mode::empty())?;
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
    rootfs::detach_propagation().map_err(|failure| io::Error::other(failure.message))?;
    Ok(host)
}
