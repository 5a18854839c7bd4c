//! A new volume starts with what the image has at its mount point.
//!
//! Runs in the process that sets up a container, before its root is pivoted into: single-threaded, by descriptors only.
//! The image's tree is not trusted: no link in it is followed, its sockets are left out.
//!
//! The volume is marked for as long as the copy lasts, by an extended attribute that a container cannot set
//! (`trusted.`); a mark found on the next start means that the copy was cut short, and it is made again. Containers that
//! share a new volume take turns by `flock`, so that the second sees the whole copy.

mod copy;

use super::tree;
use rustix::fs::{FlockOperation, Mode, OFlags, XattrFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Where the mark is kept: the first that the file system takes. `trusted.` needs CAP_SYS_ADMIN, `user.` does not.
const MARKS: [&str; 2] = ["trusted.hoist.populate", "user.hoist.populate"];

/// Copies the content of the folder `src` into the folder `dst` if that is empty, with owners, modes, times, extended
/// attributes, links, hard links, devices and holes; owner and mode of `dst` itself become those of `src`.
///
/// Both may be `O_PATH` descriptors. Does nothing if `dst` has content already.
pub fn copy_up(src: BorrowedFd<'_>, dst: BorrowedFd<'_>) -> io::Result<()> {
    let src = reopen(src)?;
    let dst = reopen(dst)?;
    rustix::fs::flock(&dst, FlockOperation::LockExclusive)?;
    if is_marked(dst.as_fd()) {
        tree::empty(dst.as_fd())?;
    } else if !tree::names(dst.as_fd())?.is_empty() {
        return Ok(());
    }
    mark(dst.as_fd())?;
    copy::tree(src.as_fd(), dst.as_fd())?;
    unmark(dst.as_fd())
}

/// A descriptor that can be read and locked, of the same folder.
fn reopen(folder: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(folder, ".", flags, Mode::empty())?)
}

fn is_marked(folder: BorrowedFd<'_>) -> bool {
    let has = |name: &&str| rustix::fs::fgetxattr(folder, *name, &mut [0u8; 8]).is_ok();
    MARKS.iter().any(has)
}

/// A file system that takes neither attribute (NFS) gets a copy without a net.
fn mark(folder: BorrowedFd<'_>) -> io::Result<()> {
    for name in MARKS {
        match rustix::fs::fsetxattr(folder, name, b"1", XattrFlags::empty()) {
            Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            done => return Ok(done?),
        }
    }
    Ok(())
}

fn unmark(folder: BorrowedFd<'_>) -> io::Result<()> {
    for name in MARKS {
        match rustix::fs::fremovexattr(folder, name) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
