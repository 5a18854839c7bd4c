//! The folder of one writer: everything it makes is there until it is renamed into place.

use super::{Lock, Store};
use crate::id::ContainerId;
use crate::image::Error;
use crate::image::unpack::Limits;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::cell::Cell;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A writer's folder; removed when dropped, or by the next [`sweep`] if its process dies.
#[derive(Debug)]
pub(in crate::image) struct Work {
    path: PathBuf,
    /// Says that the folder is in use.
    _folder: OwnedFd,
    /// Keeps the collector away.
    _writer: Lock,
    names: Cell<u32>,
}

impl Work {
    pub(in crate::image) fn new(store: &Store) -> Result<Self, Error> {
        let writer = Lock::shared(&store.writers_lock())?;
        loop {
            let path = store.work_root().join(ContainerId::random().short());
            fs::DirBuilder::new()
                .mode(0o700)
                .create(&path)
                .map_err(Error::io("make folder", &path))?;
            if let Some(folder) = claim(&path)? {
                return Ok(Self {
                    path,
                    _folder: folder,
                    _writer: writer,
                    names: Cell::new(0),
                });
            }
        }
    }

    pub(in crate::image) fn path(&self) -> &Path {
        &self.path
    }

    /// What the file system can take now.
    pub(in crate::image) fn limits(&self) -> Result<Limits, Error> {
        Limits::of_file_system(&self.path).map_err(Error::io("read", &self.path))
    }

    /// A path in the folder that was not given out before.
    pub(in crate::image) fn fresh(&self) -> PathBuf {
        self.names.set(self.names.get() + 1);
        self.path.join(self.names.get().to_string())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed now is swept by the next process.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Locks the folder; `None` if somebody else has it, or has just swept it away.
fn claim(path: &Path) -> Result<Option<OwnedFd>, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        done => done.map_err(Error::io("open", path))?,
    };
    match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(None),
        done => done.map_err(Error::io("lock", path))?,
    }
    let locked = rustix::fs::fstat(&folder).map_err(Error::io("read", path))?;
    let still_there = fs::symlink_metadata(path).is_ok_and(|named| named.ino() == locked.st_ino);
    Ok(still_there.then_some(folder))
}

/// Removes the folders of writers that are dead.
pub(super) fn sweep(root: &Path) -> Result<(), Error> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        done => done.map_err(Error::io("read", root))?,
    };
    for entry in entries {
        let path = entry.map_err(Error::io("read", root))?.path();
        // Another sweeper may have been faster with what is removed here; nothing depends on it.
        if is_file(&path) {
            let _ = fs::remove_file(&path);
        } else if let Some(_claimed) = claim(&path)? {
            // Held until the folder is gone: its maker may be between making and claiming it.
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

/// Removes a file, or a folder and all below it, never through a link.
pub(super) fn remove_any(path: &Path) -> io::Result<()> {
    if is_file(path) {
        fs::remove_file(path)
    } else {
        fs::remove_dir_all(path)
    }
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir())
}
