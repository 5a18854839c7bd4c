//! `pid.json` and `exit.json` of a container's run folder: what an adopter reads when it has nobody to ask.

use super::protocol::Exit;
use crate::runtime::identity::Identity;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, fcntl_lock, openat, renameat, unlinkat};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

const PID: &str = "pid.json";
const EXIT: &str = "exit.json";
const LOCK: &str = "shim.lock";
/// Everything a shim makes in its run folder.
const FILES: [&str; 7] = [
    PID,
    EXIT,
    "shim.sock",
    "out",
    "err",
    LOCK,
    super::intake::MARK,
];
/// How long a shim may take to end after its last word.
const ENDING: Duration = Duration::from_secs(5);

/// PID 1 as it was last recorded, `None` if the container never came to that.
pub fn read_pid(run_dir: &Path) -> io::Result<Option<Identity>> {
    read(&run_dir.join(PID))
}

/// How the container last ended, `None` if it did not.
pub fn read_exit(run_dir: &Path) -> io::Result<Option<Exit>> {
    read(&run_dir.join(EXIT))
}

/// Whether a container was made in this run folder before.
pub(super) fn is_there(run_dir: &Path) -> bool {
    [PID, EXIT].iter().any(|name| run_dir.join(name).exists())
}

/// Whether a shim has been here that has not cleared away what it makes.
pub fn has_traces(run_dir: &Path) -> bool {
    FILES.iter().any(|name| run_dir.join(name).exists())
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Records PID 1; what is known of an earlier end is void.
pub(crate) fn write_pid(run_dir: BorrowedFd<'_>, identity: &Identity) -> io::Result<()> {
    remove(run_dir, EXIT);
    write(run_dir, PID, identity)
}

/// Records the end. The file is whole or absent at any instant. Not synced: the folder is on a tmpfs.
pub(crate) fn write_exit(run_dir: BorrowedFd<'_>, exit: &Exit) -> io::Result<()> {
    write(run_dir, EXIT, exit)
}

fn write(run_dir: BorrowedFd<'_>, name: &str, value: &impl Serialize) -> io::Result<()> {
    let temporary = format!("{name}.new");
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(run_dir, &temporary, flags, Mode::from_raw_mode(0o600))?;
    let text = serde_json::to_vec(value)?;
    io::Write::write_all(&mut std::fs::File::from(file), &text)?;
    renameat(run_dir, &temporary, run_dir, name)?;
    Ok(())
}

/// Makes this process the only shim of the container, for as long as it holds what comes back. `None`: another one lives
/// (or cannot be told from one). One that is about to end is waited for; an orphan has had no shim for longer than that.
pub(crate) fn claim(run_dir: &Path, orphan: bool) -> Option<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let until = Instant::now()
        + if orphan {
            Duration::from_millis(50)
        } else {
            ENDING
        };
    let path = run_dir.join(LOCK);
    loop {
        let file = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600)).ok()?;
        // Of the process, not of the descriptor: what we fork does not hold it.
        let mine = fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        // Who ends removes the file: then it was the lock of one that is gone.
        if mine && is_at(&file, &path) {
            return Some(file);
        }
        if Instant::now() > until {
            return None;
        }
        // The end of a process that is nobody's child of ours tells nobody.
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_at(file: &OwnedFd, path: &Path) -> bool {
    let (held, there) = (rustix::fs::fstat(file), rustix::fs::stat(path));
    matches!((held, there), (Ok(held), Ok(there)) if held.st_ino == there.st_ino)
}

/// Removes what a killed shim has left in its run folder.
pub fn clear(run_dir: &Path) {
    if let Ok(dir) = std::fs::File::open(run_dir) {
        remove_all(dir.as_fd());
    }
}

/// Removes everything a shim makes in its run folder.
pub(crate) fn remove_all(run_dir: BorrowedFd<'_>) {
    for name in FILES {
        remove(run_dir, name);
    }
}

pub(crate) fn remove(run_dir: BorrowedFd<'_>, name: &str) {
    // Absent is as good as removed.
    let _ = unlinkat(run_dir, name, AtFlags::empty());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn records_are_read_back_and_a_new_start_voids_the_old_end() {
        let folder = tempfile::tempdir().unwrap();
        let dir = std::fs::File::open(folder.path()).unwrap();
        assert!(read_pid(folder.path()).unwrap().is_none());
        let exit = Exit {
            code: 137,
            signal: Some(9),
            oom: true,
            time: 1,
            ran: None,
        };
        write_exit(dir.as_fd(), &exit).unwrap();
        assert_eq!(read_exit(folder.path()).unwrap(), Some(exit));
        let me = Identity::of(std::process::id() as i32).unwrap();
        write_pid(dir.as_fd(), &me).unwrap();
        assert_eq!(read_pid(folder.path()).unwrap(), Some(me));
        assert!(read_exit(folder.path()).unwrap().is_none());
    }
}
