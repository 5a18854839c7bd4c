//! `flock` on a file of its own; the kernel gives it back when its holder dies.

use crate::image::Error;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::Path;

/// A lock, held until it is dropped.
#[derive(Debug)]
pub(in crate::image) struct Lock {
    _file: OwnedFd,
}

impl Lock {
    /// Waits until nobody else holds it.
    pub(in crate::image) fn exclusive(path: &Path) -> Result<Self, Error> {
        Self::take(path, FlockOperation::LockExclusive)
    }

    /// Waits until nobody holds it alone.
    pub(in crate::image) fn shared(path: &Path) -> Result<Self, Error> {
        Self::take(path, FlockOperation::LockShared)
    }

    /// Whether `path` still names the file that is locked: its last holder may have removed it.
    pub(in crate::image) fn is_at(&self, path: &Path) -> bool {
        let locked = rustix::fs::fstat(&self._file);
        let named = rustix::fs::lstat(path);
        locked.is_ok_and(|locked| named.is_ok_and(|named| named.st_ino == locked.st_ino))
    }

    /// `None` if somebody holds it.
    pub(in crate::image) fn try_exclusive(path: &Path) -> Result<Option<Self>, Error> {
        let file = open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(Error::io("lock", path)(errno)),
        }
    }

    fn take(path: &Path, operation: FlockOperation) -> Result<Self, Error> {
        let file = open(path)?;
        loop {
            match rustix::fs::flock(&file, operation) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::io("lock", path)(errno)),
            }
        }
    }
}

fn open(path: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(Error::io("open", path))
}
