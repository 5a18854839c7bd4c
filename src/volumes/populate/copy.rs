//! Copies a tree, file by file, by descriptors.

use crate::volumes::tree::names;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RawMode, SeekFrom, Stat, Timespec, Timestamps, Uid,
    XattrFlags,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Copies everything in `src`, and the owner, mode, attributes and times of `src` itself.
pub(super) fn tree(src: BorrowedFd<'_>, dst: BorrowedFd<'_>) -> io::Result<()> {
    let mut copy = Copy {
        linked: HashMap::new(),
    };
    copy.folder(src, dst)
}

struct Copy {
    /// The first copy of each file with several names, opened `O_PATH`.
    linked: HashMap<(u64, u64), OwnedFd>,
}

impl Copy {
    fn folder(&mut self, src: BorrowedFd<'_>, dst: BorrowedFd<'_>) -> io::Result<()> {
        for name in names(src)? {
            let stat = rustix::fs::statat(src, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?;
            self.entry(src, dst, &name, &stat).map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("{}: {error}", String::from_utf8_lossy(&name)),
                )
            })?;
        }
        let stat = rustix::fs::fstat(src)?;
        xattrs(src, dst)?;
        attributes(dst, &stat)
    }

    fn entry(
        &mut self,
        src: BorrowedFd<'_>,
        dst: BorrowedFd<'_>,
        name: &[u8],
        stat: &Stat,
    ) -> io::Result<()> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        match kind {
            FileType::Directory => {
                rustix::fs::mkdirat(dst, name, Mode::RWXU)?;
                let flags = OFlags::RDONLY | OFlags::DIRECTORY;
                let (src, dst) = (open(src, name, flags)?, open(dst, name, flags)?);
                return self.folder(src.as_fd(), dst.as_fd());
            }
            // Nobody listens on a socket of an image.
            FileType::Socket => return Ok(()),
            _ => {}
        }
        let key = (stat.st_dev, stat.st_ino);
        if let Some(first) = self.linked.get(&key) {
            return link(first.as_fd(), dst, name);
        }
        match kind {
            FileType::RegularFile => file(src, dst, name, stat)?,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(src, name, Vec::new())?;
                rustix::fs::symlinkat(target, dst, name)?;
                owner_and_times(dst, name, stat)?;
            }
            _ => {
                rustix::fs::mknodat(dst, name, kind, Mode::RUSR | Mode::WUSR, stat.st_rdev)?;
                owner_and_times(dst, name, stat)?;
                rustix::fs::chmodat(dst, name, mode(stat), AtFlags::empty())?;
            }
        }
        if stat.st_nlink > 1 {
            self.linked.insert(key, open(dst, name, OFlags::PATH)?);
        }
        Ok(())
    }
}

fn open(folder: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR)
}

fn link(first: BorrowedFd<'_>, dst: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    match rustix::fs::linkat(first, "", dst, name, AtFlags::EMPTY_PATH) {
        // Without CAP_DAC_READ_SEARCH before Linux 6.10.
        Err(Errno::NOENT) => {
            let by_fd = format!("/proc/self/fd/{}", first.as_raw_fd());
            rustix::fs::linkat(
                rustix::fs::CWD,
                by_fd.as_str(),
                dst,
                name,
                AtFlags::SYMLINK_FOLLOW,
            )?;
        }
        done => done?,
    }
    Ok(())
}

