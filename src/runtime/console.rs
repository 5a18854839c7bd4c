//! Terminals. A pty always comes from the container's own devpts, opened by descriptor, never by a path the image
//! or a process inside could have replaced (CVE-2025-52565).

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, fstatfs, openat2};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;

/// Master and slave of a fresh pty of the devpts instance mounted at `devpts`.
pub fn open_pty(devpts: BorrowedFd<'_>) -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = openat2(devpts, "ptmx", flags, Mode::empty(), resolve)?;
    let stat = fstat(&master)?;
    let is_ptmx = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && (
            rustix::fs::major(stat.st_rdev),
            rustix::fs::minor(stat.st_rdev),
        ) == (5, 2);
    if !is_ptmx || fstatfs(&master)?.f_type as i64 != DEVPTS_SUPER_MAGIC {
        return Err(Errno::NODEV);
    }
    unlockpt(&master)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    Ok((master, slave))
}

/// The devpts of the container whose root directory is `root`.
pub fn devpts_of(root: BorrowedFd<'_>) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat2(root, "dev/pts", flags, Mode::empty(), resolve)
}

/// Makes `slave` the controlling terminal and standard streams of this process, which becomes a session leader.
pub fn take(slave: BorrowedFd<'_>, uid: u32) -> rustix::io::Result<()> {
    rustix::fs::fchown(slave, Some(rustix::fs::Uid::from_raw(uid)), None)?;
    match rustix::process::setsid() {
        Ok(_) | Err(Errno::PERM) => {}
        Err(e) => return Err(e),
    }
    rustix::process::ioctl_tiocsctty(slave)?;
    rustix::stdio::dup2_stdin(slave)?;
    rustix::stdio::dup2_stdout(slave)?;
    rustix::stdio::dup2_stderr(slave)
}

/// Sets the size of a terminal.
pub fn resize(terminal: impl AsFd, rows: u16, cols: u16) -> rustix::io::Result<()> {
    let size = Winsize {
        ws_row: rows,
        ws_col: cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size)
}
