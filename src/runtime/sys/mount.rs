//! Attributes of mounts by descriptor.

use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::io::{Errno, Result};

/// `struct mount_attr` of `linux/mount.h`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// How events pass between a mount and its copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// As it is.
    Keep,
    /// None.
    Private,
    /// From the original only.
    Slave,
    /// Both ways.
    Shared,
}

/// `MOUNT_ATTR_RDONLY`.
pub const RDONLY: u64 = 1;
/// `MOUNT_ATTR_NOSUID`.
pub const NOSUID: u64 = 2;
/// `MOUNT_ATTR_NODEV`.
pub const NODEV: u64 = 4;
/// `MOUNT_ATTR_NOEXEC`.
pub const NOEXEC: u64 = 8;

/// Sets attributes of the mount `fd` refers to (of the whole tree if `recursive`). Linux ≥ 5.12.
pub fn set_attributes(
    fd: impl AsFd,
    attributes: u64,
    propagation: Propagation,
    recursive: bool,
) -> Result<()> {
    let attr = MountAttr {
        attr_set: attributes,
        propagation: match propagation {
            Propagation::Keep => 0,
            Propagation::Private => libc::MS_PRIVATE,
            Propagation::Slave => libc::MS_SLAVE,
            Propagation::Shared => libc::MS_SHARED,
        },
        ..MountAttr::default()
    };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    mount_setattr(fd.as_fd(), flags, &attr)
}

fn mount_setattr(fd: BorrowedFd<'_>, flags: i32, attr: &MountAttr) -> Result<()> {
    // SAFETY: the path is a static empty C string, `attr` points to a live struct of the size that is passed, and the
    // kernel only reads both.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(attr),
            size_of::<MountAttr>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(super::process::last_error())
    }
}

/// Whether the mount `fd` is on is read-only.
pub fn is_read_only(fd: impl AsFd) -> std::result::Result<bool, Errno> {
    let stat = rustix::fs::fstatvfs(fd)?;
    Ok(stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}
