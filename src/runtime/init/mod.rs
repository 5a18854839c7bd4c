//! The container's first process, from its birth to the user's program.
//!
//! Runs in a forked copy of the shim. Invariants: until `execve` it is not dumpable, so nothing inside may look at it
//! through `/proc`; it executes nothing before the gate of [`sync`] was opened.

pub(crate) mod process;
pub(crate) mod sync;
pub(crate) mod tiny;

use self::process::{Becoming, chain};
use self::sync::ChildEnd;
use super::capabilities::CapSet;
use super::cgroups::Cgroup;
use super::error::{At, StartFailure, Step};
use super::mounts::{self, Defaults, Hierarchy, Places, Root};
use super::seccomp::Program;
use super::spec::{ContainerSpec, HookStage};
use super::stdio::ProcessEnds;
use super::zygote::Hooks;
use super::{console, devices, namespaces, oci_hooks, rootfs, sys};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use std::path::Path;

/// `argv[0]` of our own PID 1.
pub(crate) const ARGV0: &str = "hoist-init";

/// What the first process works with; all of it was made by the shim before the fork.
pub(crate) struct Init<'a> {
    /// The container.
    pub(crate) spec: &'a ContainerSpec,
    /// The run folder, to mount on.
    pub(crate) run_dir: &'a Path,
    /// The network namespace to join.
    pub(crate) netns: Option<BorrowedFd<'a>>,
    /// Capabilities of the process.
    pub(crate) capabilities: CapSet,
    /// Its seccomp filter.
    pub(crate) seccomp: Option<&'a Program>,
    /// Its cgroup; it was cloned into the v2 one already.
    pub(crate) cgroup: &'a Cgroup,
    /// The host's mount namespace.
    pub(crate) host_mounts: BorrowedFd<'a>,
    /// What other layers do.
    pub(crate) hooks: Hooks,
    /// Size of the terminal.
    pub(crate) terminal: Option<(u16, u16)>,
    /// Standard streams.
    pub(crate) ends: ProcessEnds,
    /// To the shim.
    pub(crate) sync: ChildEnd,
}

impl Init<'_> {
    /// Becomes the user's program, or tells the shim why not.
    pub(crate) fn run(mut self) -> ! {
        sys::process::reset_signals();
        match self.build() {
            Ok((null, terminal, init)) => {
                let becoming = Becoming {
                    spec: &self.spec.process,
                    capabilities: self.capabilities,
                    seccomp: self.seccomp,
                    sync: self.sync,
                    ends: std::mem::take(&mut self.ends),
                    terminal,
                    init,
                };
                becoming.run(null.as_fd())
            }
            Err(failure) => self.sync.fail(failure),
        }
    }

    /// Makes the container around this process. Gives `/dev/null`, the terminal and our init's executable.
    fn build(&self) -> Result<(OwnedFd, Option<OwnedFd>, Option<OwnedFd>), StartFailure> {
        let spec = self.spec;
        self.cgroup
            .enter_v1()
            .map_err(|e| StartFailure::new(Step::Cgroup, chain(&e)))?;
        namespaces::join(spec, self.netns)?;
        if let Some(score) = spec.process.oom_score_adj {
            std::fs::write("/proc/self/oom_score_adj", score.to_string())
                .at(Step::Limits, || format!("set oom_score_adj to {score}"))?;
        }
        let init = if spec.init {
            Some(own_executable()?)
        } else {
            None
        };
        rootfs::detach_propagation()?;
        let files = self.staging()?;
        let root_fd = rootfs::mount_root(&spec.rootfs, self.run_dir)?;
        mark(root_fd.as_fd());
        let root = Root(root_fd.as_fd());
        let mounts = Defaults::mount(root, spec)?;
        let tty = spec.process.tty;
        devices::populate_dev(mounts.dev.as_fd(), &spec.devices, spec.privileged, tty)
            .and_then(|()| devices::populate_root(root.0, &spec.devices))
            .map_err(|e| StartFailure::new(Step::Devices, chain(&e)))?;
        if !spec.host_cgroups {
            namespaces::hide_cgroups()?;
        }
        mounts::mount_cgroups(&mounts.sys, spec, &Hierarchy::of(self.cgroup))?;
        let places = Places {
            root,
            files: files.as_fd(),
            host: self.host_mounts,
            hooks: self.hooks,
        };
        mounts::mount_all(places, &spec.mounts)?;
        if !spec.privileged && !spec.unmasked {
            mounts::protect(&mounts)?;
        }
        let terminal = if tty {
            Some(self.open_terminal(&mounts)?)
        } else {
            None
        };
        self.run_hooks()?;
        let null = open_null(&mounts)?;
        // The working directory may have to be made, which a read-only root forbids.
        let _ = root.make_folder(&spec.process.cwd);
        rootfs::pivot(root_fd.as_fd())?;
        if spec.read_only {
            rootfs::make_read_only(root_fd.as_fd())?;
        }
        Ok((null, terminal, init))
    }

    /// What vendors have to do before the host's root directory is out of reach.
    fn run_hooks(&self) -> Result<(), StartFailure> {
        if self.spec.hooks.is_empty() {
            return Ok(());
        }
        self.sync.created();
        self.sync.wait();
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        oci_hooks::run(self.spec, HookStage::CreateContainer, pid)
    }

    /// A tmpfs below the root filesystem's mount point, so in this mount namespace but on no path once the root is on it:
    /// files made from bytes are bound from there.
    fn staging(&self) -> Result<OwnedFd, StartFailure> {
        let what = || "make a place for files".to_owned();
        mounts::staging()
            .and_then(|tmpfs| {
                let flags = rustix::mount::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
                rustix::mount::move_mount(&tmpfs, "", CWD, self.run_dir, flags)?;
                Ok(tmpfs)
            })
            .at(Step::Mount, what)
    }

    fn open_terminal(&self, mounts: &Defaults) -> Result<OwnedFd, StartFailure> {
        let what = || "open a terminal".to_owned();
        let (master, slave) = console::open_pty(mounts.devpts.as_fd()).at(Step::Console, what)?;
        if let Some((rows, cols)) = self.terminal {
            console::resize(&master, rows, cols).at(Step::Console, what)?;
        }
        mounts::bind_console(&mounts.dev, &slave)?;
        self.sync
            .send_terminal(master.as_fd())
            .at(Step::Console, what)?;
        Ok(slave)
    }
}

/// Makes the empty file by which programs find out that they run in a container. One who has it already keeps it,
/// and one on a full disk starts all the same.
fn mark(root: BorrowedFd<'_>) {
    let mode = Mode::from_raw_mode(0o755);
    let _ = mknodat(root, ".dockerenv", FileType::RegularFile, mode, 0);
}

fn open_null(mounts: &Defaults) -> Result<OwnedFd, StartFailure> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(&mounts.dev, "null", flags, Mode::empty())
        .at(Step::Devices, || "open `/dev/null`".into())
}

/// Our own executable, on its read-only mount.
fn own_executable() -> Result<OwnedFd, StartFailure> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::open("/proc/self/exe", flags, Mode::empty())
        .at(Step::Exec, || "open our own init".into())
}
