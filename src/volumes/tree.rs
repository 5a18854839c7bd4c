//! Removes folders by descriptor: no link is followed, no other file system entered, no depth too deep.

use crate::id::ContainerId;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A folder deeper than this is first moved up; a container may nest folders deeper than we may have files open.
const MAX_DEPTH: usize = 32;

/// Opens the folder `name` itself; a link or a mount point is an error (`ELOOP`, `EXDEV`).
pub(super) fn open_folder(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(parent, name, flags, Mode::empty(), resolve)
}

/// Removes everything in a folder, but not the folder. What is gone already is no error.
///
/// Other processes may write to the folder meanwhile; then something may stay (`ENOTEMPTY`), but nothing outside is
/// touched.
pub(super) fn empty(folder: BorrowedFd<'_>) -> io::Result<()> {
    let mut emptier = Emptier {
        top: folder,
        moved: 0,
    };
    // Folders that were moved up in one pass are removed in the next.
    loop {
        emptier.moved = 0;
        emptier.below(folder, 0)?;
        if emptier.moved == 0 {
            return Ok(());
        }
    }
}

struct Emptier<'a> {
    top: BorrowedFd<'a>,
    moved: usize,
}

impl Emptier<'_> {
    fn below(&mut self, folder: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
        for name in names(folder)? {
            match rustix::fs::unlinkat(folder, name.as_slice(), AtFlags::empty()) {
                Err(Errno::ISDIR | Errno::PERM) => self.folder(folder, &name, depth)?,
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn folder(&mut self, parent: BorrowedFd<'_>, name: &[u8], depth: usize) -> io::Result<()> {
        if depth >= MAX_DEPTH {
            // Random, for a container may have made any name that could be foreseen.
            let to = format!(".hoist-{}", ContainerId::random().short());
            self.moved += 1;
            return match rustix::fs::renameat(parent, name, self.top, to.as_str()) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(errno) => Err(errno.into()),
            };
        }
        match open_folder(parent, name) {
            Ok(opened) => self.below(opened.as_fd(), depth + 1)?,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
        match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// The names in a folder, read whole first: removing while reading may skip some.
pub(super) fn names(folder: BorrowedFd<'_>) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    #[test]
    fn folders_deeper_than_open_files_allow_are_removed_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs::write(&outside, "kept").unwrap();
        let inside = folder.path().join("inside");
        fs::create_dir(&inside).unwrap();
        std::os::unix::fs::symlink(folder.path(), inside.join("link")).unwrap();
        let mut at: OwnedFd = File::open(&inside).unwrap().into();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            rustix::fs::openat(&at, "f", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
            at = open_folder(at.as_fd(), b"d").unwrap();
        }
        empty(File::open(&inside).unwrap().as_fd()).unwrap();
        assert_eq!(fs::read_dir(&inside).unwrap().count(), 0);
        assert_eq!(fs::read_to_string(&outside).unwrap(), "kept");
    }
}
