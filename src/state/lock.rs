//! Advisory locks that the kernel gives back when their holder dies: there is no stale lock file.

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// A held exclusive lock; dropping (or dying) releases it.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Takes the lock if nobody holds it.
    pub fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if is_at(&file, path)? => Ok(Some(Self(file))),
            Ok(()) | Err(Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Waits for the lock on a folder, which needs no file for it.
    pub fn take(folder: &Path) -> io::Result<Self> {
        let file = File::open(folder)?;
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Self(file)),
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Takes the lock on a folder; `None` if another still holds it after `patience`, which is for one that is ending: no
    /// event tells us of its end.
    pub fn take_within(folder: &Path, patience: Duration) -> io::Result<Option<Self>> {
        let mut file = File::open(folder)?;
        let deadline = Instant::now() + patience;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&file, folder)? => return Ok(Some(Self(file))),
                Ok(()) => file = File::open(folder)?,
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) if Instant::now() > deadline => return Ok(None),
                Err(Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(1)),
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Takes over a lock that a parent held open for us.
    pub fn inherited(fd: OwnedFd) -> Self {
        Self(File::from(fd))
    }

    /// The descriptor whose open file description holds the lock.
    pub fn file(&self) -> &File {
        &self.0
    }
}

/// Whether the file is (still) the one at this path: who holds a lock may remove its file, or rename its folder, and end.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (held, there) = (file.metadata()?, path.metadata()?);
    Ok((held.dev(), held.ino()) == (there.dev(), there.ino()))
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_exclusive_and_ends_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Lock::try_take(&path).unwrap().unwrap();
        assert!(Lock::try_take(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::try_take(&path).unwrap().is_some());
    }

    #[test]
    fn a_folder_is_waited_for_as_long_as_patience_lasts() {
        let dir = tempfile::tempdir().unwrap();
        let take = |patience| Lock::take_within(dir.path(), patience).unwrap();
        let held = take(Duration::ZERO).unwrap();
        assert!(take(Duration::ZERO).is_none());
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| take(Duration::from_secs(60)));
            drop(held);
            assert!(waits.join().unwrap().is_some());
        });
    }

    #[test]
    fn a_folder_that_was_put_aside_is_not_the_one_at_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let [folder, aside] = ["folder", "aside"].map(|name| dir.path().join(name));
        std::fs::create_dir(&folder).unwrap();
        let file = File::open(&folder).unwrap();
        assert!(is_at(&file, &folder).unwrap());
        std::fs::rename(&folder, aside).unwrap();
        std::fs::create_dir(&folder).unwrap();
        assert!(!is_at(&file, &folder).unwrap());
    }
}