fn file(src: BorrowedFd<'_>, dst: BorrowedFd<'_>, name: &[u8], stat: &Stat) -> io::Result<()> {
    let src = open(src, name, OFlags::RDONLY)?;
    let dst = open(dst, name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
    let size = stat.st_size.cast_unsigned();
    // A clone shares blocks, holes included, where the file system can.
    if rustix::fs::ioctl_ficlone(&dst, &src).is_err() {
        content(src.as_fd(), dst.as_fd(), size)?;
    }
    // The owner first: changing it clears set-id bits and capabilities.
    rustix::fs::fchown(
        &dst,
        Some(Uid::from_raw(stat.st_uid)),
        Some(Gid::from_raw(stat.st_gid)),
    )?;
    xattrs(src.as_fd(), dst.as_fd())?;
    attributes(dst.as_fd(), stat)
}

/// Copies the parts of a file that are not holes.
fn content(src: BorrowedFd<'_>, dst: BorrowedFd<'_>, size: u64) -> io::Result<()> {
    rustix::fs::ftruncate(dst, size)?;
    let mut at = 0;
    while at < size {
        let start = match rustix::fs::seek(src, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            // A file system that knows no holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => at,
            Err(errno) => return Err(errno.into()),
        };
        let end = rustix::fs::seek(src, SeekFrom::Hole(start)).unwrap_or(size);
        range(src, dst, start, end)?;
        at = end;
    }
    Ok(())
}

fn range(src: BorrowedFd<'_>, dst: BorrowedFd<'_>, start: u64, end: u64) -> io::Result<()> {
    let (mut from, mut to) = (start, start);
    while from < end {
        let want = usize::try_from(end - from)
            .unwrap_or(usize::MAX)
            .min(1 << 30);
        match rustix::fs::copy_file_range(src, Some(&mut from), dst, Some(&mut to), want) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {
                return by_buffer(src, dst, from, end);
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Between file systems that cannot copy for us.
fn by_buffer(src: BorrowedFd<'_>, dst: BorrowedFd<'_>, start: u64, end: u64) -> io::Result<()> {
    let mut buffer = vec![0u8; 128 << 10];
    let mut at = start;
    while at < end {
        let want = buffer
            .len()
            .min(usize::try_from(end - at).unwrap_or(usize::MAX));
        let n = rustix::io::pread(src, &mut buffer[..want], at)?;
        if n == 0 {
            return Ok(());
        }
        let mut written = 0;
        while written < n {
            written += rustix::io::pwrite(dst, &buffer[written..n], at + written as u64)?;
        }
        at += n as u64;
    }
    Ok(())
}

/// Extended attributes, but for those that overlayfs and we read as instructions.
fn xattrs(src: BorrowedFd<'_>, dst: BorrowedFd<'_>) -> io::Result<()> {
    let mut list = vec![0u8; 64 << 10];
    let length = match rustix::fs::flistxattr(src, &mut list) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        done => done?,
    };
    for name in list[..length]
        .split(|&b| b == 0)
        .filter(|name| !name.is_empty())
    {
        if name.starts_with(b"trusted.")
            || name.starts_with(b"user.overlay.")
            || name == b"security.selinux"
        {
            continue;
        }
        let mut value = vec![0u8; 64 << 10];
        let length = rustix::fs::fgetxattr(src, name, &mut value)?;
        match rustix::fs::fsetxattr(dst, name, &value[..length], XattrFlags::empty()) {
            // A file system without them: the copy is still right to run.
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn mode(stat: &Stat) -> Mode {
    Mode::from_raw_mode((stat.st_mode & 0o7777) as RawMode)
}

fn times(stat: &Stat) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: stat.st_atime,
            tv_nsec: stat.st_atime_nsec as _,
        },
        last_modification: Timespec {
            tv_sec: stat.st_mtime,
            tv_nsec: stat.st_mtime_nsec as _,
        },
    }
}

/// Owner, mode and times of an open file or folder.
fn attributes(fd: BorrowedFd<'_>, stat: &Stat) -> io::Result<()> {
    let now = rustix::fs::fstat(fd)?;
    if (now.st_uid, now.st_gid) != (stat.st_uid, stat.st_gid) {
        rustix::fs::fchown(
            fd,
            Some(Uid::from_raw(stat.st_uid)),
            Some(Gid::from_raw(stat.st_gid)),
        )?;
    }
    rustix::fs::fchmod(fd, mode(stat))?;
    Ok(rustix::fs::futimens(fd, &times(stat))?)
}

/// Owner and times of a link or node.
fn owner_and_times(folder: BorrowedFd<'_>, name: &[u8], stat: &Stat) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(
        folder,
        name,
        Some(uid),
        Some(gid),
        AtFlags::SYMLINK_NOFOLLOW,
    )?;
    Ok(rustix::fs::utimensat(
        folder,
        name,
        &times(stat),
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}
