//! An executable that cannot be written by whoever gets hold of `/proc/PID/exe` (CVE-2019-5736).
//!
//! A container's process starts its life as a copy of ours, and `/proc/self/exe` is ours until the user's program is
//! executed; an image can even make it the entrypoint. So our helper processes run from a detached read-only mount of
//! the executable, which no path leads to and which nobody in a container can make writable, or else from a sealed copy
//! in memory.

use crate::runtime::sys::mount::{self, Propagation};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::mount::{OpenTreeFlags, open_tree};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An executable by descriptor.
#[derive(Debug)]
pub(super) struct Executable(OwnedFd);

impl Executable {
    /// A command that runs it as a zygote.
    pub(super) fn command(&self) -> Command {
        // The path is resolved in the child before its descriptors are closed on exec.
        super::zygote_command(&PathBuf::from(format!(
            "/proc/self/fd/{}",
            self.0.as_raw_fd()
        )))
    }
}

/// The executable at `path`, out of reach for writing.
pub(super) fn executable(path: &Path) -> io::Result<Executable> {
    let file = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    // Started by a shim's watchdog we already run from the read-only mount.
    if path == Path::new("/proc/self/exe") && mount::is_read_only(&file).unwrap_or(false) {
        return Ok(Executable(file));
    }
    match read_only_mount(path) {
        Ok(fd) => Ok(Executable(fd)),
        Err(_) => sealed_copy(path).map(Executable),
    }
}

fn read_only_mount(path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, path, flags)?;
    mount::set_attributes(&tree, mount::RDONLY, Propagation::Private, false)?;
    Ok(tree)
}

fn sealed_copy(path: &Path) -> io::Result<OwnedFd> {
    let mut from = File::open(path)?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = rustix::fs::memfd_create(c"hoist", flags | MemfdFlags::EXEC)
        // MFD_EXEC is not known before Linux 6.3, where every memfd is executable.
        .or_else(|_| rustix::fs::memfd_create(c"hoist", flags))?;
    let mut to = File::from(memory);
    io::copy(&mut from, &mut to)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(to.as_fd(), seals)?;
    // A descriptor that is open for writing cannot be executed.
    let path = format!("/proc/self/fd/{}", to.as_raw_fd());
    let read = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, read, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn neither_form_can_be_opened_for_writing_and_both_run() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        std::fs::copy("/bin/true", &program).unwrap();
        for fd in [
            read_only_mount(&program).unwrap(),
            sealed_copy(&program).unwrap(),
        ] {
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            let written = File::options()
                .write(true)
                .open(&path)
                .and_then(|mut file| file.write_all(b"x"));
            assert!(written.is_err());
            assert!(Command::new(&path).status().unwrap().success());
        }
    }
}
